"""Flag tables: what one version of an engine's command line accepts.

A table is `engines/<kind>/<version>.json`, taken from the engine's own parser and committed. Nothing
here knows a flag by name; it only reads the tables.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_TABLES = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Flag:
    """One option. Names are without their dashes.

    `type` is the parser's converter: `bool` (a `--no-` form exists or an alias turns it off; without
    either it takes a word, and every word means true), `flag` (present or not), `int`, `float`, `str`,
    `json`, `str|json`, `human_readable_int` ...; a trailing `?` (optional) is dropped. `off` is the
    option that turns a boolean off, None if there is none. `many` says that several values follow;
    `repeat` that the option is repeated, once per value; `json_items` that each value may be JSON.
    """

    name: str
    type: str
    choices: tuple[Any, ...] = ()
    aliases: tuple[str, ...] = ()
    off: str | None = None
    many: bool = False
    repeat: bool = False
    json_items: bool = False
    bare: bool = False
    deprecated: bool = False
    default: Any = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class FlagTable:
    """All options of one engine version: by name, and every other spelling → name."""

    engine: str
    version: str
    source: str
    flags: Mapping[str, Flag]
    spellings: Mapping[str, str]


def versions(kind: str) -> tuple[str, ...]:
    """The versions of engine `kind` that have a table, oldest first; empty for an unknown kind."""
    return _installed().get(kind, ())


def kinds() -> tuple[str, ...]:
    """The engines that have tables."""
    return tuple(_installed())


@cache
def _installed() -> Mapping[str, tuple[str, ...]]:
    """Kind → versions. Listed, not looked for: a kind that someone wrote into a profile never becomes a path."""
    found: dict[str, tuple[str, ...]] = {}
    for folder in sorted(path for path in _TABLES.iterdir() if path.is_dir()):
        tables = [path.stem for path in folder.glob("*.json") if path.stem[0].isdigit()]
        if tables:
            found[folder.name] = tuple(sorted(tables, key=version_key))
    return found


@cache
def flag_table(kind: str, version: str) -> FlagTable | None:
    """The table of that very version, or None. Never another version's."""
    if version not in versions(kind):
        return None
    document = json.loads(table_source(kind, version))
    flags: dict[str, Flag] = {}
    spellings: dict[str, str] = {}
    for option, entry in document["flags"].items():
        if entry.get("positional"):
            continue
        flag = _flag(option.removeprefix("--"), entry)
        flags[flag.name] = flag
        for other in (*entry.get("neg", ()), *entry.get("aliases", ())):
            spellings[other.lstrip("-")] = flag.name
    return FlagTable(kind, version, document["source"], flags, spellings)


def table_file(kind: str, version: str) -> str:
    """The name of a table as an origin gives it."""
    return f"engines/{kind}/{version}.json"


def table_source(kind: str, version: str) -> bytes:
    """The text of a table that exists: one flag a line."""
    return (_TABLES / kind / f"{version}.json").read_bytes()


def version_key(version: str) -> tuple[int, ...]:
    """`0.19.1` → (0, 19, 1), for ordering."""
    return tuple(int(part) for part in version.split("."))


def _flag(name: str, entry: dict[str, Any]) -> Flag:
    aliases = tuple(alias for alias in entry.get("aliases", ()))
    kind = entry["type"].removesuffix("?")
    off = next(iter(entry.get("neg", ())), None)
    if kind == "bool" and off is None:  # 0.33: --enable-x is turned off by --disable-x, and the reverse
        off = next((alias for alias in aliases if alias.startswith("--")), None)
    return Flag(
        name=name,
        type=kind,
        # "None" is how a parser that takes nothing for a value reads it: leaving the flag out says that
        choices=tuple(choice for choice in entry.get("choices", ()) if choice not in (None, "None")),
        aliases=tuple(alias.lstrip("-") for alias in aliases),
        off=off,
        many=entry.get("nargs") == "+",
        repeat=entry.get("action") == "AppendAction",
        json_items=entry.get("action") == "LoRAParserAction",
        bare=entry.get("nargs") == "?",
        deprecated=bool(entry.get("deprecated")),
        default=entry.get("default"),
        group=entry.get("group", ""),
    )
