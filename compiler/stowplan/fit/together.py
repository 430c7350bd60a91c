"""What stands on one card at once.

vLLM starts only where its share of the card is free, and keeps what it took; a model without a cache gives most of
its share back after it has started. So it matters who starts first: whoever gives back the most.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stowplan.fit.constants import constants
from stowplan.fit.estimate import Estimate
from stowplan.fit.grant import grant
from stowplan.fit.lacking import NOTHING_MORE
from stowplan.fit.ranks import ranks
from stowplan.fit.subject import Question


@dataclass(frozen=True, slots=True)
class Resident:
    """A launch on a card, in bytes: what must be free when it starts, and what it holds from then on."""

    name: str
    asks: int
    takes: int


def resident(name: str, question: Question, answer: Estimate) -> Resident | None:
    """A launch as one among others, at the most; None where nobody says how much memory the card has.

    `takes` is what vLLM was granted where a cache fills it up, else what the parts come to; with the driver's own
    and, where they are not of the grant, CUDA graphs.
    """
    eras = constants(question.kind, question.version)
    settings = question.settings
    granted = grant(settings, eras, question.gpu)
    if granted is None:
        return None
    parts = ranks(question.facts, settings, eras, question.gpu, answer.batch, NOTHING_MORE, [], [])
    context = max(part.context.high for part in parts)
    graphs = 0 if granted.graphs else max(part.graphs.likely for part in parts)
    beside = answer.weights.high + answer.activations.high + answer.non_torch.high + answer.graphs.high
    if granted.fixed is not None:
        takes = beside + granted.fixed
    elif settings.num_gpu_blocks is not None and not answer.plan.empty:
        takes = beside + settings.num_gpu_blocks * max(answer.plan.block_bytes)
    else:
        takes = beside if answer.plan.empty else granted.requested
    return Resident(name, granted.requested + context, takes + context + graphs)


def order(residents: Sequence[Resident], room: int) -> tuple[Resident, ...] | None:
    """An order in which all of them start in `room` bytes; None if there is none.

    Whoever gives back the most comes first: were two neighbours the other way round, the later one would find no
    more room by that.
    """
    ordered = sorted(residents, key=lambda one: one.takes - max(one.asks, one.takes))
    taken = 0
    for one in ordered:
        if taken + max(one.asks, one.takes) > room:
            return None
        taken += one.takes
    return tuple(ordered)


def maximal(residents: Sequence[Resident], room: int) -> Iterator[tuple[Resident, ...]]:
    """Every set that fits in `room` bytes and to which no other can be added, each in an order that starts."""
    yield from _maximal(tuple(residents), room, 0, ())


def _maximal(
    all_of: tuple[Resident, ...], room: int, index: int, chosen: tuple[Resident, ...]
) -> Iterator[tuple[Resident, ...]]:
    """The maximal sets that hold `chosen` and beside it only residents from `index` on."""
    if index == len(all_of):
        found = order(chosen, room)
        left = (one for one in all_of if one not in chosen)
        if found is not None and all(order((*chosen, one), room) is None for one in left):
            yield found
        return
    one = all_of[index]
    if order((*chosen, one), room) is not None:
        yield from _maximal(all_of, room, index + 1, (*chosen, one))
    if order((*chosen, *all_of[index:]), room) is None:  # else it could be added to whatever comes of this
        yield from _maximal(all_of, room, index + 1, chosen)
