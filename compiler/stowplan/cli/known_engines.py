"""Which engine versions are known here: by the tables that come with Stowplan, and the project's own."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from stowplan.cli.console import here
from stowplan.cli.workspace import NoProjectError, Workspace
from stowplan.engines.flags import (
    TableUnreadableError,
    examined,
    flag_table,
    kinds,
    nearest,
    table_file,
    version_key,
    versions,
)
from stowplan.nouns.flags import FlagTable
from stowplan.pipeline import Compiled


@dataclass(slots=True)
class Known:
    """An engine version: its table's `origin` (`stowplan`, the project's file, None), and who pins it.

    `instead` is the version whose table is the nearest, where it has none. `pins` are profile and label.
    """

    kind: str
    version: str
    origin: str | None
    flags: int | None = None
    instead: str | None = None
    pins: list[tuple[str, str]] = field(default_factory=list)


def project_of(workspace: Workspace) -> Path | None:
    """The project; None where there is none and none was named. Raises NoProjectError."""
    try:
        return workspace.project
    except NoProjectError:
        if workspace.folder is not None:
            raise
        return None


def tables_of(project: Path | None) -> dict[str, set[str]]:
    """Engine → versions that have a table, with Stowplan or in the project."""
    found = {kind: set(versions(kind)) for kind in kinds()}
    for path in project.glob(table_file("*", "*")) if project is not None else ():
        found.setdefault(path.parent.name, set()).add(path.stem)
    return found


def table_called(project: Path | None, version: str, kind: str | None) -> FlagTable:
    """The table that is meant, the project's own if it has one. Raises click.UsageError."""
    tables = tables_of(project)
    if version in tables:
        example = max(tables[version], key=version_key)
        raise click.UsageError(f"`{version}` is an engine; say which version of it, `{example}` for one")
    if kind is not None and kind not in tables:
        raise click.UsageError(f"there is no flag table of any {kind}; there are tables of {', '.join(sorted(tables))}")
    having = [each for each in sorted(tables) if version in tables[each] and kind in (None, each)]
    if len(having) > 1:
        raise click.UsageError(f"there is a version {version} of {' and of '.join(having)}; say which with --kind")
    if not having:
        meant = kind or next(iter(sorted(tables)))
        near = nearest(version, tables[meant])
        raise click.UsageError(
            f"there is no flag table of {meant} {version}; the nearest is of {near}. `stowplan engine list` lists "
            f"all, and `stowplan engine capture {meant} {version}` makes one"
        )
    own = project / table_file(having[0], version) if project is not None else None
    if own is None or not own.is_file():
        builtin = flag_table(having[0], version)
        assert builtin is not None
        return builtin
    again = f"`stowplan engine capture {having[0]} {version}` makes it anew"
    try:
        table = examined(own.read_bytes())
    except TableUnreadableError as problem:
        raise click.UsageError(f"`{here(own)}` is no flag table: {problem}; {again}") from None
    if (table.engine, table.version) != (having[0], version):
        raise click.UsageError(f"`{here(own)}` is the flag table of {table.engine} {table.version}; {again}")
    return table


def known(compiled: Compiled | None) -> list[Known]:
    """Every version that has a table or is pinned, by engine, oldest first; `compiled` is the project."""
    found = {(kind, version): Known(kind, version, "stowplan") for kind in kinds() for version in versions(kind)}
    own = compiled.loaded.tables if compiled is not None else {}
    for kind, tables in own.items():
        for version, table in tables.items():
            found[kind, version] = Known(kind, version, table_file(kind, version), len(table.flags))
    for profile in compiled.fleet.profiles.values() if compiled is not None else ():
        for engine in profile.engines.values():
            kind, version = engine.kind, engine.version.value
            if (kind, version) not in found:
                near = nearest(version, {*own.get(kind, {}), *versions(kind)})
                found[kind, version] = Known(kind, version, None, instead=near)
            found[kind, version].pins.append((profile.name, engine.label))
    for row in found.values():
        if row.origin == "stowplan" and (builtin := flag_table(row.kind, row.version)) is not None:
            row.flags = len(builtin.flags)
    return sorted(found.values(), key=lambda row: (row.kind, version_key(row.version), row.version))


def text(rows: list[Known]) -> str:
    """One line a version; what is pinned without a table says so."""
    lines: list[str] = []
    long, wide = (max(len(told(row)) for row in rows) for told in (lambda row: row.version, _told))
    for place, row in enumerate(rows):
        if place == 0 or rows[place - 1].kind != row.kind:
            lines.append(row.kind)
        pins = ", ".join(profile if label == row.kind else f"{profile} ({label})" for profile, label in row.pins)
        lines.append(f"  {row.version:<{long}}  {_told(row):<{wide}}  {f'pinned by {pins}' if pins else ''}".rstrip())
    return "\n".join(lines)


def as_json(rows: list[Known]) -> str:
    """The same for a program."""
    pins = ("profile", "label")
    versions = [{**asdict(row), "pins": [dict(zip(pins, pin, strict=True)) for pin in row.pins]} for row in rows]
    return json.dumps({"versions": versions}, indent=2, ensure_ascii=False)


def _told(row: Known) -> str:
    if row.origin is None:
        return f"no table; the nearest is {row.instead}'s" if row.instead is not None else "no table of any version"
    return f"{row.flags} flags" + ("" if row.origin == "stowplan" else f", {row.origin}")


def complete_version(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """The versions with a flag table that begin with what was typed."""
    tables = tables_of(_project_so_far(context))
    found = sorted({version for of in tables.values() for version in of}, key=version_key)
    return [CompletionItem(version) for version in found if version.startswith(typed)]


def complete_flag(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """The flags, beginning with what was typed, of the version that stands before."""
    try:
        flags = table_called(_project_so_far(context), context.params.get("version") or "", None).flags
    except click.UsageError:
        return []
    return [CompletionItem(name) for name in sorted(flags) if name.startswith(typed)]


def _project_so_far(context: click.Context) -> Path | None:
    """The project that is meant so far: while a line is completed, no command has run."""
    try:
        return project_of(context.find_object(Workspace) or Workspace(context.find_root().params.get("folder")))
    except NoProjectError:
        return None
