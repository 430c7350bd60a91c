"""What vLLM may take of a card, and whether it may start at all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stowplan.fit.cards import visible
from stowplan.fit.constants import Constants
from stowplan.fit.ranks import Rank
from stowplan.fit.settings import Settings
from stowplan.fit.span import NOTHING, Span
from stowplan.nouns.profile import Gpu


@dataclass(frozen=True, slots=True)
class Grant:
    """What a launch may take of each card, in bytes.

    `granted` is for weights, KV cache and the rest; `requested` what must be free at the start; `room` what is left
    of the card then, of which `reserved` is not there. `unseen` is what CUDA may see less of it. With a `fixed` KV
    cache vLLM measures nothing, and all that is not reserved is granted. `graphs` says which eras take CUDA graphs
    from the grant: all, none or (None) some.
    """

    granted: int
    requested: int
    room: int
    reserved: int
    unseen: Span
    fixed: int | None
    graphs: bool | None

    def context(self, rank: Rank) -> Span:
        """What the driver holds of the grant: only a fixed cache has to leave room for it."""
        return NOTHING if self.fixed is None else rank.context

    def graphs_inside(self, rank: Rank) -> Span:
        """CUDA graphs, as far as they are of the grant."""
        if self.graphs is None:
            return Span(0, rank.graphs.likely, rank.graphs.high)
        return rank.graphs if self.graphs else NOTHING

    def pool(self, rank: Rank) -> Span:
        """What is left for the KV cache on a card; less than nothing where the rest does not fit."""
        if self.fixed is not None:
            return Span.exact(self.fixed)
        parts = (rank.weights, rank.activations, rank.non_torch, self.graphs_inside(rank), self.unseen)
        low = likely = high = self.granted
        for part in parts:
            low -= part.high
            likely -= part.likely
            high -= part.low
        return Span(low, likely, high)

    def outside(self, rank: Rank) -> Span:
        """What must not be more than `room`, or vLLM does not start: reserved, and the driver's."""
        return Span(
            self.reserved + rank.context.low, self.reserved + rank.context.likely, self.reserved + rank.context.high
        )


def grant(settings: Settings, eras: Sequence[Constants], gpu: Gpu | None) -> Grant | None:
    """What vLLM may take of a card of the profile; None where nobody says how much memory it has."""
    if gpu is None or gpu.memory is None:
        return None
    known = eras[-1]
    memory, fixed = gpu.memory, settings.kv_cache_memory_bytes
    utilization = settings.gpu_memory_utilization or known.utilization
    requested = math.ceil(memory * utilization)
    seen = visible(gpu, known.unseen)
    share = utilization if fixed is None else 1.0
    unseen = Span(0, int((memory - seen.likely) * share), int((memory - seen.low) * share))
    inside = settings.graphs_counted
    if fixed is not None:
        inside = True
    elif inside is None:
        inside = known.grants_graphs if len(eras) == 1 else _all_the_same(eras)
    granted = requested if fixed is None else memory - gpu.reserved
    return Grant(granted, requested, memory - requested, gpu.reserved, unseen, fixed, inside)


def _all_the_same(eras: Sequence[Constants]) -> bool | None:
    found = {era.grants_graphs for era in eras}
    return found.pop() if len(found) == 1 else None
