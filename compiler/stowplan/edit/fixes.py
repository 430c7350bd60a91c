"""Fixes, applied to the text of one file: what the fixes name changes, and nothing else by a byte."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stowplan.edit.document import Document, NotInPlaceError
from stowplan.edit.plain import MISSING, at, put, without
from stowplan.edit.written import same
from stowplan.words.diagnostic import Fix
from stowplan.words.keypath import KeyPath, format_keypath

_BOM = b"\xef\xbb\xbf"
_NOT_IN_PLACE = "it cannot be edited in place"


@dataclass(frozen=True, slots=True)
class Left:
    """A fix that could not be applied, and why."""

    fix: Fix
    reason: str


@dataclass(frozen=True, slots=True)
class Applied:
    """A file's new content, the fixes that are in it, and those that could not be."""

    content: bytes
    done: tuple[Fix, ...]
    left: tuple[Left, ...]


def applied(source: bytes, fixes: Iterable[Fix]) -> Applied:
    """`source`, a TOML file, with `fixes` applied one after the other.

    Keys are those of `source`: where one fix has moved what another one names, the other is left. A key that
    is called otherwise keeps its place and its comment; one that moves into a table makes that table where
    it has to, on one line. A table that a fix leaves empty goes, too, unless it is one of the file's own.
    """
    mark, text = (_BOM, source[3:]) if source.startswith(_BOM) else (b"", source)
    try:
        document = Document(text.decode())
        tomllib.loads(document.text)
    except ValueError:
        return Applied(source, (), tuple(Left(fix, "the file is no TOML") for fix in fixes))
    done: list[Fix] = []
    left: list[Left] = []
    for fix in sorted(_once(fixes), key=_positions, reverse=True):
        try:
            document = _edited(document, fix)
            done.append(fix)
        except NotInPlaceError as problem:
            left.append(Left(fix, str(problem)))
        except ValueError:  # tomlkit refuses some rare forms that are TOML
            left.append(Left(fix, _NOT_IN_PLACE))
    return Applied(mark + document.text.encode(), tuple(done), tuple(left))


def _edited(document: Document, fix: Fix) -> Document:
    """The document with one fix applied. Raises NotInPlaceError, ValueError."""
    if not document.is_kept:
        raise NotInPlaceError(_NOT_IN_PLACE)
    before = document.values
    key, wanted = fix.key, _wanted(before, fix)
    rest = without(before, key)
    edited, comment = Document(document.text), ""
    puts = dict(fix.put)
    slot = key if key in puts else next((path for path in puts if _home(rest, path) == key[:-1]), None)
    if slot is None and edited.is_section(key):
        slot = next((path for path, value in puts.items() if same(value, at(before, key))), None)
    if slot is None:
        comment = edited.remove(key)
        for depth in range(len(key) - 1, 1, -1):
            if isinstance(key[depth - 1], int) or at(edited.values, key[:depth]) != {}:
                break
            edited.remove(key[:depth])
    else:
        edited.replace(key, slot, puts.pop(slot))
    beside = () if slot is None else slot[: len(key)]
    for path, value in puts.items():
        edited.add(path, value, comment, beside)
        comment, beside = "", path
    if not same(_less_emptied(edited.values, key), _less_emptied(wanted, key)):
        raise NotInPlaceError(_NOT_IN_PLACE)
    return edited


def _wanted(before: Mapping[str, Any], fix: Fix) -> Any:
    """The values that the file has to have then. Raises NotInPlaceError where a fix does not go with it."""
    if at(before, fix.key) is MISSING:
        raise NotInPlaceError(f"`{format_keypath(fix.key)}` is not there any more")
    puts = dict(fix.put)
    # in a list, taking the item out first would move the others
    values = put(before, fix.key, puts.pop(fix.key)) if fix.key in puts else without(before, fix.key)
    for path, value in puts.items():
        if isinstance(path[-1], int):
            raise NotInPlaceError(f"`{format_keypath(path)}` is no key")
        if at(values, path) is not MISSING:
            raise NotInPlaceError(f"`{format_keypath(path)}` is set already")
        for depth in range(1, len(path)):
            above, wants = at(values, path[:depth]), list if isinstance(path[depth], int) else Mapping
            if not isinstance(above, wants) and not (above is MISSING and wants is Mapping):
                kind = "list" if wants is list else "table"
                raise NotInPlaceError(f"`{format_keypath(path[:depth])}` is not a {kind}")
        values = put(values, path, value)
    return values


def _home(values: Any, path: KeyPath) -> KeyPath:
    """The deepest table above `path` that is there."""
    return next(path[:n] for n in range(len(path) - 1, -1, -1) if at(values, path[:n]) is not MISSING)


def _less_emptied(values: Any, key: KeyPath) -> Any:
    """Without the tables on the way to `key` that are empty."""
    for depth in range(len(key) - 1, 0, -1):
        if at(values, key[:depth]) == {}:
            values = without(values, key[:depth])
    return values


def _once(fixes: Iterable[Fix]) -> list[Fix]:
    once: list[Fix] = []
    for fix in fixes:
        if fix not in once:
            once.append(fix)
    return once


def _positions(fix: Fix) -> tuple[int, ...]:
    """Positions in lists: the last is edited first, so that the others stay what they were."""
    return tuple(part for part in fix.key if isinstance(part, int))
