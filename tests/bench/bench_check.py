"""Checking flags, both stages over a fleet, and its memory, against a script that only parses the same inputs (F)."""

import gc
import json
import random
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from bench_table import Row, seconds

from stowplan.fit.remembered import Memory
from stowplan.nouns.facts import seal
from stowplan.stages.check import config, flags
from stowplan.stages.load import load
from stowplan.stages.merge import merge

SHARE = 0.15
"""What both stages may cost, as a share of F."""
FIT_SECONDS = 60e-6
"""What it may cost to say of one subject whether it fits."""
SAMPLES = 5
VERSIONS = ("0.11.0", "0.19.1", "0.24.0", "0.32.0", "0.33.0")
MODELS = Path(__file__).resolve().parents[2] / "models.d"


def workload(models: int) -> dict[str, bytes]:
    """Input files of `models` models on five profiles: facts of this repository's models, overlays of a dozen lines."""
    chance = random.Random(1)
    known = [json.loads(path.read_text("utf-8")) for path in sorted(MODELS.glob("*/discovered.json"))]
    whole = [
        facts for facts in known if facts["weights"]["format"] == "safetensors" and "heads" in facts["architecture"]
    ]
    files = {f"profiles/p{number}.toml": _profile(version) for number, version in enumerate(VERSIONS)}
    for number in range(models):
        facts = json.loads(json.dumps(chance.choice(whole)))
        facts |= {"location": {"root": "weights", "path": f"org/m{number}"}, "source": {"provider": "local"}}
        facts["weights"]["headers_sha256"] = f"{number:064x}"
        facts["seal"] = seal(facts)
        files[f"models.d/m{number:05}/discovered.json"] = json.dumps(facts, indent=2).encode()
        for profile in range(len(VERSIONS)):
            files[f"models.d/m{number:05}/p{profile}.toml"] = _overlay(chance)
    return files


def rows(models: int) -> Iterator[Row]:
    """F, and what the two stages take beside it."""
    files = workload(models)
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


def _profile(version: str) -> bytes:
    return f"""\
[gpu]
name = "NVIDIA H100 80GB HBM3"
count = 1
memory = "81559 MiB"
capability = "9.0"
[engine.vllm]
version = "{version}"
executable = "/opt/vllm-{version}/bin/vllm"
[roots]
weights = "/srv/models"
[serving]
mode = "one-at-a-time"
bind = "127.0.0.1"
ports = "24001-24001"
[defaults.vllm]
gpu-memory-utilization = 0.9
""".encode()


def _overlay(chance: random.Random) -> bytes:
    return f"""\
engine = "vllm"
[vllm]
max-model-len = {chance.choice((2048, 4096, 8192))}
max-num-seqs = {chance.choice((16, 32, 64, 128))}
tensor-parallel-size = 1
kv-cache-dtype = "auto"
enable-prefix-caching = true
enforce-eager = {chance.choice(("true", "false"))}
gpu-memory-utilization = {chance.choice((0.8, 0.85, 0.9))}
[sampling]
temperature = 0.2
top_p = 0.9
[env]
VLLM_LOGGING_LEVEL = "INFO"
""".encode()
