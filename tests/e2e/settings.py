"""Good and bad settings to put before Stowplan and vLLM: drawn from the flag table, and chosen by hand.

Each is what a person might write under `[vllm]` for a model of some kind (`model_kinds.py`). Those chosen by hand are
in conflicts.toml. The same ones every time, in the same order; a name says all of one.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sources import toml
from stowplan.engines.reserved import RESERVED
from stowplan.nouns.flags import Flag, FlagTable, Shape

Flags = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """Flags for a model of one kind."""

    kind: str
    flags: Flags

    @cached_property
    def name(self) -> str:
        """Model and flags on one line, as TOML."""
        return f"{self.kind}: {'; '.join(toml(self.flags).splitlines())}".rstrip(" ")

    @property
    def typed(self) -> list[str]:
        """The arguments as one would type them who has no Stowplan: for what has no spelling of ours."""
        return [word for name, value in self.flags.items() for word in _typed(name, value)]


def _typed(name: str, value: Any) -> list[str]:
    option = f"--{name}"
    if isinstance(value, bool):
        return [option if value else f"--no-{name}"]
    items = value if isinstance(value, list) else [value]
    return [option, *(item if isinstance(item, str) else json.dumps(item) for item in items)]


def chosen(table: FlagTable) -> Iterator[Setting]:
    """Those of conflicts.toml, each kind of model with nothing set, and all quantization methods for plain weights."""
    by_kind = tomllib.loads(Path(__file__).with_name("conflicts.toml").read_text("utf-8"))
    for kind, settings in by_kind.items():
        yield from (Setting(kind, flags) for flags in ({}, *settings))
    for method in table.names["quantization"]:
        yield Setting("dense", {"quantization": method})


def drawn(table: FlagTable) -> Iterator[Setting]:
    """Every flag with good values, with one of a wrong type, and with those just beyond its bounds.

    They are for a model, and beside flags, without which vLLM would not look at them.
    """
    for name in sorted(table.flags.keys() - RESERVED.keys()):
        flag = table.flags[name]
        kind, beside = _WITH.get(flag.group, ("dense", {}))
        values = [*good(flag), *wrong(flag), *beyond(flag.minimum, flag.maximum, flag.above, flag.below)]
        for value in values:
            yield Setting(kind, {**beside, name: value})
        base = _WHOLE.get(name, {})
        for field, form in table.objects.get(flag.object or "", {}).items():
            sound = [] if name in _CLOSED else good_inside(form)
            for value in (*sound, *wrong_inside(form), *beyond(*bounds(form))):
                yield Setting(kind, {name: {**base, field: value}})
        if flag.object:
            yield Setting(kind, {name: {**base, "no_such_key": 1}})


def good(flag: Flag) -> list[Any]:
    """Values that the flag's own entry in the table allows."""
    if flag.name in _GOOD:
        return list(_GOOD[flag.name])
    if flag.type in ("bool", "flag"):
        return [True]
    if flag.choices:
        found: Any = next(choice for choice in flag.choices if choice != flag.default)
    elif flag.type in ("int", "float") or flag.type.startswith("human_readable_int"):
        found = within(flag)
    elif flag.type.startswith("json") or flag.type == "str|json":
        found = {}
    else:
        found = "text"
    return [[found] if flag.many or flag.repeat else found]


def within(flag: Flag) -> int:
    """A number that the flag takes: its default, or its least number, or 1."""
    if isinstance(flag.default, int) and flag.default > 0:
        return flag.default
    return int(flag.minimum or 0) + 1 if flag.below is None else 0


def wrong(flag: Flag) -> list[Any]:
    """What no flag of that type takes."""
    if flag.type == "str|json":
        return [["two", "words"]]
    if flag.type == "str" and not flag.choices and not flag.names:
        return [] if flag.many or flag.repeat else [["two", "words"]]
    if flag.type == "<lambda>" and not flag.choices:
        return []
    return [["no such"] if flag.many else "no such"]


