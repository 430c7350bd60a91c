"""Cards: memory as their driver reports it, what CUDA sees of it, and compute capability.

The driver (`nvidia-smi`) counts all there is; CUDA sees a little less, more or less so by platform (under Windows
nearly all). vLLM goes by what CUDA sees. cards.json has both with the places they were read at.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from stowplan.fit.span import Span
from stowplan.nouns.profile import Gpu

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One card: `memory` as the driver reports it, `seen` what CUDA was seen to see of it (least and most; nothing
    where nobody looked), both in bytes; `source` says where that was read."""

    name: str
    memory: int
    capability: tuple[int, int]
    seen: tuple[int, int] | None
    source: str

    def gpu(self, count: int = 1, reserved: int = 0) -> Gpu:
        """A profile's GPU made of `count` such cards, `reserved` bytes of each for others."""
        return Gpu(self.name, count, self.memory, reserved, self.capability)


@cache
def cards() -> Mapping[str, Card]:
    """All cards by name, in the order of the table."""
    document = json.loads((Path(__file__).parent / "cards.json").read_bytes())
    return {row["name"]: _card(row) for row in document["cards"]}


def _card(row: dict[str, object]) -> Card:
    major, _, minor = str(row["capability"]).partition(".")
    seen = row.get("seen-mib")
    return Card(
        name=str(row["name"]),
        memory=int(str(row["memory-mib"])) * MIB,
        capability=(int(major), int(minor)),
        seen=(int(seen[0]) * MIB, int(seen[1]) * MIB) if isinstance(seen, list) else None,
        source=str(row["source"]),
    )


def find(name: str) -> tuple[Card, ...]:
    """The cards whose name is `name`, however it is written, or else holds all its words: `rtx 4080`."""
    words = _words(name)
    known = cards().values()
    exact = tuple(card for card in known if _words(card.name) == words)
    return exact or tuple(card for card in known if words and words <= _words(card.name))


def _words(name: str) -> frozenset[str]:
    return frozenset(name.lower().replace("-", " ").split()) - {"nvidia", "geforce"}


def visible(gpu: Gpu, unseen: float) -> Span:
    """What CUDA sees of a profile's card, in bytes: as it was seen on that card, else up to `unseen` (a share) less.

    Who writes less memory into a profile than the driver reports has written what CUDA sees.
    """
    return _visible(gpu.name, gpu.memory or 0, unseen)


@lru_cache(maxsize=256)
def _visible(name: str, memory: int, unseen: float) -> Span:
    words = _words(name)
    card = next((card for card in cards().values() if _words(card.name) == words), None)
    if card is not None and memory < card.memory:
        return Span.exact(memory)
    if card is None or card.seen is None:
        return Span(int(memory * (1 - unseen)), int(memory * (1 - unseen / 3)), memory)
    low, high = card.seen
    return Span(min(low, memory), min((low + high) // 2, memory), memory)
