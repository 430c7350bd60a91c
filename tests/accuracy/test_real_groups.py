"""Groups, blocks, capacity and the longest context: ours, and what vLLM 0.32.0's own code makes of the same layers."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tiny_model
from stowplan.fit.constants import constants
from stowplan.fit.groups import enlarged, stage_layers
from stowplan.fit.kv import Plan, plan
from stowplan.fit.layers import CHUNKED, CROSS, FULL, SLIDING, STATE, Layers
from stowplan.fit.settings import Settings
from stowplan.nouns.facts import LayerRun

pytestmark = pytest.mark.engine
VERSION = "0.32.0"
SCRIPT = Path(__file__).with_name("real_groups.py")
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}
KINDS = [
    *([FULL], [SLIDING], [CHUNKED], [STATE], [FULL, SLIDING], [FULL, SLIDING], [FULL, CHUNKED]),
    *([FULL, STATE], [FULL, CROSS]),
]
"""Which kinds of layers models have together."""


@dataclass(frozen=True)
class Drawn:
    """Layers drawn at random: what vLLM is told of them, and how we lay them out."""

    told: dict[str, Any]
    plan: Plan
    length: int
    memory: int


def drawn(dice: random.Random) -> Drawn:
    """A case: any layers, on any number of stages, with any settings that go together."""
    latent = dice.random() < 0.15
    kinds = dice.choice([[FULL], [FULL, STATE]]) if latent else dice.choice(KINDS)
    counts = {kind: dice.randint(1, 20) for kind in kinds}
    if CROSS in counts:
        counts[CROSS] = counts[FULL]
    heads, dim = (1, 576) if latent else (dice.choice([1, 2, 4, 8]), dice.choice([32, 64, 128]))
    token = heads * dim * 2 * (1 if latent else 2)
    state = dice.choice([1000, 65_536, 300_000, 1_085_440])
    order = mixed(counts)
    stages = min(dice.choice([1, 1, 1, 2, 3]), len(order))
    length, batch = dice.choice([17, 256, 4096, 8192, 131_072]), dice.choice([512, 2048, 8192])
    window, chunk, encoder = dice.choice([128, 1024, 4096]), dice.choice([512, 8192]), dice.choice([448, 1500])
    prefixes = dice.random() < 0.3
    settings = Settings(
        pipeline_parallel=stages,
        hybrid_manager=STATE in counts or CROSS in counts or dice.random() < 0.7,
        async_scheduling=False,
        prefix_caching=prefixes,
    )
    known = constants("vllm", VERSION)[-1]
    runs = tuple(LayerRun(kind="mamba" if kind == STATE else kind, count=1) for kind in order)
    sizes = {kind: state if kind == STATE else token for kind in counts}
    layers = Layers(counts, runs, 0, sizes, window, chunk, encoder, latent)
    block = dice.choice([16, 16, 32, 64])
    ours = plan(layers, settings, known, batch, block)
    assert isinstance(ours, Plan)
    together = STATE in counts and len(counts) > 1
    block = enlarged(layers, known, block) if together else block
    memory = dice.choice([1 << 28, 1 << 30, 6 << 30, 40 << 30]) + dice.randint(0, 10**6)
    told = {
        "stages": cut(order, stages),
        "heads": heads,
        "dim": dim,
        "latent": latent,
        "block": block,
        "window": window,
        "chunk": chunk,
        "state": state,
        "page": block * token if together else state,
        "encoder": batch,
        "length": length,
        "batch": batch,
        "hybrid": settings.hybrid_manager,
        "memory": memory,
        "prefixes": prefixes and together,
    }
    return Drawn(told, ours, length, memory)


def mixed(counts: dict[str, int]) -> list[str]:
    """The layers one by one, the kinds spread over the whole."""
    left = dict(counts)
    found = []
    while any(left.values()):
        kind = max(left, key=lambda name: (left[name] / counts[name], name))
        left[kind] -= 1
        found.append(kind)
    return found


def cut(order: list[str], stages: int) -> list[list[str]]:
    """The layers of each pipeline stage."""
    found, start = [], 0
    for layers in stage_layers(len(order), stages):
        found.append(order[start : start + layers])
        start += layers
    return found


def test_400_models_are_laid_out_as_vllm_does(python_of_vllm: Path, tmp_path: Path) -> None:
    tiny_model.make(tmp_path / "tiny")
    dice = random.Random(7)
    cases = [drawn(dice) for _ in range(400)]
    done = subprocess.run(
        [python_of_vllm, SCRIPT, tmp_path / "tiny"],
        input=json.dumps([case.told for case in cases]),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **ENVIRONMENT},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    seen: Counter[str] = Counter()
    for case, theirs in zip(cases, answers, strict=True):
        seen["short" if "error" in theirs else "enough"] += 1
        assert ours(case) == ("short" if "error" in theirs else theirs), case
    assert seen["enough"] >= 300
    assert seen["short"] >= 10


def ours(case: Drawn) -> dict[str, Any] | str:
    """What we make of a case, in the words of the script; `short` where the check at start fails."""
    layout = case.plan
    stages = range(len(layout.block_bytes))
    if any(layout.needed(case.length, stage) > case.memory for stage in stages):
        return "short"
    blocks = min(layout.pool(case.memory, stage) for stage in stages)
    return {
        "blocks": blocks,
        "block_bytes": list(layout.block_bytes),
        "concurrency": layout.concurrency(blocks, case.length),
        "tokens": layout.tokens(blocks, case.length),
        "needed": layout.needed(case.length) - layout.spare * layout.block_bytes[0],
        "longest": layout.longest(layout.pool(case.memory), case.length),
    }
