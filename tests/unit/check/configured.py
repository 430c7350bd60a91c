"""Subjects for the second stage of the check: the sound project with flags, facts and a card; what it says of them."""

from collections.abc import Mapping
from typing import Any

from sources import OVERLAY, PROFILE, PROFILE_TEXT, examined, facts, sources, toml
from stowplan.nouns.facts import Architecture, Quantization, Weights
from stowplan.nouns.project import Fleet
from stowplan.stages.check import config
from stowplan.words.diagnostic import Diagnostic, Severity

LLAMA: dict[str, Any] = {"names": ("LlamaForCausalLM",), "layers": 32, "heads": 32, "dtype": "bfloat16"}
CARD = "8.9"


def fleet(
    vllm: Mapping[str, Any],
    *,
    version: str = "0.33.0",
    card: str | None = CARD,
    gpu: str = "",
    env: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
    architecture: Mapping[str, Any] | None = None,
    method: str | None = None,
    **known: Any,
) -> Fleet:
    """One model on one card. `architecture` lies over a Llama's; `method` is how its weights are quantised."""
    profile = PROFILE_TEXT.replace('version = "0.33.0"', f'version = "{version}"')
    profile = profile.replace('capability = "8.9"\n', (f'capability = "{card}"\n' if card else "") + gpu)
    if defaults:
        profile += "[defaults.vllm]\n" + toml(defaults)
    overlay = "[vllm]\n" + toml(vllm) + ("[env]\n" + toml(env) if env else "")
    known.setdefault("weights", Weights(format="safetensors", bytes=1000, headers_sha256="b" * 64))
    described: dict[str, Any] = {
        "architecture": Architecture(**{**LLAMA, **(architecture or {})}),
        "quantization": Quantization(method=method) if method is not None else None,
        **known,
    }
    return examined(sources({PROFILE: profile, OVERLAY: overlay, "models.d/qwen/discovered.json": facts(**described)}))[
        1
    ]


def told(vllm: Mapping[str, Any], **about: Any) -> list[Diagnostic]:
    """All that the second stage says of that subject, and of its profile's defaults."""
    made = fleet(vllm, **about)
    check = config.checker()
    found = [problem for subject in made.subjects for problem in check(subject)]
    return found + [problem for profile in made.profiles.values() for problem in config.check_defaults(profile)]


def brief(found: list[Diagnostic]) -> list[tuple[str, str, str]]:
    """Each problem as (severity, id, the last part of its key)."""
    return [(p.severity.value, p.id, str(p.at.key[-1]) if p.at is not None and p.at.key else "") for p in found]


def errors(vllm: Mapping[str, Any], **about: Any) -> list[tuple[str, str]]:
    """(id, flag or key) of each error."""
    return [(kind, key) for severity, kind, key in brief(told(vllm, **about)) if severity == Severity.ERROR]


def warnings(vllm: Mapping[str, Any], **about: Any) -> list[tuple[str, str]]:
    """(id, flag or key) of each warning."""
    return [(kind, key) for severity, kind, key in brief(told(vllm, **about)) if severity == Severity.WARNING]
