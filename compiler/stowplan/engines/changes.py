"""What differs between two flag tables of one engine: by how much a version takes other settings than another."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stowplan.nouns.flags import FlagTable


@dataclass(frozen=True, slots=True)
class MovedDefault:
    """A flag of both tables whose default is another. None as a default: the engine decides."""

    flag: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class CameAndWent:
    """Names that one of two versions has alone, sorted: the later one, the earlier one."""

    came: tuple[str, ...]
    went: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.came or self.went)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """From one table to another. Mappings hold what differs alone.

    `flags` are those that one version does not take in any spelling; `renamed` says what an old name is an
    alias of now; `retyped` gives the parser's old and new converter; `choices` and `names` go by flag and by
    registry, `fields` by configuration object.
    """

    flags: CameAndWent
    renamed: Mapping[str, str]
    retyped: Mapping[str, tuple[str, str]]
    choices: Mapping[str, CameAndWent]
    defaults: tuple[MovedDefault, ...]
    names: Mapping[str, CameAndWent]
    fields: Mapping[str, CameAndWent]
    variables: CameAndWent


def changes(before: FlagTable, after: FlagTable) -> Changes:
    """What differs between two tables."""
    shared = [name for name in before.flags if name in after.flags]
    types = {name: (before.flags[name].type, after.flags[name].type) for name in shared}
    names = {name: after.canonical(name) for name in before.flags if name not in after.flags}
    return Changes(
        flags=CameAndWent(
            came=tuple(sorted(name for name in after.flags if before.canonical(name) is None)),
            went=tuple(sorted(name for name, now in names.items() if now is None)),
        ),
        renamed={name: now for name, now in sorted(names.items()) if now is not None},
        retyped={name: pair for name, pair in sorted(types.items()) if pair[0] != pair[1]},
        choices=_by_name(
            {name: before.flags[name].choices for name in shared if before.flags[name].choices},
            {name: after.flags[name].choices for name in shared if after.flags[name].choices},
        ),
        defaults=moved_defaults(before, after),
        names=_by_name(before.names, after.names),
        fields=_by_name(before.objects, after.objects),
        variables=_came_and_went(before.variables, after.variables),
    )


def moved_defaults(before: FlagTable, after: FlagTable) -> tuple[MovedDefault, ...]:
    """The flags of both tables whose default is another, by name.

    A default that a table can only describe (`{"$repr": ...}`) is compared with nothing.
    """
    moved = []
    for name in sorted(before.flags):
        if name in after.flags:
            old, new = before.flags[name].default, after.flags[name].default
            if not (_is_described(old) or _is_described(new) or _is_same(old, new)):
                moved.append(MovedDefault(name, old, new))
    return tuple(moved)


def _by_name(before: Mapping[str, Iterable[Any]], after: Mapping[str, Iterable[Any]]) -> dict[str, CameAndWent]:
    """Of what both have: a registry that could not be asked for says nothing."""
    both = {name: _came_and_went(before[name], after[name]) for name in sorted(before.keys() & after.keys())}
    return {name: found for name, found in both.items() if found}


def _came_and_went(before: Iterable[Any], after: Iterable[Any]) -> CameAndWent:
    old, new = set(map(str, before)), set(map(str, after))
    return CameAndWent(came=tuple(sorted(new - old)), went=tuple(sorted(old - new)))


def _is_described(default: Any) -> bool:
    return isinstance(default, dict) and any(key.startswith("$") for key in default)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two defaults are one: 0 and 0.0 are, 0 and false are not."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
