"""Memory as a person reads it: sizes in GiB, and the parts of an estimate as bars of `#`, for a fixed width."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stowplan.fit.estimate import Estimate
from stowplan.fit.span import NOTHING, Span

WIDTH = 36
"""Characters that the bars of all parts have together."""
GIB, KIB = 1 << 30, 1 << 10


@dataclass(frozen=True, slots=True)
class Bar:
    """One part: what it is, its size, and what is to be said of it."""

    name: str
    size: Span
    about: str = ""


def gib(size: int) -> str:
    """`12.0`, rounded; more places for what is small, so that it is not nothing."""
    amount = size / GIB
    return f"{amount:.1f}" if amount == 0 or abs(amount) >= 0.95 else f"{amount:.2f}"


def ranged(size: Span, to: str = "-") -> str:
    """`6.5`, or `1.8-2.7` where the ends differ as they are written."""
    low, high = gib(size.low), gib(size.high)
    return low if low == high else f"{low}{to}{high}"


def bars(parts: Sequence[Bar]) -> Iterator[str]:
    """A line for each part: name, size, a bar as long as the likely size is of them all, what there is to say."""
    whole = sum(max(part.size.likely, 0) for part in parts) or 1
    name = max((len(part.name) for part in parts), default=0)
    figure = max((len(ranged(part.size)) for part in parts), default=0)
    drawn = ["#" * max(round(WIDTH * part.size.likely / whole), part.size.likely > 0) for part in parts]
    longest = max(map(len, drawn), default=0)
    for part, bar in zip(parts, drawn, strict=True):
        line = f"{part.name:<{name}}  {ranged(part.size):>{figure}} GiB  {bar:<{longest}}  {part.about}"
        yield line.rstrip()


def parts(of: Estimate, *, apart: bool = False) -> tuple[Bar, ...]:
    """What a launch needs of its card; what is neither weights nor cache as one part, or `apart`."""
    cache = () if of.plan.empty else (Bar("KV cache", Span.exact(of.kv), _cache(of)),)
    others = {
        "activations": of.activations,
        "libraries": of.non_torch,
        "CUDA graphs": of.graphs,
        "unseen by CUDA": of.unseen,
        "driver": of.context,
    }
    if apart:
        named = [Bar(name, size) for name, size in others.items() if size != NOTHING]
        return (Bar("weights", of.weights), *cache, *named)
    return (Bar("weights", of.weights), *cache, Bar("other", sum(others.values(), NOTHING)))


def _cache(of: Estimate) -> str:
    """`128000 tokens x 56 KiB, 1 sequence`; without a size where a token's follows from how many there are."""
    plan = of.plan
    if of.kv != plan.needed(of.tokens) and len(plan.block_bytes) == 1:
        return "as `kv-cache-memory-bytes` says"
    token = plan.token_bytes()
    grows = len(plan.shares) == 1 and plan.shares[0].reach is None and token
    each = f" x {token / KIB:g} KiB" if grows else ""
    return f"{of.tokens} tokens{each}, 1 sequence"
