"""What became of an option over the versions of its engine: when it came, when it went, how its default moved.

Read off the tables that come with Stowplan, so "in 0.18.1" means the first captured version where it is so:
versions between two tables are not known. A table is read when a question first gets to it. An option is
asked for by any spelling; one that a version takes in any form (a name, an alias, a negation) is there.
"""

from functools import cache
from typing import Any

from stowplan.engines.flags import flag_table, version_key, versions
from stowplan.nouns.flags import Flag


def gone_in(kind: str, flag: str, version: str) -> str | None:
    """The version, not after `version`, that was the first without `flag` since one that had it.

    None if the newest such version has it, or if no version up to there ever had.
    """
    without = None
    for known in reversed(_up_to(kind, version)):
        if flag_at(kind, flag, known) is not None:
            return without
        without = known
    return None


def goes_in(kind: str, flag: str, version: str) -> str | None:
    """The first version after `version`, which has `flag`, that has it no more; None if all have."""
    later = versions(kind)[len(_up_to(kind, version)) :]
    return next((known for known in later if flag_at(kind, flag, known) is None), None)


def came_in(kind: str, flag: str, version: str) -> str | None:
    """The first version after `version` that has `flag`; None if there is none."""
    later = versions(kind)[len(_up_to(kind, version)) :]
    return next((known for known in later if flag_at(kind, flag, known) is not None), None)


def span(kind: str, flag: str, version: str) -> tuple[str, str] | None:
    """The first and the last version around `version` that have `flag`, without one between them that has it not.

    None if the newest table that is not after `version` has it not.
    """
    known, here = versions(kind), len(_up_to(kind, version)) - 1
    has = [flag_at(kind, flag, each) is not None for each in known]
    if here < 0 or not has[here]:
        return None
    first = here - next((steps for steps, there in enumerate(reversed(has[:here])) if not there), here)
    last = here + next((steps for steps, there in enumerate(has[here + 1 :]) if not there), len(known) - 1 - here)
    return known[first], known[last]


@cache
def default_moves(kind: str, flag: str) -> tuple[tuple[str, Any, Any], ...]:
    """Each (version, old, new) where the default is another than in the last version that had `flag`.

    None as a default: the engine decides. A default that a table can only describe (`{"$repr": ...}`) is
    compared with nothing, nor is that of another flag which has taken over the spelling.
    """
    moves: list[tuple[str, Any, Any]] = []
    before: Flag | None = None
    for version in versions(kind):
        here = flag_at(kind, flag, version)
        if here is None or _described(here.default):
            continue
        if before is not None and before.name == here.name and before.default != here.default:
            moves.append((version, before.default, here.default))
        before = here
    return tuple(moves)


@cache
def flag_at(kind: str, flag: str, version: str) -> Flag | None:
    """What `flag`, in any spelling, means to that version; None if nothing, or if there is no such table."""
    table = flag_table(kind, version)
    name = table.canonical(flag) if table is not None else None
    return table.flags[name] if table is not None and name is not None else None


@cache
def _up_to(kind: str, version: str) -> tuple[str, ...]:
    limit = version_key(version)
    return tuple([known for known in versions(kind) if version_key(known) <= limit])


def _described(default: Any) -> bool:
    return isinstance(default, dict) and any(key.startswith("$") for key in default)
