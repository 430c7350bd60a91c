"""A table that becomes one of the engine's configuration objects, against the form of that object.

The forms are the table's `objects`, read off vLLM's configuration classes (vllm/config/), a subset of JSON
Schema (`nouns.flags.Shape`). Types are strict, as everywhere in TOML: true is no number and "5" no integer,
though vLLM would turn either into one. Fields that vLLM rewrites before it looks at them have an empty form
and take anything. Seen with 0.11.0 to 0.33.0.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stowplan.engines.flags import flag_table, version_key, versions
from stowplan.engines.values import outside, unknown_name
from stowplan.nouns.flags import FlagTable, Shape
from stowplan.words.keypath import KeyPath
from stowplan.words.shown import shown
from stowplan.words.slip import is_slip

DEEPEST = 32
"""Levels that are looked into; a TOML file has fewer."""
LISTED = 12
"""Choices that are listed; of more, the first."""
LIKELY = 0.7
"""How alike (difflib's ratio) a field must be to be suggested."""
WORDS = {
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "array": "a list",
    "object": "a table",
}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What does not fit: `path` leads to it from the flag; `wants` what was expected, `seen` what is there.

    Of an `unknown-field`, `wants` is the object that has no such field, and `instead` the field that must
    have been meant, if there is but one. `needs_opening`: nobody has said yet that names of other makers may
    stand here.
    """

    id: Literal["unknown-field", "bad-value", "bad-choice"]
    path: KeyPath
    wants: str
    seen: str
    hint: str | None = None
    instead: str | None = None
    needs_opening: bool = False


def mismatches(value: Any, held: str, table: FlagTable, *, dashed: bool = False) -> Iterator[Mismatch]:
    """Everything in `value` (a plain TOML table) that object `held` of the table does not take.

    `dashed`: at the top, dashes in keys stand for underscores. An object that the table has not takes anything.
    """
    if isinstance(value, dict):
        yield from _Reader(table, dashed).fields(held, value, ())


class _Reader:
    """One reading of one value; how deep it goes is bounded by `DEEPEST`, and by the value."""

    def __init__(self, table: FlagTable, dashed: bool) -> None:
        self._table = table
        self._dashed = dashed

    def fields(self, held: str, value: Mapping[str, Any], path: KeyPath) -> Iterator[Mismatch]:
        known = self._table.objects.get(held)
        if known is None or len(path) > DEEPEST:
            return
        for key, item in value.items():
            shape = known.get(key)
            if shape is None and self._dashed and not path:
                shape = known.get(key.replace("-", "_"))
            if shape is None:
                yield _unknown_field(held, known, key, path, self._table)
            elif shape:
                yield from self._fits(shape, item, (*path, key), value)

    def _fits(self, shape: Shape, value: Any, path: KeyPath, beside: Mapping[str, Any]) -> Iterator[Mismatch]:
        if shape.get("names") in self._table.names and isinstance(value, str):
            if not beside.get(shape.get("opened_by", "")):
                yield from self._named(shape, value, path)
        elif "object" in shape:
            if isinstance(value, dict):
                yield from self.fields(shape["object"], value, path)
            else:
                yield Mismatch("bad-value", path, "a table", shown(value))
        elif "anyOf" in shape:
            yield from self._any_of(shape["anyOf"], value, path, beside)
        elif "enum" in shape:
            if not any(_is_same(value, choice, shape.get("any_case", False)) for choice in shape["enum"]):
                yield Mismatch("bad-choice", path, wanted(shape), shown(value), _close(value, shape["enum"]))
        elif "type" in shape and not _is_of_type(value, shape["type"]):
            yield Mismatch("bad-value", path, wanted(shape), shown(value), _retyped(value, shape["type"], path))
        else:
            yield from self._inside(shape, value, path)

    def _named(self, shape: Shape, value: str, path: KeyPath) -> Iterator[Mismatch]:
        any_case = shape.get("any_case", False)
        found = unknown_name(value, shape["names"], self._table, any_case=any_case, also=("auto",))
        if found is not None:
            yield Mismatch("bad-choice", path, found.wants, shown(value), found.hint, needs_opening=True)

    def _any_of(self, shapes: list[Shape], value: Any, path: KeyPath, beside: Mapping[str, Any]) -> Iterator[Mismatch]:
        """One that fits is enough; if none does, the one that is of the value's type says why."""
        found = [list(self._fits(shape, value, path, beside)) for shape in shapes]
        if not all(found):
            return
        deeper = [problems for problems in found if all(len(problem.path) > len(path) for problem in problems)]
        if deeper:
            yield from deeper[0]
        else:
            wants = " or ".join(dict.fromkeys(wanted(shape) for shape in shapes))
            is_choice = any(problem.id == "bad-choice" for problems in found for problem in problems)
            yield Mismatch("bad-choice" if is_choice else "bad-value", path, wants, shown(value))

    def _inside(self, shape: Shape, value: Any, path: KeyPath) -> Iterator[Mismatch]:
        """The bounds of a number, the items of a list, the values of a free table."""
        limits = (shape.get(word) for word in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"))
        if (wants := outside(value, *limits)) is not None:
            yield Mismatch("bad-value", path, wants, shown(value))
        if isinstance(value, list) and "items" in shape:
            for index, item in enumerate(value):
                yield from self._fits(shape["items"], item, (*path, index), {})
        if isinstance(value, dict) and "additionalProperties" in shape:
            for key, item in value.items():
                yield from self._fits(shape["additionalProperties"], item, (*path, key), value)


def wanted(shape: Shape) -> str:
    """What a value of this form is, in words: `an integer`, `one of "a", "b"`, `a string or a table`."""
    if "enum" in shape:
        choices = [json.dumps(choice, ensure_ascii=False) for choice in shape["enum"][:LISTED]]
        more = f" ({len(shape['enum'])} in all)" if len(shape["enum"]) > LISTED else ""
        return choices[0] if len(shape["enum"]) == 1 else f"one of {', '.join(choices)}{more}"
    if "anyOf" in shape:
        return " or ".join(dict.fromkeys(wanted(member) for member in shape["anyOf"]))
    if "object" in shape:
        return "a table"
    return WORDS.get(shape.get("type", ""), "another value")


def _unknown_field(held: str, known: Mapping[str, Shape], key: str, path: KeyPath, table: FlagTable) -> Mismatch:
    plain = key.replace("-", "_")
    close = [plain] if plain in known else difflib.get_close_matches(plain, known, n=2, cutoff=LIKELY)
    hints = [_elsewhere(held, plain, table), f"did you mean `{close[0]}`?" if close else None]
    if not any(hints) and len(known) <= LISTED:
        hints.append(f"known: {', '.join(sorted(known))}")
    only = close[0] if len(close) == 1 and is_slip(plain, close[0]) else None
    return Mismatch("unknown-field", (*path, key), held, key, "; ".join(filter(None, hints)) or None, only)


def _elsewhere(held: str, field: str, table: FlagTable) -> str | None:
    """Which other versions have that field, in words. Reads their tables: asked only when something is wrong."""
    tables = [(version, flag_table(table.engine, version)) for version in versions(table.engine)]
    having = [version for version, other in tables if other is not None and field in other.objects.get(held, {})]
    here = version_key(table.version)
    older = [version for version in having if version_key(version) < here]
    if older:
        return f"{table.engine} had it up to {older[-1]}"
    return f"it came with {table.engine} {having[0]}" if having else None


def _is_of_type(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "number":
        return isinstance(value, int | float)
    expected = {"boolean": bool, "integer": int, "string": str, "array": list, "object": dict}.get(kind)
    return expected is None or isinstance(value, expected)


def _is_same(value: Any, choice: Any, any_case: bool) -> bool:
    if isinstance(value, str) and isinstance(choice, str):
        return value == choice or (any_case and value.casefold() == choice.casefold())
    return bool(value == choice) and isinstance(value, bool) == isinstance(choice, bool)


def _close(value: Any, choices: list[Any]) -> str | None:
    words = [choice for choice in choices if isinstance(choice, str)]
    close = difflib.get_close_matches(value, words, n=1, cutoff=LIKELY) if isinstance(value, str) else []
    return f"did you mean `{close[0]}`?" if close else None


def _retyped(value: Any, kind: str, path: KeyPath) -> str | None:
    """How the value would be written as what it must have been meant to be."""
    key = f"{path[-1]} = " if isinstance(path[-1], str) else ""
    if isinstance(value, str) and kind in ("boolean", "integer", "number"):
        try:
            meant = json.loads(value.lower())
        except (ValueError, RecursionError):
            return None
        return f"write it without quotes: `{key}{json.dumps(meant)}`" if _is_of_type(meant, kind) else None
    if kind == "string" and isinstance(value, int | float):
        return f'write it in quotes: `{key}"{json.dumps(value)}"`'
    if kind == "array" and isinstance(value, str):
        return f"write `{key}[{json.dumps(value, ensure_ascii=False)}]`"
    return None
