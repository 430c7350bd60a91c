"""Flag tables: what each version of an engine's command line accepts.

A table is `engines/<kind>/<version>.json`, captured from the engine itself (`engines/capture.py`) and
committed; a project may bring tables of its own below its `engines/` folder. Nothing here knows a flag by
name; it only reads the tables.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from stowplan.engines.table_form import misshapen
from stowplan.nouns.flags import Backend, Flag, FlagTable, Method
from stowplan.words.digest import canonical_json

FORMAT = 2
LONGEST_NUMBER = 9
"""Digits of a version's number."""
MOST_FIELDS = 20_000
"""Fields that an object of a table may have with all objects below it; those of vLLM have some hundred."""
_TABLES = Path(__file__).parent


class TableUnreadableError(ValueError):
    """A flag table that is none; says why."""


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
    return decoded(table_source(kind, version)) if version in versions(kind) else None


def nearest(version: str, known: Iterable[str]) -> str | None:
    """Of `known` versions the one to go by in place of `version`: of its minor version if there is one, and then
    the newest that is not newer than it, else the oldest; None if nothing is known."""
    wanted = version_key(version)
    rising = sorted(known, key=version_key)
    same_minor = [other for other in rising if version_key(other)[:2] == wanted[:2]]
    older = [other for other in same_minor or rising if version_key(other) <= wanted]
    return next(iter(older[-1:] or same_minor or rising), None)


def table_file(kind: str, version: str) -> str:
    """The name of a table as an origin gives it, and as a project's own is called."""
    return f"engines/{kind}/{version}.json"


def table_source(kind: str, version: str) -> bytes:
    """The text of a table that comes with Stowplan: one flag a line."""
    return (_TABLES / kind / f"{version}.json").read_bytes()


def version_key(version: str) -> tuple[int, ...]:
    """`0.19.1` → (0, 19, 1), for ordering. What is no number ends it: `0.19.1rc2` is ordered as `0.19.1`."""
    numbers: list[int] = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits or len(digits) > LONGEST_NUMBER:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)


def decoded(source: bytes) -> FlagTable:
    """The table that one of Stowplan's own files holds. Raises `TableUnreadableError`."""
    return _read(source)[1]


def _read(source: bytes) -> tuple[dict[str, Any], FlagTable]:
    """The document, and the table that it is."""
    try:
        document = json.loads(source, parse_constant=_refuse)
        if document["format"] != FORMAT:
            raise TableUnreadableError(f"its format is {document['format']}; this Stowplan reads {FORMAT}")
        return document, _table(document)
    except TableUnreadableError:
        raise
    except KeyError as problem:
        raise TableUnreadableError(f"{problem} is missing") from problem
    except (AttributeError, RecursionError, TypeError, ValueError) as problem:
        raise TableUnreadableError("it has not the form of one") from problem


def examined(source: bytes) -> FlagTable:
    """The table that any file holds, each part of it looked at now. Raises `TableUnreadableError`."""
    document, table = _read(source)
    try:
        wrong = misshapen(document)
        canonical_json(document)  # its words get into schemas
    except (RecursionError, ValueError) as problem:
        raise TableUnreadableError("it has not the form of one") from problem
    if wrong is not None:
        raise TableUnreadableError(f"`{wrong}` is not as a table has it" if wrong else "it has not the form of one")
    sizes: dict[str, int] = {}
    for name in table.objects:
        if _size({"object": name}, table, sizes, ()) > MOST_FIELDS:
            raise TableUnreadableError(f"`{name}` has too many fields, or holds itself")
    return table


def _size(shape: Any, table: FlagTable, sizes: dict[str, int], inside: tuple[str, ...]) -> int:
    """How many fields a form has with all that is in it; more than `MOST_FIELDS` if it is in itself."""
    if len(inside) > 64:
        return MOST_FIELDS + 1
    held = shape.get("object")
    if held is not None and held not in sizes:
        if held in inside:
            return MOST_FIELDS + 1
        below = (*inside, held)
        sizes[held] = 1 + sum(_size(field, table, sizes, below) for field in table.objects.get(held, {}).values())
    parts = [*shape.get("anyOf", ()), *(shape[key] for key in ("items", "additionalProperties") if key in shape)]
    deeper = (*inside, "")
    # every branch of an `anyOf` may be gone through for each of those around it
    return (sizes[held] if held is not None else 1) + 2 * sum(_size(part, table, sizes, deeper) for part in parts)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


