"""What `engine capture` needs around the capture: which interpreter is asked, and what becomes of its answer."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any

from stowplan.cli.console import here
from stowplan.engines.flags import (
    TableUnreadableError,
    examined,
    flag_table,
    nearest,
    table_source,
    version_key,
    versions,
)
from stowplan.nouns.flags import FlagTable
from stowplan.pipeline import compile_tree
from stowplan.words.durable import replace_file


class Became(Enum):
    """What was done with a captured table."""

    NEW = "wrote"
    REPLACED = "wrote anew"
    SAME = "is already so"
    NEEDLESS = "not written"


def interpreter(project: Path | None, kind: str, version: str, named: str | None, *, any_version: bool) -> Path | None:
    """The interpreter to ask: the one that is named, else of an engine that a profile pins and that is here.

    Its version counts, but with `any_version` the newest will do where that very one is not here.
    """
    if named is not None:
        found = shutil.which(named) if os.sep not in named else None
        return Path(found or named).expanduser().absolute()
    if project is None:
        return None
    pins = [
        (engine.version.value, Path(engine.executable.value))
        for profile in compile_tree(project).fleet.profiles.values()
        for engine in profile.engines.values()
        if engine.kind == kind and (any_version or engine.version.value == version)
    ]
    pins.sort(key=lambda pin: (pin[0] == version, version_key(pin[0])), reverse=True)
    return next((python for _, executable in pins if (python := _beside(executable)) is not None), None)


def _beside(executable: Path) -> Path | None:
    """The interpreter of the environment that an engine's executable lies in, also by way of a link."""
    for folder in (executable.parent, executable.resolve().parent):
        for name in ("python", "python3"):
            if os.access(folder / name, os.X_OK):
                return (folder / name).absolute()
    return None


def written(source: bytes, table: FlagTable, path: Path, *, into_project: bool) -> tuple[Became, FlagTable | None]:
    """Puts a captured table into its file, whole or not at all. Out: what that was, and what it replaced.

    A project needs no copy of a table that comes with Stowplan, where it has none yet. Raises OSError.
    """
    before = path.read_bytes() if path.is_file() else None
    if before == source:
        return Became.SAME, table
    is_known = table.version in versions(table.engine)
    if into_project and before is None and is_known and table_source(table.engine, table.version) == source:
        return Became.NEEDLESS, None
    replace_file(path, source)
    if before is None:
        return Became.NEW, flag_table(table.engine, table.version) if into_project else None
    try:
        return Became.REPLACED, examined(before)
    except TableUnreadableError:
        return Became.REPLACED, None


def told(table: FlagTable, path: Path, became: Became, before: FlagTable | None) -> Iterator[str]:
    """What was done, and how the table differs: from what it replaced, or else from the nearest version's."""
    name = here(path)
    if became is Became.NEEDLESS:
        yield f"not written: {table.engine} {table.version} takes just what the table that comes with Stowplan says"
        return
    if became is Became.SAME:
        yield f"{name} is already so: {len(table.flags)} flags"
        return
    yield f"{became.value} {name}: {len(table.flags)} flags"
    if became is Became.REPLACED:
        yield "what was there was no table" if before is None else f"against what was there: {_changes(before, table)}"
    elif before is not None:
        yield f"it takes the place of the table that comes with Stowplan; against that: {_changes(before, table)}"
    else:
        others = set(versions(table.engine)) - {table.version}
        near = nearest(table.version, others)
        if near is not None and (other := flag_table(table.engine, near)) is not None:
            yield f"against {near}: {_changes(other, table)}"


def _changes(before: FlagTable, after: FlagTable) -> str:
    """Counts of what came, what went, and what is no longer as it was, help texts apart."""
    parts = []
    for what, of in _PARTS.items():
        old, new = of(before), of(after)
        came, went = len(new.keys() - old.keys()), len(old.keys() - new.keys())
        moved = sum(old[key] != new[key] for key in old.keys() & new.keys())
        counts = [f"{count} {how}" for count, how in ((came, "new"), (went, "gone"), (moved, "changed")) if count]
        if counts:
            parts.append(f"{what}: {', '.join(counts)}")
    return "; ".join(parts) or "the same but for details"


def _flags(table: FlagTable) -> Mapping[Any, Any]:
    return {name: replace(flag, help="") for name, flag in table.flags.items()}


def _fields(table: FlagTable) -> Mapping[Any, Any]:
    return {
        (name, key): {**shape, "description": ""}
        for name, fields in table.objects.items()
        for key, shape in fields.items()
    }


def _names(table: FlagTable) -> Mapping[Any, Any]:
    return {(registry, name): None for registry, names in table.names.items() for name in names}


_PARTS: Mapping[str, Callable[[FlagTable], Mapping[Any, Any]]] = {
    "flags": _flags,
    "fields of tables": _fields,
    "names": _names,
    "quantization methods": lambda table: table.methods,
    "attention backends": lambda table: table.backends,
    "variables": lambda table: dict.fromkeys(table.variables),
}
