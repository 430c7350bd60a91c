"""Every command line we make for vLLM 0.32.0 means to its own parser what TOML asked for.

Two projects are compiled: the repository's own, and one whose profiles go through all flags of the table,
each with all the values below that our checks let through. All their command lines are parsed in one run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from command import stowplan
from e2e.engine import REPOSITORY
from sources import facts, toml
from stowplan.engines.flags import Flag, flag_table
from stowplan.engines.reserved import RESERVED
from stowplan.engines.spelling import misfit
from stowplan.inputs import disk
from stowplan.stages.load import load
from stowplan.stages.merge import merge
from stowplan.stages.plan import plan

pytestmark = pytest.mark.engine
VERSION = "0.32.0"
Flags = dict[str, Any]
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"}

VALUES: tuple[Any, ...] = (
    *(True, False, 8, -1, 0, 2**40, 0.5, -0.5, 1e-07, 1e300),
    *("text", "two words", "-x", "--host", "-1", "-0.5", "-O3", "a=b", "a.b-c_d", "$(x) `y` '\"", "é中", "[1]", "{}"),
    *(["*"], ["a", "two words"], [1, 2], [0], {"a": {"b c": [1, "-x", True, 0.1]}}, {}),
)
MEANINGS: dict[str, tuple[tuple[Any, Any], ...]] = {
    "device-ids": (("0,1", [0, 1]), ("GPU-8", ["GPU-8"])),
    "hf-token": ((True, True),),
    "max-model-len": (("auto", -1), (4096, 4096)),
    "lora-modules": (
        (["fr=/a=b"], [{"name": "fr", "path": "/a=b"}]),
        ([{"name": "it", "path": "-x"}], [{"name": "it", "path": "-x"}]),
    ),
}
"""Flags that take a word of their own or mean something else by it: value → meaning."""

OBJECTS: dict[str, dict[str, Any]] = {
    "attention-config": {"flash_attn_max_num_splits_for_cuda_graph": 8},
    "aux-output-config": {"max_bytes": 8},
    "compilation-config": {"custom_ops": ["none"], "cudagraph_capture_sizes": [1, 2]},
    "ec-manager-config": {"encoder_cache_manager_cls": "a.B"},
    "ec-transfer-config": {"ec_buffer_size": 0.5},
    "engram-config": {"cpu_offload": True},
    "eplb-config": {"window_size": 8},
    "fault-tolerance-config": {"engine_recovery_timeout_sec": 8},
    "ir-op-priority": {"rms_norm": ["native"]},
    "kernel-config": {"enable_jit_warmup": False},
    "kv-events-config": {"topic": "two words"},
    "kv-transfer-config": {"kv_connector_extra_config": {"a.b": [1, "-x"]}},
    "logging-config": {"log_level": "ERROR"},
    "pooler-config": {"dimensions": 8},
    "profiler-config": {"profiler": "torch", "torch_profiler_dir": "/a b"},
    "quantization-config": {"ignore": ["-x"]},
    "reasoning-config": {"reasoning_start_str": "<think>"},
    "structured-outputs-config": {"disable_any_whitespace": True, "backend": "xgrammar"},
    "weight-transfer-config": {"backend": "ipc"},
}
"""Flags of which vLLM makes one of its configuration objects, which take only fields they have."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A launch: its command line without the executable, and what TOML asked for, flag by flag."""

    subject: str
    argv: list[str]
    flags: Flags


@dataclass(frozen=True, slots=True)
class Meant:
    """What the parser made of a launch: the value of every flag, or its complaint."""

    asked: Asked
    values: Flags = field(default_factory=dict)
    error: str | None = None


