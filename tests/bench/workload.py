"""A project of any size to measure on: `python tests/bench/workload.py FOLDER MODELS PROFILES` writes it.

It compiles without a word: real cards and engine versions, facts as discover writes them, overlays as people write
them. Model n is the same in every workload, so a larger one holds the smaller.
"""

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import workload_facts

from stowplan.engines.advisories import affecting

GIB = 1 << 30
FIRST_PORT = 24001


@dataclass(frozen=True, slots=True)
class Card:
    """A profile: `memory` and `reserved` in MiB as nvidia-smi prints them, the engine that is installed there."""

    name: str
    gpu: str
    memory: int
    capability: str
    version: str
    utilization: float
    reserved: int = 0


CARDS = (
    Card("h100-80g", "NVIDIA H100 80GB HBM3", 81559, "9.0", "0.33.0", 0.9),
    Card("rtx-4090-24g", "NVIDIA GeForce RTX 4090", 24564, "8.9", "0.24.0", 0.85, 1024),
    Card("a100-80g", "NVIDIA A100-SXM4-80GB", 81920, "8.0", "0.19.1", 0.9),
    Card("l40s-48g", "NVIDIA L40S", 46068, "8.9", "0.32.0", 0.9),
    Card("rtx-4080-16g", "NVIDIA GeForce RTX 4080", 16376, "8.9", "0.11.2", 0.8, 1500),
)


class NotEmptyError(Exception):
    """The folder to write into is there and holds something."""


def write(folder: Path, models: int, profiles: int) -> None:
    """Writes the workload's files into `folder`, which may be absent or empty. Raises NotEmptyError."""
    if folder.exists() and any(folder.iterdir()):
        raise NotEmptyError(f"{folder} is not empty")
    for name, content in files(models, profiles):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def files(models: int, profiles: int) -> Iterator[tuple[str, bytes]]:
    """Each input of the workload: its path in the project, and its bytes. It has the first so many `CARDS`."""
    cards = CARDS[:profiles]
    for card in cards:
        yield f"profiles/{card.name}.toml", _profile(card, models).encode()
    for number in range(models):
        facts = workload_facts.model(number)
        name = facts["source"]["repo"].rpartition("/")[2]
        chance = random.Random(f"overlays {number}")
        yield f"models.d/{name}/discovered.json", workload_facts.text(facts)
        if chance.random() < 0.6:
            yield f"models.d/{name}/base.toml", _base(chance, number, name, facts).encode()
        for card in cards:
            yield f"models.d/{name}/{card.name}.toml", _overlay(chance, number, card, facts).encode()


def _profile(card: Card, models: int) -> str:
    """One that accepts what is known of its engine's version: nothing is to be told of this workload."""
    accepted = sorted(f"advisory:{one.id}" for one in affecting("vllm", card.version))
    reserved = f'reserved = "{card.reserved} MiB"\n' if card.reserved else ""
    return f"""\
#:schema ../build/active/schema/profile.json
allow = [{"".join(f'{chr(10)}    "{one}",' for one in accepted)}
]

[gpu]
name = "{card.gpu}"
count = 1
memory = "{card.memory} MiB"
{reserved}capability = "{card.capability}"

[engine.vllm]
version = "{card.version}"
executable = "/opt/vllm-{card.version}/bin/vllm"

[roots]
weights = "/srv/models"

[serving]
mode = "one-at-a-time"
bind = "127.0.0.1"
connect = "127.0.0.1"
ports = "{FIRST_PORT}-{FIRST_PORT + models - 1}"
pass-env = ["HF_TOKEN"]

[defaults.vllm]
gpu-memory-utilization = {card.utilization}
"""


def _base(chance: random.Random, number: int, name: str, facts: dict[str, Any]) -> str:
    roles = {role: chance.randrange(1, 100) for role in chance.sample(("summary", "keywords", "caption"), 2)}
    return f"""\
#:schema ../../build/active/schema/base.json
name = "{name}_(served)"
display-name = "{facts["family"].title()} {name}"
aliases = ["short-{number}"]
roles = {{ {", ".join(f"{role} = {rank}" for role, rank in sorted(roles.items()))} }}

[sampling]
temperature = {chance.randrange(1, 11) / 10}
top_p = {chance.choice((0.8, 0.9, 0.95))}
"""


def _overlay(chance: random.Random, number: int, card: Card, facts: dict[str, Any]) -> str:
    """Fifteen lines: a context and as many sequences as the card can hold, then what some models need."""
    own, length = facts["architecture"]["max_positions"], 2048
    utilization = card.utilization - chance.choice((0.0, 0.01, 0.02))
    free = (card.memory << 20) * utilization - facts["weights"]["bytes"] - 2.5 * GIB
    while 2 * length <= own and 4 * length * workload_facts.cache_bytes(facts) < free and chance.random() < 0.85:
        length *= 2
    lines = [
        "#:schema ../../build/active/schema/overlay.json",
        'engine = "vllm"',
        f"port = {FIRST_PORT + number}",
        "",
        "[vllm]",
        f"max-model-len = {length}".ljust(40) + "# of the model's own " + str(own),
        f"max-num-seqs = {chance.choice((4, 8, 16, 32, 64))}",
        f"gpu-memory-utilization = {utilization:g}",
        f"enable-prefix-caching = {chance.choice(('true', 'false'))}",
    ]
    if chance.random() < 0.3:
        lines.append("enforce-eager = true".ljust(40) + "# no CUDA graphs: their memory goes to the cache")
    if chance.random() < 0.3:
        lines.append(f"seed = {chance.randrange(1000)}")
    if "vision" in facts["capabilities"]:
        lines.append(f"limit-mm-per-prompt = {{ image = {chance.randrange(1, 4)}, video = 0 }}")
    lines += ["", "[sampling]", f"temperature = {chance.randrange(100) / 100}", f"top_k = {chance.randrange(1, 100)}"]
    if chance.random() < 0.3:
        lines.append(f"max_tokens = {chance.choice((256, 512, 1024))}")
    if chance.random() < 0.4:
        lines += ["", "[env]", f'VLLM_LOGGING_LEVEL = "{chance.choice(("INFO", "WARNING"))}"']
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    """FOLDER MODELS PROFILES. What cannot be done ends the process with a sentence."""
    folder, models, profiles = arguments
    if not folder:
        sys.exit("bench-workload: no folder is named; make bench-workload OUT=FOLDER")
    if not (models.isdecimal() and profiles.isdecimal() and 1 <= int(profiles) <= len(CARDS)):
        sys.exit(f"bench-workload: MODELS is a number, PROFILES one from 1 to {len(CARDS)}")
    try:
        write(Path(folder), int(models), int(profiles))
    except (NotEmptyError, OSError) as problem:
        sys.exit(f"bench-workload: {problem}; name a folder that is empty, or not there yet")


if __name__ == "__main__":
    main(sys.argv[1:])
