"""Models, cards and launches to be estimated in tests: facts as discover would give them, from a few numbers."""

import json
from pathlib import Path
from typing import Any

from stowplan.fit.constants import Constants, constants
from stowplan.fit.kv import Plan, plan
from stowplan.fit.layers import Layers, cache_layers
from stowplan.fit.settings import Settings
from stowplan.nouns.facts import Architecture, Context, Facts, LayerRun, Location, ModelSource, Weights
from stowplan.nouns.profile import Gpu
from stowplan.nouns.state import DELTA, State
from stowplan.stages.gate import facts_of

REPOSITORY = Path(__file__).resolve().parents[3]
GIB = 1 << 30
MIB = 1 << 20

RTX_4080 = Gpu("NVIDIA GeForce RTX 4080", 1, 16376 * MIB, 1500 * MIB, (8, 9))
H100 = Gpu("NVIDIA H100 80GB HBM3", 1, int(79.19 * GIB), 0, (9, 0))

QWEN_HYBRID = State(kind=DELTA, kernel=4, key_heads=16, key_dim=128, heads=32, head_dim=128)
"""The state layers of Qwen3-Next: 32 heads of values and 16 of keys, 128 wide, and a window of four tokens."""


def known(version: str = "0.32.0") -> Constants:
    """The constants of a version of vLLM."""
    return constants("vllm", version)[-1]


def own(model: str) -> Facts:
    """The facts of one of this project's own models."""
    content = json.loads((REPOSITORY / "models.d" / model / "discovered.json").read_bytes())
    found, problems = facts_of(content)
    assert found is not None, problems
    return found


def runs(pattern: str) -> tuple[LayerRun, ...]:
    """Layers one by one, a letter each: the first of the kind, `x` for cross attention, `h` for a hybrid one."""
    kinds = {
        "f": "full",
        "s": "sliding",
        "c": "chunked",
        "l": "linear",
        "m": "mamba",
        "e": "encoder",
        "n": "none",
        "x": "cross",
        "h": "hybrid",
    }
    return tuple(LayerRun(kind=kinds[letter], count=1) for letter in pattern)


def architecture(pattern: str = "ffff", **numbers: Any) -> Architecture:
    """A small architecture with layers of that pattern."""
    usual = {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "heads": 32,
        "kv_heads": 8,
        "head_dim": 128,
        "vocab_size": 128256,
        "max_positions": 131072,
        "sliding_window": 512,
        "chunk_size": 8192,
    }
    return Architecture(layers=len(pattern), attention=runs(pattern), **{**usual, **numbers})


def model(pattern: str = "f" * 32, size: int = 16 * 10**9, context: int = 131072, **numbers: Any) -> Facts:
    """A model of `size` bytes of bfloat16, with layers of that pattern."""
    return Facts(
        source=ModelSource(provider="local"),
        location=Location(root="weights", path="model"),
        weights=Weights(format="safetensors", bytes=size, dtypes={"BF16": size}, groups=groups(size)),
        architecture=architecture(pattern, **numbers),
        context=Context(tokens=context, evidence="config.json"),
    )


def groups(size: int) -> dict[str, int]:
    """The bytes of a checkpoint by group: an eighth of it embedding and head."""
    ends = size // 16
    return {"embedding": ends, "head": ends, "layers": size - 2 * ends}


def layers(of: Architecture, settings: Settings, version: str = "0.32.0") -> Layers:
    """The layers that keep something, which must be known."""
    found = cache_layers(of, settings, known(version))
    assert isinstance(found, Layers), found
    return found


def laid_out(
    of: Architecture,
    settings: Settings | None = None,
    *,
    version: str = "0.32.0",
    batch: int = 2048,
    block: int = 16,
    platform: str = "cuda",
) -> Plan:
    """How the cache of an architecture is laid out, which must be known."""
    settings = settings or Settings()
    found = plan(layers(of, settings, version), settings, known(version), batch, block, platform)
    assert isinstance(found, Plan), found
    return found
