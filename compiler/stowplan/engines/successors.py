"""What became of the flags, choices, names and variables that a later version of an engine lacks.

They are data, `engines/<kind>/successors.json`, read off the engine's sources: `flags`, the `keys` of flags
that take JSON, `variables`, and `names` (what a flag or a key takes: its own choices, or a registry's names).
Each entry names the first version without it (`gone`), says why, and where that was read. More than one entry
for a flag: each holds `from` its version on; `until` is where the flag is there again.

`to` is what a person should look at. `how` says what to write instead, where that is unambiguous:

- `rename`, `nest`: the same value, at `to`; `number`: the number that a variable's text is, at `to`;
- `invert`: the other boolean, at `to`;
- `drop`: nothing, since it had no effect any more;
- `{"map": ...}`: for each value the settings that take its place; a value that is not listed is ambiguous;
- `{"several": "rename"}`: the same list at `to` if it has more than one item; one item is ambiguous.

A value that is moved as it is may hold keys or names that are gone themselves: the result wants the same look.
"""

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from stowplan.engines.flags import kinds, version_key
from stowplan.words.keypath import parse_keypath

_FOLDER = Path(__file__).parent
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
_Entry = TypeVar("_Entry", "Successor", "GoneName")
_Key = TypeVar("_Key", str, tuple[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """What takes the place of a flag, of a key in a flag's JSON (`compilation-config.level`), or of a variable.

    `to`: its successor, as a path below the engine's table (a variable's name if `place` is `env`), None if
    there is none. `how`: see above, None if a person must decide; `values`: the map of `map`. `since`: the
    version from which the successor exists, where that is earlier than the first version this entry is for.
    """

    name: str
    gone: str
    why: str
    source: str
    to: str | None = None
    how: str | None = None
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    place: Literal["engine", "env"] = "engine"
    since: str | None = None
    begins: str
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneName:
    """A name that a registry, a flag or a key no longer takes. `to` may take its place; `same`: and means the same."""

    registry: str
    name: str
    gone: str
    why: str
    source: str
    to: str | None = None
    same: bool = False
    begins: str
    until: str | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """All entries of one engine, by name, each list by rising version."""

    settings: Mapping[str, tuple[Successor, ...]]
    variables: Mapping[str, tuple[Successor, ...]]
    names: Mapping[tuple[str, str], tuple[GoneName, ...]]


def successor(kind: str, flag: str, version: str) -> Successor | None:
    """What became of `flag` of engine `kind`, which `version` lacks; None where that is not known.

    In: a flag's name, with dashes or underscores, or the path of a key in its JSON, as `format_keypath` writes it.
    """
    head, dot, rest = flag.partition(".")
    return _at(version, _known(kind).settings.get(head.lstrip("-").replace("_", "-") + dot + rest, ()))


def gone_variable(kind: str, variable: str, version: str) -> Successor | None:
    """What became of an environment variable that `version` of engine `kind` no longer reads."""
    return _at(version, _known(kind).variables.get(variable, ()))


def gone_name(kind: str, registry: str, name: str, version: str) -> GoneName | None:
    """What became of a name that `version` lacks.

    `registry` is one of the flag table's (`quantization`, `tool_parsers`, `architectures` ...), a flag or the path
    of a key, for choices of its own; or `spellings`, for what stood for a flag on the command line.
    """
    return _at(version, _known(kind).names.get((registry, name), ()))


def rewrite(found: Successor, value: Any) -> dict[tuple[str, ...], Any] | None:
    """The settings that take the place of `value`: paths below the engine's table → values (variables → texts if
    the successor's `place` is `env`). Empty if nothing need be said any more; None if a person must decide."""
    if found.how == "drop":
        return {}
    if found.how == "map":
        settings = found.values.get(_word(value))
        return None if settings is None else {_path(found, to): new for to, new in settings.items()}
    if found.to is None or found.how is None:
        return None
    new = _moved(found.how, value)
    return None if new is None else {_path(found, found.to): new}


def _moved(how: str, value: Any) -> Any:
    """The value as it stands at its new place, None if it cannot stand there."""
    if how in ("rename", "nest"):
        return copy.deepcopy(value)
    if how == "invert":
        return not value if isinstance(value, bool) else None
    if how == "several":
        return list(value) if isinstance(value, list) and len(value) > 1 else None
    if how == "number" and isinstance(value, str) and (match := _NUMBER.fullmatch(value.strip())):
        return float(match[0]) if match[1] else int(match[0])
    return None


def _path(found: Successor, to: str) -> tuple[str, ...]:
    return (to,) if found.place == "env" else parse_keypath(to)


def _word(value: Any) -> str:
    """A value as the maps are keyed: a string as it is, `true`, `1`; what is no scalar is in no map."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | int | float) else ""


def _at(version: str, entries: tuple[_Entry, ...]) -> _Entry | None:
    """The entry that holds for `version`: the last that begins not later, unless the thing is there again."""
    wanted = version_key(version)
    begun = [entry for entry in entries if version_key(entry.begins) <= wanted]
    if not begun or (begun[-1].until is not None and version_key(begun[-1].until) <= wanted):
        return None
    return begun[-1]


@cache
def _known(kind: str) -> _Known:
    """What is known of one engine; nothing of an engine without such a file."""
    file = _FOLDER / kind / "successors.json"
    if kind not in kinds() or not file.exists():
        return _Known({}, {}, {})
    document = json.loads(file.read_bytes())
    settings = [_successor(entry, "flag") for entry in document["flags"]]
    settings += [_successor(entry, "key") for entry in document["keys"]]
    variables = [_successor(entry, "variable") for entry in document["variables"]]
    names = [_gone_name(entry) for entry in document["names"]]
    return _Known(
        _rising(settings, lambda entry: entry.name),
        _rising(variables, lambda entry: entry.name),
        _rising(names, lambda entry: (entry.registry, entry.name)),
    )


def _rising(entries: Iterable[_Entry], key: Callable[[_Entry], _Key]) -> dict[_Key, tuple[_Entry, ...]]:
    """The entries of each key, by the version they begin with."""
    found: dict[_Key, list[_Entry]] = {}
    for entry in sorted(entries, key=lambda entry: version_key(entry.begins)):
        found.setdefault(key(entry), []).append(entry)
    return {name: tuple(group) for name, group in found.items()}


def _successor(entry: Mapping[str, Any], name: str) -> Successor:
    how = entry.get("how")
    if isinstance(how, dict):
        ((how, values),) = how.items()
    else:
        values = {}
    return Successor(
        name=entry[name],
        gone=entry["gone"],
        why=entry["why"],
        source=entry["source"],
        to=entry.get("to"),
        how=how,
        values=values if how == "map" else {},
        place=entry.get("in", "engine"),
        since=entry.get("since"),
        begins=entry.get("from", entry["gone"]),
        until=entry.get("until"),
    )


def _gone_name(entry: Mapping[str, Any]) -> GoneName:
    return GoneName(
        registry=entry["registry"],
        name=entry["name"],
        gone=entry["gone"],
        why=entry["why"],
        source=entry["source"],
        to=entry.get("to"),
        same=entry.get("how") == "rename",
        begins=entry["gone"],
        until=entry.get("until"),
    )