class _Flags(Mapping[str, Flag]):
    """The options of a table, each made when it is first asked for: a compile asks for a few of three hundred."""

    def __init__(self, entries: dict[str, dict[str, Any]]) -> None:
        self._entries = {name.removeprefix("--"): entry for name, entry in entries.items() if "positional" not in entry}
        self._made: dict[str, Flag] = {}

    def __getitem__(self, name: str) -> Flag:
        found = self._made.get(name)
        if found is None:
            found = self._made[name] = _flag(name, self._entries[name])
        return found

    def get(self, name: str, default: Any = None) -> Any:
        """As of any mapping, without a detour: a check asks for most flags in vain."""
        return self[name] if name in self._entries else default

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _table(document: dict[str, Any]) -> FlagTable:
    spellings = {
        other.lstrip("-"): option.removeprefix("--")
        for option, entry in document["flags"].items()
        for other in (*entry.get("neg", ()), *entry.get("aliases", ()), *_hidden(option, entry))
    }
    return FlagTable(
        engine=document["engine"],
        version=document["version"],
        source=document["source"],
        flags=_Flags(document["flags"]),
        spellings=spellings,
        names={registry: tuple(names) for registry, names in document["names"].items()},
        objects=document["objects"],
        methods={
            name: Method(capability=method["capability"], dtypes=tuple(method["dtypes"]))
            for name, method in document["quantization"].items()
        },
        backends={
            name: Backend(
                capabilities=tuple(backend["capabilities"]), kv_cache_dtypes=tuple(backend["kv_cache_dtypes"])
            )
            for name, backend in document["attention"].items()
        },
        considered={
            capability: {kind: tuple(names) for kind, names in by_kind.items()}
            for capability, by_kind in document["considered"].items()
        },
        variables=frozenset(document["variables"]),
    )


def _hidden(option: str, entry: dict[str, Any]) -> tuple[str, ...]:
    """0.33 takes `--no-enable-x`, too, and shows it nowhere (vllm/utils/argparse_utils.py, EnableDisableAction)."""
    return (f"--no-{option.removeprefix('--')}",) if entry.get("action") == "EnableDisableAction" else ()


def _flag(name: str, entry: dict[str, Any]) -> Flag:
    kind = entry["type"]
    flag: dict[str, Any] = {"name": name, "type": kind[:-1] if kind.endswith("?") else kind}
    for word, value in entry.items():
        if word in _SAME:
            flag[word] = value
        elif (member := _MEMBERS.get(word)) is not None:
            flag[member[0]] = member[1](value)
    if kind == "bool" and "off" not in flag:  # 0.33: --enable-x is turned off by --disable-x, and the reverse
        flag["off"] = next((alias for alias in entry.get("aliases", ()) if alias.startswith("--")), None)
    nargs, action = entry.get("nargs"), entry.get("action")
    if nargs is not None:
        flag |= {"many": nargs == "+", "bare": nargs == "?"}
    if action is not None:
        flag |= {"repeat": action == "AppendAction", "json_items": action == "LoRAParserAction"}
    return Flag(**flag)


def _values(choices: list[Any]) -> tuple[Any, ...]:
    # "None" is how a parser that takes nothing for a value reads it: leaving the flag out says that
    return tuple([choice for choice in choices if choice not in (None, "None")])


_SAME = frozenset({"default", "group", "help", "names", "any_case", "opened_by", "object", "minimum", "maximum"})
"""What a table calls as a `Flag` does."""
_MEMBERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "choices": ("choices", _values),
    "suggest": ("suggestions", _values),
    "aliases": ("aliases", lambda aliases: tuple([alias.lstrip("-") for alias in aliases])),
    "neg": ("off", lambda options: options[0]),
    "deprecated": ("deprecated", bool),
    "exclusiveMinimum": ("above", float),
    "exclusiveMaximum": ("below", float),
}
"""What it calls or writes otherwise: the name in a `Flag`, and how its value is made."""
