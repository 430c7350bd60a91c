"""`engine`: what engine versions accept, and asking one that is not known yet."""

import difflib
import fnmatch
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from stowplan.cli.capturing import interpreter, told, written
from stowplan.cli.console import OK, PROBLEMS, USAGE, complain, here, progress, remark, say, show
from stowplan.cli.flag_words import brief, document, full
from stowplan.cli.known_engines import (
    as_json,
    complete_flag,
    complete_version,
    known,
    project_of,
    table_called,
    text,
)
from stowplan.cli.workspace import Workspace, format_option, pass_workspace
from stowplan.engines.capture import CaptureError, capture, download, kinds_with_probe
from stowplan.engines.flags import examined, versions
from stowplan.engines.history import came_in, gone_in
from stowplan.engines.successors import successor
from stowplan.inputs import ENGINES
from stowplan.nouns.flags import Flag, FlagTable
from stowplan.pipeline import compile_tree

_VERSION = re.compile(r"[0-9]+(?:\.[0-9A-Za-z]+)+")
_GLOB = re.compile(r"[*?\[]")


@click.group("engine")
def engine_command() -> None:
    """Say what engine versions accept.

    Flags are checked against the flag table of the very version that a profile pins. Tables of many versions
    come with Stowplan; `capture` asks an engine for another, and writes engines/ of the project.

    \b
    stowplan engine list
    stowplan engine flags 0.32.0 'max-*'
    stowplan engine capture vllm 0.34.0 --python /opt/vllm-0.34.0/bin/python
    """


@engine_command.command("capture")
@click.argument("kind", type=click.Choice(kinds_with_probe()), metavar="KIND")
@click.argument("version")
@click.option("--python", metavar="PATH", help="The interpreter to ask; default: of the engine that a profile pins.")
@click.option("--wheel", metavar="FILE", type=click.Path(path_type=Path), help="Take the engine's code from its wheel.")
@click.option("--fetch", is_flag=True, help="The same, of the wheel that pip downloads.")
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of tables to write to; default: engines/ of the project.",
)
@pass_workspace
def capture_command(
    workspace: Workspace,
    kind: str,
    version: str,
    python: str | None,
    wheel: Path | None,
    fetch: bool,
    output: Path | None,
) -> int:
    """Ask an engine what it accepts.

    Its command line's parser and configuration are read by the interpreter of an environment that has it; no
    model is loaded, and no GPU is needed. With a wheel the environment needs only what the engine imports:
    that of another version will often do. The table is an input of the project: commit it.

    \b
    stowplan engine capture vllm 0.34.0 --python /opt/vllm-0.34.0/bin/python
    stowplan engine capture vllm 0.34.0 --fetch --python /opt/vllm-0.33.0/bin/python
    """
    if not _VERSION.fullmatch(version):
        raise click.UsageError(f"`{version}` is no version; one is `{versions(kind)[-1] if versions(kind) else '1.0'}`")
    if wheel is not None and fetch:
        raise click.UsageError("--wheel names a file, --fetch downloads one: give one of them")
    project = workspace.project if output is None else project_of(workspace)
    folder = project / ENGINES if output is None and project is not None else output
    assert folder is not None
    for place in (folder, folder / kind):
        if output is None and place.is_symlink():
            complain(f"`{here(place)}` is a link; inputs are plain files in plain folders")
            return USAGE
    asked = interpreter(project, kind, version, python, any_version=fetch or wheel is not None)
    if asked is None:
        complain(
            f"no interpreter to ask: no profile pins {kind} {version} with an executable that is here",
            f"give one with --python: of an environment with {kind} {version}; or, with --fetch or --wheel FILE, "
            "of one that has what it imports",
        )
        return USAGE
    try:
        with progress() as tell, TemporaryDirectory(prefix="stowplan-wheel-") as aside:
            if fetch:
                tell(f"fetching {kind} {version} with pip; it may have several hundred MB")
                wheel = download(kind, version, Path(aside))
            tell(f"asking {asked} what {kind} {version} takes; it may need a minute")
            source = capture(kind, version, asked, wheel)
    except CaptureError as problem:
        hint = "a wheel that is here already is taken with --wheel FILE" if fetch and wheel is None else None
        complain(f"{kind} {version} could not be captured: {problem}", hint)
        return USAGE
    path, table = folder / kind / f"{version}.json", examined(source)
    for line in told(table, path, *written(source, table, path, into_project=output is None)):
        say(line)
    if unread := json.loads(source)["unread"]:
        remark(f"could not be asked there, so unknown: {', '.join(unread)}")
    return OK