@pytest.fixture(scope="module")
def meant(vllm: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Meant]]:
    """All command lines, parsed, by project."""
    folder = tmp_path_factory.mktemp("parser")
    asked = {"own": own(folder / "own"), "all": all_flags(folder / "all")}
    flat = [one for launches in asked.values() for one in launches]
    done = subprocess.run(
        [vllm.with_name("python"), Path(__file__).with_name("serve_parser.py")],
        input=json.dumps([one.argv for one in flat]),
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = iter(json.loads(done.stdout))
    return {project: [Meant(one, **next(answers)) for one in launches] for project, launches in asked.items()}


def test_the_repositorys_own_launches(meant: dict[str, list[Meant]]) -> None:
    assert len(meant["own"]) >= 4
    assert misunderstood(meant["own"]) == []


def test_every_flag_with_every_value_that_the_parsers_rules_let_through(meant: dict[str, list[Meant]]) -> None:
    seen = {name for one in meant["all"] for name in one.asked.flags}
    table = flag_table("vllm", VERSION)
    assert table is not None
    assert seen == table.flags.keys() - RESERVED.keys()
    assert misunderstood(meant["all"]) == []


def misunderstood(launches: list[Meant]) -> list[str]:
    """One line for each launch that is refused, and each flag that comes out otherwise."""
    found = []
    for one in launches:
        if one.error is not None:
            found.append(f"{one.asked.subject}: {one.error}")
            continue
        for name, value in one.asked.flags.items():
            understood = one.values[f"--{name}"]
            if not agrees(meaning(name, value), understood):
                found.append(f"{one.asked.subject}: {name} = {value!r} is understood as {understood!r}")
    return found


def meaning(name: str, value: Any) -> Any:
    """What vLLM should understand by the value of a flag."""
    for asked, means in MEANINGS.get(name, ()):
        if asked == value:
            return means
    table = flag_table("vllm", VERSION)
    assert table is not None
    if table.flags[name].type in ("str", "<lambda>") and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def agrees(means: Any, understood: Any) -> bool:
    """Whether a parsed value says all that is meant; vLLM's objects have further fields."""
    if isinstance(means, dict):
        return isinstance(understood, dict) and all(
            key in understood and agrees(inner, understood[key]) for key, inner in means.items()
        )
    if isinstance(means, list):
        return isinstance(understood, list) and len(means) == len(understood) and all(map(agrees, means, understood))
    return isinstance(means, bool) == isinstance(understood, bool) and bool(means == understood)


def own(folder: Path) -> list[Asked]:
    """The launches of the repository's models.d that are for this version."""
    for part in ("models.d", "profiles"):
        shutil.copytree(REPOSITORY / part, folder / part)
    return [
        Asked(f"{model}/{profile}", argv_of(row), asked_of(folder, model, profile))
        for profile, row in compiled(folder)
        for model in [row["metadata"]["model"]]
    ]


def asked_of(folder: Path, model: str, profile: str) -> Flags:
    """The flags that three TOML files ask for, the later over the earlier; our own merge is not trusted here."""
    tables = [
        parsed(folder / f"profiles/{profile}.toml").get("defaults", {}),
        parsed(folder / f"models.d/{model}/base.toml"),
        parsed(folder / f"models.d/{model}/{profile}.toml"),
    ]
    flags: Flags = {}
    for table in tables:
        kept = {name: value for name, value in flags.items() if f"vllm.{name}" not in table.get("unset", [])}
        flags = over(kept, table.get("vllm", {}))
    return flags


def over(below: Flags, above: Flags) -> Flags:
    """`above` laid over `below`, table by table."""
    nested = {key: over(below[key], above[key]) for key in above if isinstance(below.get(key), dict)}
    return {**below, **above, **nested}


def all_flags(folder: Path) -> list[Asked]:
    """One model on many profiles, of which each sets every flag, until each flag had all its values."""
    table = flag_table("vllm", VERSION)
    assert table is not None
    tries = {name: candidates(flag) for name, flag in table.flags.items() if name not in RESERVED}
    asked = {
        f"p{turn}": {name: values[turn % len(values)] for name, values in tries.items()}
        for turn in range(max(map(len, tries.values())))
    }
    for profile, flags in asked.items():
        write(folder / f"profiles/{profile}.toml", PROFILE)
        overlay = {"env": {"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"}, "vllm": flags}
        write(folder / f"models.d/model/{profile}.toml", toml(overlay))
    write(folder / "models.d/model/discovered.json", facts().decode())
    return [Asked(profile, argv, asked[profile]) for profile, argv in planned(folder)]


def planned(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The launches of a project whose flags contradict each other, each alone being fine: nothing holds them together
    but the command line. Out: profile, and what follows the program."""
    fleet, _ = merge(load(disk.read(folder)[0])[0])
    for profile, entries in plan(fleet).items():
        for entry in entries:
            assert entry.launch is not None
            yield profile, entry.launch.argv[1:]


PROFILE = f"""\
allow = ["remote-code:model"]
[engine.vllm]
version = "{VERSION}"
executable = "/opt/vllm/bin/vllm"
[roots]
weights = "/srv/weights"
[serving]
bind = "127.0.0.1"
ports = "24001-24001"
"""


def candidates(flag: Flag) -> list[Any]:
    """What to try a flag with: all of it passes our checks."""
    if flag.name in MEANINGS:
        return [value for value, _ in MEANINGS[flag.name]]
    if flag.type.startswith("json:"):
        return [OBJECTS[flag.name], {}]
    choices = [choice for choice in flag.choices if choice is not None]
    tries = (*choices, choices, *VALUES)
    return [value for value in tries if misfit(flag, value) is None]


def compiled(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every launch for this version in what a project compiles to: its profile and its registry's row."""
    done = stowplan(folder, "compile")
    assert done.code == 0, done.err
    for registry in sorted((folder / "build/current").glob("*/model_registry.json")):
        for row in json.loads(registry.read_text("utf-8")):
            if row["metadata"].get("engine_version") == VERSION:
                yield registry.parent.name, row


def argv_of(row: dict[str, Any]) -> list[str]:
    """The command line less the executable."""
    return list(row["backend_config"]["argv"][1:])


def parsed(file: Path) -> Flags:
    """A TOML file; nothing where there is none."""
    return tomllib.loads(file.read_text("utf-8")) if file.exists() else {}


def write(file: Path, text: str) -> None:
    """A file with all its folders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
