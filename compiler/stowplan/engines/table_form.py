"""The form of a flag table, for a file that may have been edited: what reads a table relies on each part of it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stowplan.words.keypath import KeyPath, format_keypath

_Check = Callable[[Any], Iterator[KeyPath]]
"""The paths, from the value on, of what has not the form that is wanted."""


def misshapen(document: Any) -> str | None:
    """The key path of the first part of a table that has not its form; "" for the whole; None if all have.

    Keys that no table has are left alone. RecursionError for what is nested without end.
    """
    wrong = next(_TABLE(document), None)
    return None if wrong is None else format_keypath(wrong)


def _of(*types: type) -> _Check:
    """Just these: true is no integer."""

    def check(value: Any) -> Iterator[KeyPath]:
        if type(value) not in types:
            yield ()

    return check


def _list(item: _Check, least: int = 0) -> _Check:
    def check(value: Any) -> Iterator[KeyPath]:
        if type(value) is not list or len(value) < least:
            yield ()
            return
        for place, inner in enumerate(value):
            yield from ((place, *path) for path in item(inner))

    return check


def _by_name(item: _Check) -> _Check:
    def check(value: Any) -> Iterator[KeyPath]:
        if type(value) is not dict:
            yield ()
            return
        for name, inner in value.items():
            yield from ((name, *path) for path in item(inner))

    return check


def _with(known: Mapping[str, _Check], *needed: str) -> _Check:
    def check(value: Any) -> Iterator[KeyPath]:
        if type(value) is not dict:
            yield ()
            return
        yield from ((key,) for key in needed if key not in value)
        for key, inner in value.items():
            if key in known:
                yield from ((key, *path) for path in known[key](inner))

    return check


def _number(value: Any) -> Iterator[KeyPath]:
    """A bound: neither without end nor larger than any that a float can say."""
    if type(value) not in (int, float) or not -_LARGEST <= value <= _LARGEST:
        yield ()


def _shape(value: Any) -> Iterator[KeyPath]:
    return _SHAPE(value)


_LARGEST = 1e18
_TEXT, _TEXTS, _YES = _of(str), _list(_of(str)), _of(bool)
_VALUES = _list(_of(str, int, float, bool, type(None)))
_COMMON: Mapping[str, _Check] = {
    "names": _TEXT,
    "any_case": _YES,
    "opened_by": _TEXT,
    "object": _TEXT,
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _number),
}
_FLAG = _with(
    {
        **_COMMON,
        **dict.fromkeys(("type", "group", "help", "action"), _TEXT),
        **dict.fromkeys(("choices", "suggest"), _VALUES),
        "aliases": _TEXTS,
        "neg": _list(_TEXT, 1),
        "nargs": _of(str, int),
        "deprecated": _YES,
    },
    *("type", "default"),
)
_SHAPE = _with(
    {
        **_COMMON,
        "type": _TEXT,
        "description": _TEXT,
        "enum": _VALUES,
        "anyOf": _list(_shape, 1),
        "items": _shape,
        "additionalProperties": lambda value: iter(()) if type(value) is bool else _shape(value),
    }
)
_TABLE = _with(
    {
        **dict.fromkeys(("engine", "version", "source"), _TEXT),
        "allow_abbrev": _YES,
        "flags": _by_name(_FLAG),
        "objects": _by_name(_by_name(_SHAPE)),
        "names": _by_name(_TEXTS),
        "quantization": _by_name(_with({"capability": _of(int), "dtypes": _TEXTS}, "capability", "dtypes")),
        "attention": _by_name(
            _with({"capabilities": _list(_of(int)), "kv_cache_dtypes": _TEXTS}, "capabilities", "kv_cache_dtypes")
        ),
        "considered": _by_name(_by_name(_TEXTS)),
        "variables": _TEXTS,
    },
    *("engine", "version", "source", "flags", "objects", "names", "quantization", "attention", "considered"),
    "variables",
)