@engine_command.command("list")
@format_option("text", "json")
@pass_workspace
def list_command(workspace: Workspace, form: str) -> int:
    """List the versions with a flag table.

    Of each: where it is from, how many flags it has, and which profiles pin it; and what they pin without one.

    \b
    stowplan engine list
    stowplan engine list --format json
    """
    project = project_of(workspace)
    compiled = compile_tree(project) if project is not None else None
    found = known(compiled)
    say(as_json(found) if form == "json" else text(found))
    unread = [
        problem
        for problem in (compiled.diagnostics if compiled else ())
        if problem.at is not None and problem.at.file.partition("/")[0] == ENGINES
    ]
    unread = [problem for problem in unread if problem.id in ("flag-table-unreadable", "unreadable-file")]
    if compiled is not None and form == "text":
        show(unread, compiled.sources, "text")
        for name in sorted(compiled.loaded.broken_profiles):
            remark(f"the profile `{name}` cannot be read: `stowplan check` says why")
    return PROBLEMS if unread else OK


@engine_command.command("flags", context_settings={"ignore_unknown_options": True})
@click.argument("version", shell_complete=complete_version)
@click.argument("pattern", required=False, shell_complete=complete_flag)
@click.option("--kind", metavar="KIND", help="The engine, where several have a version of that name.")
@format_option("text", "json")
@pass_workspace
def flags_command(workspace: Workspace, version: str, pattern: str | None, kind: str | None, form: str) -> int:
    """Say which flags a version accepts.

    Of each: what it takes, its default, since and until which version, and what it is for. PATTERN is a part of
    a name, or one with `*` and `?`: then all is told of each that matches, the fields of tables too.

    \b
    stowplan engine flags 0.32.0
    stowplan engine flags 0.32.0 kv-cache-dtype
    stowplan engine flags 0.32.0 'max-*' --format json
    """
    table = table_called(project_of(workspace), version, kind)
    found = _matching(table, pattern)
    if not found and pattern is not None:
        complain(f"no flag of {table.engine} {table.version} matches `{pattern}`", _otherwise(table, pattern))
        return USAGE
    if form == "json":
        flags = [document(flag, table) for flag in found]
        say(
            json.dumps({"engine": table.engine, "version": table.version, "flags": flags}, indent=2, ensure_ascii=False)
        )
    elif pattern is None:
        say("\n".join(line for flag in found for line in brief(flag, table)))
    else:
        say("\n\n".join("\n".join(full(flag, table)) for flag in found))
    return OK


def _matching(table: FlagTable, pattern: str | None) -> list[Flag]:
    """The flags that are meant: all, the one spelled so, or those whose names hold the pattern or fit it."""
    if pattern is None:
        return list(table.flags.values())
    name, wanted = table.canonical(pattern), pattern.lstrip("-").replace("_", "-")
    if name is not None and (name != wanted or pattern.startswith("-")):
        return [table.flags[name]]
    glob = wanted if _GLOB.search(wanted) else f"*{wanted}*"
    return [flag for name, flag in table.flags.items() if fnmatch.fnmatchcase(name, glob.lower())]


def _otherwise(table: FlagTable, pattern: str) -> str | None:
    """What can be said of a name that this version does not have."""
    name = pattern.lstrip("-").replace("_", "-")
    if (gone := gone_in(table.engine, name, table.version)) is not None:
        heir = successor(table.engine, name, table.version)
        if heir is None:
            return f"it was removed in {gone}"
        return f"{'it was removed' if heir.to is None else f'it became `{heir.to}`'} in {gone}: {heir.why}"
    if (came := came_in(table.engine, name, table.version)) is not None:
        return f"it came with {came}"
    close = difflib.get_close_matches(name, table.flags, n=1)
    return f"did you mean `{close[0]}`?" if close else None
