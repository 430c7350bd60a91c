"""Values that have no place in any of our files, whatever key they stand under.

TOML can say more than a launch can: dates, infinities, integers beyond 64 bits, tables thirty deep.
And text can say more than it shows: control characters, invisible characters, characters that turn
the reading direction (Unicode TR 36, "Bidirectional text spoofing"). Each is named and left out.
"""

import math
import unicodedata
from typing import Any

from stowplan.words.diagnostic import Diagnostic, Place, error
from stowplan.words.keypath import KeyPath, format_keypath

MAX_DEPTH = 24
FREE_TEXT = frozenset({"vllm", "sampling", "env", "defaults", "correct"})
"""Tables whose strings may hold line breaks, tabs and joiners: prompts, templates, stop sequences."""
_IN_FREE_TEXT = frozenset("\n\t\u200c\u200d")


def tidy(table: dict[str, Any], file: str) -> tuple[dict[str, Any], list[Diagnostic]]:
    """`table` without what has no place in it, and a diagnostic for each thing left out."""
    if _is_plain(table, MAX_DEPTH):
        return table, []
    problems: list[Diagnostic] = []
    return _table(table, file, (), problems), problems


def hidden_character(text: str, *, free: bool) -> str | None:
    """The first character in `text` that a reader cannot see, as `U+202E RIGHT-TO-LEFT OVERRIDE`.

    In `free` text line breaks, tabs and joiners are seen well enough.
    """
    if text.isprintable():  # nothing of the categories below is, in any script
        return None
    for character in text:
        if free and character in _IN_FREE_TEXT:
            continue
        if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"):
            name = unicodedata.name(character, "control character")
            return f"U+{ord(character):04X} {name}"
    return None


def _is_plain(value: Any, depth: int) -> bool:
    """Whether a glance is enough, as it nearly always is: printable text and numbers, in at most `depth` levels."""
    kind = type(value)
    if kind is str:
        return bool(value.isprintable())
    if kind is bool:
        return True
    if kind is int:
        return bool(-(2**63) <= value < 2**63)
    if kind is float:
        return math.isfinite(value)
    if depth == 0:
        return False
    if kind is dict:
        return all(key.isprintable() and _is_plain(inner, depth - 1) for key, inner in value.items())
    return kind is list and all(_is_plain(item, depth - 1) for item in value)


def _table(table: dict[str, Any], file: str, at: KeyPath, problems: list[Diagnostic]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in table.items():
        path = (*at, key)
        if (hidden := hidden_character(key, free=False)) is not None:
            problems.append(_hidden("a key", hidden, Place(file, path, "key")))
        elif len(path) > MAX_DEPTH:
            problems.append(_too_deep(file, path))
        elif isinstance(value, dict):
            kept[key] = _table(value, file, path, problems)
        elif (problem := _refused(value, file, path, len(path))) is not None:
            problems.append(problem)
        else:
            kept[key] = value
    return kept


def _refused(value: Any, file: str, path: KeyPath, depth: int) -> Diagnostic | None:
    name = format_keypath(path)
    if isinstance(value, str):
        if (hidden := hidden_character(value, free=path[0] in FREE_TEXT)) is not None:
            return _hidden(f"`{name}`", hidden, Place(file, path))
        return None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return None
        return error("bad-value", f"`{name}` is an integer beyond 64 bits", Place(file, path))
    if isinstance(value, float):
        if math.isfinite(value):
            return None
        return error("bad-value", f"`{name}` is {value}; wanted is a finite number", Place(file, path))
    if depth > MAX_DEPTH:
        return _too_deep(file, path)
    if isinstance(value, list):
        return next(filter(None, (_refused(v, file, (*path, i), depth + 1) for i, v in enumerate(value))), None)
    if isinstance(value, dict):
        for key, inner in value.items():
            if (hidden := hidden_character(key, free=False)) is not None:
                return _hidden("a key", hidden, Place(file, path))
            if (problem := _refused(inner, file, (*path, key), depth + 1)) is not None:
                return problem
        return None
    return error(
        "wrong-type",
        f"`{name}` is a date or time; strings, numbers, true/false, lists and tables are known here",
        Place(file, path),
        hint="put it in quotes if the text is meant",
    )


def _hidden(what: str, character: str, place: Place) -> Diagnostic:
    return error(
        "hidden-characters",
        f"{what} holds a character that does not show: {character}",
        place,
        hint="delete it, and look at who wrote it and why",
    )


def _too_deep(file: str, path: KeyPath) -> Diagnostic:
    name = format_keypath(path[:3])
    return error("wrong-type", f"`{name} ...` is nested deeper than {MAX_DEPTH} levels", Place(file, path[:3]))
