"""What of a flag's value the parser lets through and the configuration behind it does not.

A number outside its bounds, and a name that is in no registry of that version. Both are read off the table:
the bounds are those of vLLM's configuration classes (vllm/config/, pydantic's `ge`, `gt`, `le`, `lt`), the
registries are those that vLLM looks a name up in only when it starts. Seen in 0.11.0 to 0.33.0.
"""

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stowplan.engines.flags import flag_table, version_key, versions
from stowplan.engines.successors import gone_name
from stowplan.nouns.flags import Flag, FlagTable

LIKELY = 0.6
"""How alike (difflib's ratio) a name must be to be suggested."""
LISTED = 12
"""A registry that is no longer than this is listed whole."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A value that the configuration refuses: `path` leads from the flag to the item, () for the whole value.

    `needs_opening`: nobody has said yet that names of other makers may stand here. `instead`: the name that
    means the same in this version, if there is one.
    """

    id: Literal["bad-value", "bad-choice"]
    path: tuple[int, ...]
    seen: Any
    wants: str
    hint: str | None = None
    needs_opening: bool = False
    instead: str | None = None


def has_limits(flag: Flag) -> bool:
    """Whether `refused` can find anything: the flag has bounds, or its values are names in a registry."""
    return flag.names is not None or _limits(flag) != (None, None, None, None)


def span(flag: Flag) -> tuple[float, float]:
    """The least and the greatest number that the flag takes: infinities where it has no bound.

    A bound that is itself outside becomes the float next to it.
    """
    minimum, maximum, above, below = _limits(flag)
    low, high = (-math.inf if minimum is None else minimum), (math.inf if maximum is None else maximum)
    if above is not None:
        low = max(low, math.nextafter(above, math.inf))
    return low, high if below is None else min(high, math.nextafter(below, -math.inf))


def refused(flag: Flag, value: Any, table: FlagTable) -> Iterator[Refused]:
    """Every part of `value` (a plain TOML value) that is out of bounds or a name in no registry.

    Values of another type than the flag's are the parser's business. A registry that the table has not is
    not looked into, and a flag's own default is always fine.
    """
    if flag.default is not None and value == flag.default:
        return
    for path, item in enumerated(value):
        wants = outside(item, *_limits(flag))
        if wants is not None:
            yield Refused("bad-value", path, item, wants)
        elif flag.names is not None and isinstance(item, str) and item not in flag.suggestions:
            unknown = unknown_name(item, flag.names, table, any_case=flag.any_case, also=flag.suggestions)
            if unknown is not None:
                gone = gone_name(table.engine, flag.names, item, table.version)
                same = gone.to if gone is not None and gone.same else None
                hint = unknown.hint if same is None else f"it is called `{same}` there"
                yield Refused("bad-choice", path, item, unknown.wants, hint, needs_opening=True, instead=same)


def enumerated(value: Any) -> Iterable[tuple[tuple[int, ...], Any]]:
    """The items of a list with their positions; anything else as it is."""
    if isinstance(value, list):
        return [((index,), item) for index, item in enumerate(value)]
    return [((), value)]


def outside(
    value: Any, minimum: float | None, maximum: float | None, above: float | None, below: float | None
) -> str | None:
    """What is wanted, if `value` is a number outside the bounds; None if it is inside, or no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if (
        (minimum is None or value >= minimum)
        and (maximum is None or value <= maximum)
        and (above is None or value > above)
        and (below is None or value < below)
    ):
        return None
    words = {"at least": minimum, "above": above, "at most": maximum, "below": below}
    said = [f"{word} {_number(limit)}" for word, limit in words.items() if limit is not None]
    return f"a number {' and '.join(said)}"


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name that a registry has not: what is wanted, and the next step."""

    wants: str
    hint: str | None


def unknown_name(
    name: str, registry: str, table: FlagTable, *, any_case: bool = False, also: Iterable[Any] = ()
) -> UnknownName | None:
    """None if `name` is in the registry, or among `also`, or if the table has no such registry."""
    known = table.names.get(registry)
    if known is None:
        return None
    whole = [*known, *map(str, also)]
    if name in whole or (any_case and name.casefold() in {other.casefold() for other in whole}):
        return None
    wants = f"a name that {table.engine} {table.version} knows"
    if len(whole) <= LISTED:
        wants = "one of " + ", ".join(f'"{other}"' for other in sorted(set(whole)))
    by_folded = {other.casefold(): other for other in whole}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=LIKELY)
    hints = [elsewhere(name, registry, table), _did_you_mean([by_folded[other] for other in close])]
    return UnknownName(wants, "; ".join(filter(None, hints)) or None)


def elsewhere(name: str, registry: str, table: FlagTable) -> str | None:
    """Which other versions have `name` in `registry`, in words; None if none of those with a table has.

    Reads their tables, so it is asked only when something is wrong.
    """
    here = version_key(table.version)
    having = [v for v in versions(table.engine) if name in _names(table.engine, v).get(registry, ())]
    older = [v for v in having if version_key(v) < here]
    newer = [v for v in having if version_key(v) > here]
    if older:
        gone = gone_name(table.engine, registry, name, table.version)
        return f"{table.engine} had it up to {older[-1]}" + (f": {gone.why.removesuffix('.')}" if gone else "")
    return f"it came with {table.engine} {newer[0]}" if newer else None


def _names(engine: str, version: str) -> Mapping[str, tuple[str, ...]]:
    table = flag_table(engine, version)
    return {} if table is None else table.names


def _did_you_mean(names: list[str]) -> str | None:
    return f"did you mean {' or '.join(f'`{name}`' for name in names)}?" if names else None


def _limits(flag: Flag) -> tuple[float | None, float | None, float | None, float | None]:
    return flag.minimum, flag.maximum, flag.above, flag.below


def _number(limit: float) -> str:
    return f"{limit:g}" if abs(limit) < 1e6 else str(limit)