def beyond(minimum: float | None, maximum: float | None, above: float | None, below: float | None) -> list[Any]:
    """The nearest numbers outside the bounds."""
    found = [above, below]
    if minimum is not None:
        found.append(minimum - 1)
    if maximum is not None:
        found.append(maximum + 1)
    return [int(number) if number == int(number) else number for number in found if number is not None]


def bounds(form: Shape) -> tuple[float | None, ...]:
    """The four bounds in a form of JSON, in the order that `beyond` wants."""
    return tuple(form.get(word) for word in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"))


def good_inside(form: Shape) -> list[Any]:
    """Values that the form of a field in an object allows."""
    if "enum" in form:
        return [form["enum"][0]]
    by_type: dict[str, list[Any]] = {
        "boolean": [True],
        "integer": [int(form.get("minimum", form.get("exclusiveMinimum", 0))) + 1],
        "number": [float(form.get("minimum", 0)) + 0.5],
        "string": ["text"],
    }
    return by_type.get(form.get("type", ""), [])


def wrong_inside(form: Shape) -> list[Any]:
    """What no field of that form takes."""
    if "enum" in form or form.get("type") in ("boolean", "integer", "number", "array"):
        return ["no such"]
    return [["a list"]] if form.get("type") in ("string", "object") else []


_WITH: dict[str, tuple[str, Flags]] = {
    "LoRAConfig": ("dense", {"enable-lora": True}),
    "MultiModalConfig": ("vision", {}),
}
"""Group of flags → the model and the flags without which vLLM leaves the group alone."""

_WHOLE: dict[str, Flags] = {
    "kv-transfer-config": {"kv_connector": "ExampleConnector", "kv_role": "kv_both"},
    "profiler-config": {"profiler": "torch", "torch_profiler_dir": "/srv/profile"},
    "speculative-config": {"method": "ngram", "num_speculative_tokens": 3},
}
"""Objects that are refused whatever else is in them, unless this is."""

_CLOSED = ("engram-config", "watermark-config")
"""Objects that the model or a build for CPUs refuses, whatever is in them."""

_FILES = "/no/such/file"
_GOOD: dict[str, tuple[Any, ...]] = {
    "allowed-headers": (["*"],),
    "allowed-methods": (["GET"],),
    "allowed-origins": (["*"],),
    "attention-backend": ("TORCH_SDPA", "flash_attn"),
    "chat-template": ("{{ messages }}", _FILES),
    "collect-detailed-traces": (["model"],),
    "config-format": ("hf",),
    "custom-histogram-buckets": ({"request_latency": [1, 2]}, {"no_such": [1]}),
    "data-parallel-address": ("127.0.0.1",),
    "default-mm-loras": ({"image": "/srv/lora"},),
    "device-ids": ("0", "GPU-8"),
    "distributed-executor-backend": ("mp", "uni", "ray"),
    "generation-config": ("vllm", "auto"),
    "hf-config-path": (_FILES,),
    "hf-overrides": ({"rope_theta": 500000.0},),
    "hf-token": (True,),
    "kv-cache-dtype-skip-layers": (["0"],),
    "limit-mm-per-prompt": ({"image": 2}, {"image": {"count": 1, "width": 64, "height": 64}}),
    "load-format": ("auto", "dummy"),
    "log-config-file": (_FILES,),
    "lora-modules": (["fr=/srv/lora"], [{"name": "fr", "path": "/srv/lora"}]),
    "mamba-backend": ("triton", "flashinfer"),
    "max-model-len": (1024, "auto", -1),
    "media-io-kwargs": ({"video": {"num_frames": 4}},),
    "model-impl": ("vllm", "transformers"),
    "model-loader-extra-config": ({"enable_multithread_load": True},),
    "numa-bind-cpus": (["0-3"],),
    "numa-bind-nodes": ([0],),
    "optimization-level": (0, "3"),
    "otlp-traces-endpoint": ("http://127.0.0.1:4317",),
    "quantization": ("fp8",),
    "reasoning-parser": ("qwen3",),
    "tokenizer-mode": ("hf", "mistral"),
    "tool-call-parser": ("hermes",),
}
"""Where a flag's entry in the table does not say what a sensible value is."""
