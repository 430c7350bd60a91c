"""What starts of a profile's engines were seen to take: `profiles/measured/<profile>.toml`, a row for each start.

Only `stowplan fit --calibrate` writes these files, from logs; they are inputs like any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FOLDER = "profiles/measured"
FORMAT = 1
ROWS = "start"
"""The array of tables that holds the rows."""
NAMES = ("model", "engine", "kind", "version")
"""What says of which launch a row is: the model's folder, the engine's label, kind and version."""
NUMBERS = ("max-model-len", "max-num-batched-tokens", "max-num-seqs", "tensor-parallel-size")
"""The flags that a row has in any case, as the engine took them."""
WEIGHTS, ACTIVATIONS, NON_TORCH, OTHERS = "weights", "activations", "non-torch", "others"
GRAPHS, GRAPHS_ESTIMATED, CACHE, SEEN = "graphs", "graphs-estimated", "available-kv", "card"
TERMS = (WEIGHTS, ACTIVATIONS, NON_TORCH, OTHERS, GRAPHS, GRAPHS_ESTIMATED, CACHE, SEEN)
"""What was measured, in MiB of each card. `others` is activations and libraries together, and what CUDA sees less of
the card than its driver reports, where a log does not tell them apart; `graphs-estimated` is what was set aside for
CUDA graphs, `graphs` what they took; `card` what CUDA sees of the card."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """One row, the `number`th of its file: `launch` holds flags by name, `mib` the terms, `kv_tokens` those that the
    log says the cache holds."""

    file: str
    number: int
    model: str
    engine: str
    kind: str
    version: str
    launch: Mapping[str, Any]
    mib: Mapping[str, float]
    kv_tokens: int | None = None

    @property
    def key(self) -> str:
        """Where in its file it stands."""
        return f"{ROWS}[{self.number}]"


@dataclass(frozen=True, slots=True)
class Measured:
    """One file: the card it is of (its name, its memory in bytes, None where the profile said none), and its rows."""

    file: str
    gpu: str
    memory: int | None
    starts: tuple[Start, ...]


def measured_file(profile: str) -> str:
    """The file of a profile, relative to the project."""
    return f"{FOLDER}/{profile}.toml"
