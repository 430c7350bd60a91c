"""Checking flags, both stages over a fleet, and its memory, against a script that only parses the same inputs (F)."""

import gc
import json
import tomllib
from collections.abc import Iterator, Mapping
from statistics import median

import workload
from bench_table import Row, seconds

from stowplan.fit.remembered import Memory
from stowplan.stages.check import config, flags
from stowplan.stages.load import load
from stowplan.stages.merge import merge

SHARE = 0.15
"""What both stages may cost, as a share of F."""
FIT_SECONDS = 60e-6
"""What it may cost to say of one subject whether it fits."""
SAMPLES = 5


def rows(models: int) -> Iterator[Row]:
    """F, and what the two stages take beside it."""
    files = dict(workload.files(models, len(workload.CARDS)))
    yardstick = median(seconds(lambda: _parse(files)) for _ in range(SAMPLES))
    fleet, _ = merge(load(files)[0])
    gc.collect()
    gc.freeze()

    def check() -> list[object]:
        stages = (flags.checker(), config.checker())
        return [problem for stage in stages for subject in fleet.subjects for problem in stage(subject)]

    assert check() == []
    yield Row(f"F: parse all inputs, write JSON, {len(fleet.subjects):,} subjects", yardstick)
    yield Row("check their flags, both stages", median(seconds(check) for _ in range(SAMPLES)), SHARE * yardstick)
    answers = [Memory() for _ in range(SAMPLES)]

    def fits() -> list[object]:
        memory = answers.pop()
        return [memory.of(subject) for subject in fleet.subjects]

    yield Row(
        "whether they fit their cards",
        median(seconds(fits) for _ in range(SAMPLES)),
        FIT_SECONDS * len(fleet.subjects),
    )
    gc.unfreeze()


def _parse(files: Mapping[str, bytes]) -> str:
    return json.dumps(
        [tomllib.loads(text.decode()) if name.endswith(".toml") else json.loads(text) for name, text in files.items()]
    )
