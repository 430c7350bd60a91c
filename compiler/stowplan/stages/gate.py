"""The gate: where files of unknown shape become typed, by pydantic and nowhere else.

Shapes are the dataclasses of `nouns`; they are strict and forbid unknown keys. Validation runs on
JSON because pydantic's strict mode takes tables for dataclasses there (pydantic 2, "Strict mode").
"""

import difflib
from collections.abc import Iterable
from functools import cache
from typing import Any

import pydantic
from pydantic_core import to_json

from stowplan.engines.flags import flag_table, kinds, versions
from stowplan.nouns.facts import Facts
from stowplan.nouns.overlay import ONLY_IN_BASE, ONLY_IN_OVERLAY
from stowplan.words.diagnostic import Diagnostic, Place, error
from stowplan.words.digest import canonical_json
from stowplan.words.keypath import KeyPath, format_keypath
from stowplan.words.shown import shown

_WANTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "string_type": "a string",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a table",
    "dataclass_type": "a table",
}


_FILES = {"Overlay": "an overlay", "Base": "a base.toml", "ProfileShape": "a profile"}


def settle(shape: type, table: dict[str, Any], file: str) -> tuple[dict[str, Any], list[Diagnostic]]:
    """`table` held against `shape`.

    Out: the table without the parts that do not fit, so that the rest can still be checked, and a
    diagnostic for each of them.
    """
    try:
        _adapter(shape).validate_json(to_json(table))
    except pydantic.ValidationError as problem:
        found = problem.errors(include_url=False, include_context=True)
        problems = [_diagnostic(shape, file, item) for item in found]
        return _without(table, [tuple(item["loc"]) for item in found]), problems
    return table, []


def facts_of(content: dict[str, Any]) -> tuple[Facts | None, list[tuple[KeyPath, str]]]:
    """The typed facts of a discovered.json's content, or what does not fit: key path and reason."""
    return facts_in(canonical_json(content))


def facts_in(document: bytes) -> tuple[Facts | None, list[tuple[KeyPath, str]]]:
    """The same of the content's canonical JSON."""
    try:
        return _adapter(Facts).validate_json(document), []
    except pydantic.ValidationError as problem:
        found = problem.errors(include_url=False)
        return None, [(tuple(item["loc"]), _reason(item)) for item in found]


@cache
def _adapter(shape: type) -> "pydantic.TypeAdapter[Any]":
    return pydantic.TypeAdapter(shape)


@cache
def _schema(shape: type) -> dict[str, Any]:
    return _adapter(shape).json_schema()


def _diagnostic(shape: type, file: str, item: Any) -> Diagnostic:
    path: KeyPath = tuple(item["loc"])
    if item["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return _unknown_key(shape, path, file)
    if item["type"] == "missing":
        key = format_keypath(path)
        return error("missing-key", f"`{key}` is missing", Place(file, path[:-1]), hint=f"add `{path[-1]} = ...`")
    kind = "bad-choice" if item["type"] == "literal_error" else "wrong-type"
    seen = item["input"]
    is_bare = item["type"] == "string_type" and isinstance(seen, int | float) and not isinstance(seen, bool)
    hint = f'write it in quotes: `"{seen}"`' if is_bare else None
    return error(kind, f"`{format_keypath(path)}` {_reason(item)}", Place(file, path), hint=hint)


def _unknown_key(shape: type, path: KeyPath, file: str) -> Diagnostic:
    key, place = str(path[-1]), Place(file, path, "key")
    if len(path) == 1 and shape.__name__ == "Overlay" and key in ONLY_IN_BASE:
        return error(
            "misplaced-key", f"`{key}` stands only in base.toml", place, hint="move it to base.toml beside this file"
        )
    known = _keys(shape, path[:-1])
    if shape.__name__ == "Base" and len(path) == 1:
        known = [name for name in known if name not in ONLY_IN_OVERLAY]
    close = difflib.get_close_matches(key.replace("_", "-"), known, n=1, cutoff=0.7)
    where = f"`[{format_keypath(path[:-1])}]`" if len(path) > 1 else _FILES[shape.__name__]
    hint = f"did you mean `{close[0]}`?" if close else f"known here: {', '.join(known)}"
    if not close and shape.__name__ in ("Overlay", "Base") and len(path) == 1 and (kind := _flag_of(key)):
        hint = f"flags of {kind} stand in its table: `[{kind}]`, then `{key.replace('_', '-')} = ...`"
    return error("unknown-key", f"`{key}` is not a key of {where}", place, hint=hint)


def _keys(shape: type, path: KeyPath) -> list[str]:
    """The keys that `shape` knows at `path`, from the schema pydantic made of it."""
    schema = _schema(shape)
    node: Any = schema
    for part in path:
        node = next(iter(_inner(node, schema, str(part))), {})
    return sorted(_resolved(node, schema).get("properties", {}))


def _inner(node: Any, schema: Any, part: str) -> Iterable[Any]:
    node = _resolved(node, schema)
    if part in node.get("properties", {}):
        yield node["properties"][part]
    elif isinstance(node.get("additionalProperties"), dict):
        yield node["additionalProperties"]


def _resolved(node: Any, schema: Any) -> Any:
    for branch in node.get("anyOf", ()):
        if branch.get("type") != "null":
            node = branch
    if "$ref" in node:
        return schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return node


def _flag_of(key: str) -> str | None:
    """The engine kind that has a flag of this name in any version, if one has."""
    name = key.replace("_", "-")
    for kind in kinds():
        for version in versions(kind):
            table = flag_table(kind, version)
            if table is not None and (name in table.flags or name in table.spellings):
                return kind
    return None


def _reason(item: Any) -> str:
    seen = shown(item["input"])
    if item["type"] == "literal_error":
        expected = str(item["ctx"]["expected"]).replace("'", '"')
        return f"may be {expected}, not {seen}"
    if item["type"] == "missing":
        return "is missing"
    wanted = _WANTED.get(item["type"])
    return f"wants {wanted}, not {seen}" if wanted else f"does not fit: {item['msg']}"


def _without(table: dict[str, Any], paths: list[KeyPath]) -> dict[str, Any]:
    """`table` without what stands at `paths`; a list goes whole if one of its items does not fit."""
    above = {path[:length] for path in paths for length in range(1, len(path))}
    return _pruned(table, (), set(paths), above)


def _pruned(table: dict[str, Any], at: KeyPath, doomed: set[KeyPath], above: set[KeyPath]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in table.items():
        path = (*at, key)
        if path in doomed or (isinstance(value, list) and path in above):
            continue
        kept[key] = _pruned(value, path, doomed, above) if isinstance(value, dict) else value
    return kept
