"""What a flag takes, in the words of TOML: how `engine flags` tells it."""

import json
import os
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from stowplan.engines.flags import versions
from stowplan.engines.history import default_moves, span
from stowplan.nouns.flags import Flag, FlagTable
from stowplan.report.visible import visible
from stowplan.stages.emit.flag_schema import values

FEW = 6
"""Words of a choice that a short line names."""
_INDENT = " " * 4
_NARROW = 40
"""Columns below which no line is broken: a window of no width at all has 0."""
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_TYPES = {"array": "list", "boolean": "true or false", "object": "table"}
_PLAIN = re.compile(r"(?:integer|number|string|table)(?: or (?:integer|number|string|table))*")
_NONSENSE = "neither of them"


def brief(flag: Flag, table: FlagTable) -> Iterator[str]:
    """A flag on a line, and its help text below."""
    told = [_takes(flag, table, FEW), *_default(flag.default), *_versions(flag, table)]
    yield visible(f"--{flag.name}  {'; '.join(told)}")
    yield from _wrapped(flag.help, _INDENT)


def full(flag: Flag, table: FlagTable) -> Iterator[str]:
    """All that is known of a flag, one thing a line; a table with its fields."""
    yield visible(f"--{flag.name}")
    yield from _wrapped(_takes(flag, table), _INDENT)
    yield from _wrapped(flag.help, _INDENT)
    facts = {
        "default": "".join(word.removeprefix("default ") for word in _default(flag.default)),
        "moved": "; ".join(
            f"{_value(old)} → {_value(new)} in {version}"
            for version, old, new in default_moves(table.engine, flag.name)
        ),
        "versions": ", ".join(_versions(flag, table)),
        "also": ", ".join(_spellings(flag)),
        "group": flag.group,
    }
    for name, fact in facts.items():
        if fact:
            yield from _wrapped(f"{name:<9} {fact}", _INDENT)
    yield from _fields(values(flag, table), _INDENT)


def document(flag: Flag, table: FlagTable) -> dict[str, Any]:
    """The same for a program: `values` is a JSON Schema of what TOML may say; None where nothing is known."""
    around = span(table.engine, flag.name, table.version)
    since, until = around or (table.version, None)
    return {
        "name": flag.name,
        "type": _takes(flag, table),
        "values": values(flag, table),
        "default": None if _is_described(flag.default) else flag.default,
        "default_moves": [
            {"version": version, "old": old, "new": new} for version, old, new in default_moves(table.engine, flag.name)
        ],
        "since": since,
        "until": None if _is_newest(until, table) else until,
        "deprecated": flag.deprecated,
        "aliases": list(flag.aliases),
        "off": flag.off,
        "group": flag.group,
        "help": flag.help,
    }


def _takes(flag: Flag, table: FlagTable, few: int | None = None) -> str:
    words = _words(values(flag, table), few)
    if flag.opened_by not in table.flags:
        return words
    return f"{words.replace('string, such as', 'one of')}, or what `{flag.opened_by}` brings"


def _words(schema: Mapping[str, Any], few: int | None = None) -> str:
    """What a JSON Schema lets through; of a long choice the first `few`."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_words(each, few) for each in schema["anyOf"]))
    if "const" in schema:
        return _value(schema["const"])
    if "enum" in schema:
        return _one_of(schema["enum"], few)
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(_words({**schema, "type": each}, few) for each in kind)
    if kind == "string" and "examples" in schema:
        is_closed = "pattern" in schema and re.search(schema["pattern"], _NONSENSE) is None
        return _one_of(schema["examples"], few, "one of" if is_closed else "string, such as")
    if kind == "array" and "items" in schema:
        return _of("list", _words(schema["items"], few))
    if kind == "object" and isinstance(further := schema.get("additionalProperties"), Mapping):
        return _of("table", _words(further, few))
    told = _TYPES.get(kind or "", kind or "any value")
    bounds = [f"{sign} {schema[word]:g}" for word, sign in _BOUNDS.items() if word in schema]
    return f"{told} {' and '.join(bounds)}" if bounds and kind in ("integer", "number") else told


def _of(outer: str, inner: str) -> str:
    if inner == "any value":
        return outer
    if _PLAIN.fullmatch(inner):
        return f"{outer} of {inner.replace(' or ', 's or ')}s"
    return f"{outer}, each {inner}"


def _one_of(known: list[Any], few: int | None, how: str = "one of") -> str:
    shown = known if few is None or len(known) <= few + 1 else known[:few]
    more = f" and {len(known) - len(shown)} more" if len(shown) < len(known) else ""
    return f"{how} {', '.join(map(_value, shown))}{more}"


def _value(value: Any) -> str:
    """A value as TOML has it; of a table its JSON. What no file can say is what the engine decides."""
    return "the engine decides" if value is None else json.dumps(value, ensure_ascii=False)


def _is_described(default: Any) -> bool:
    """Whether a table could not write a default down, and describes it (`{"$obj": "PoolerConfig"}`)."""
    return isinstance(default, dict) and any(key.startswith("$") for key in default)


def _default(default: Any) -> Iterator[str]:
    if default is not None and not _is_described(default):
        yield f"default {_value(default)}"


def _versions(flag: Flag, table: FlagTable) -> Iterator[str]:
    """From which version on and up to which, where it was not always there; deprecated or not."""
    around = span(table.engine, flag.name, table.version)
    known = versions(table.engine)
    if around is None:
        yield f"since {table.version}"
    else:
        if around[0] != known[0]:
            yield f"since {around[0]}"
        if not _is_newest(around[1], table):
            yield f"until {around[1]}"
    if flag.deprecated:
        yield "deprecated"


def _is_newest(version: str | None, table: FlagTable) -> bool:
    return version in versions(table.engine)[-1:]


def _spellings(flag: Flag) -> Iterator[str]:
    for alias in flag.aliases:
        if flag.off is None or alias != flag.off.lstrip("-"):
            yield f"--{alias}" if "-" in alias else f"-{alias}"
    if flag.off is not None:
        yield f"{flag.off} for false"


def _fields(schema: Mapping[str, Any], indent: str) -> Iterator[str]:
    """The fields of the tables that `schema` lets through, and of the tables in them."""
    for name, field in schema.get("properties", {}).items():
        yield visible(f"{indent}{name}  {'; '.join([_words(field), *_default(field.get('default'))])}")
        yield from _wrapped(field.get("description", ""), indent + _INDENT)
        yield from _fields(field, indent + _INDENT)
    for inner in schema.get("anyOf", ()):
        yield from _fields(inner, indent)
    if "items" in schema:
        yield from _fields(schema["items"], indent)


def _wrapped(text: str, indent: str) -> Iterator[str]:
    """`text`, broken into lines where there is a terminal to break it for."""
    text = visible(text)
    if not text:
        return
    if not sys.stdout.isatty():
        yield indent + text
        return
    columns = max(os.get_terminal_size(sys.stdout.fileno()).columns, _NARROW)
    yield from textwrap.wrap(
        text,
        columns,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
