"""`show`, `explain`, `diff`: what was compiled, why, and what would change."""

import json
import re
import shlex
from collections.abc import Callable

import click

from stowplan.cli.console import DIFFERENCE, OK, say, show
from stowplan.cli.workspace import (
    Workspace,
    complete_generation,
    complete_subject,
    format_option,
    pass_workspace,
    profile_option,
)
from stowplan.engines.flags import table_file, table_source
from stowplan.nouns.entry import Entry
from stowplan.pipeline import Compiled, compile_revision, compiled_rows
from stowplan.read import diff, explain
from stowplan.read.explanation import as_json, text
from stowplan.read.registry import Row, Rows, UnreadableBuildError, rows
from stowplan.read.subject import UnknownSubjectError
from stowplan.report.locate import Locator
from stowplan.store.generations import digest_of_generation
from stowplan.words.diagnostic import has_errors
from stowplan.words.layered import Origin

_NUMBER = re.compile(r"[0-9]{1,18}")
"""A generation's; no one publishes more, and Python reads no number of 5000 digits."""


@click.command("show")
@click.argument("subject", shell_complete=complete_subject)
@profile_option
@format_option("text", "json")
@pass_workspace
def show_command(workspace: Workspace, subject: str, profile: str | None, form: str) -> int:
    """Print an entry and its command line.

    As the files say it now, published or not. SUBJECT is MODEL[/PROFILE]; MODEL is a folder of models.d/, a
    registry name or an alias.

    \b
    stowplan show qwen2.5-vl-7b-instruct-awq
    stowplan show 'qwen2.5-vl-7b-instruct_(AWQ)/rtx-4080-16g' --format json
    """
    compiled = workspace.compiled(form)
    entry = workspace.entry(compiled, subject, profile)
    row = _row(compiled_rows(compiled), entry)
    if form == "json":
        say(json.dumps(row, indent=2, ensure_ascii=False))
        return OK
    say("\n".join(_shown(entry, row)))
    try:
        published = _row(rows(workspace.build / "current"), entry)
    except (UnreadableBuildError, UnknownSubjectError):
        published = {}
    if published != row:
        say("not what is published: `stowplan diff` says what differs, `stowplan compile` publishes it")
    return OK


@click.command("explain")
@click.argument("subject", metavar="SUBJECT[:KEY]", shell_complete=complete_subject)
@profile_option
@format_option("text", "json")
@pass_workspace
def explain_command(workspace: Workspace, subject: str, profile: str | None, form: str) -> int:
    """Say where every value comes from.

    For each argument and value: its layer, file and line, what it covered, the arguments it became.
    KEY is a path as in the TOML file, the bare name of a flag, or a fact.

    \b
    stowplan explain qwen2.5-vl-7b-instruct-awq -p rtx-4080-16g
    stowplan explain qwen2.5-vl-7b-instruct-awq:max-model-len
    stowplan explain qwen2.5-vl-7b-instruct-awq/rtx-4080-16g:context.tokens
    """
    compiled = workspace.compiled(form)
    entry, key = _entry_and_key(workspace, compiled, subject, profile)
    where = _where(compiled, entry)
    if key is None:
        explanation = explain.explain(entry, where)
    else:
        try:
            explanation = explain.explain_key(entry, key, where)
        except ValueError as problem:
            message = f"`{key}` is no key path: {problem}" if key else f"no key follows the colon of `{subject}`"
            raise click.UsageError(message) from None
    say(as_json(explanation) if form == "json" else text(explanation))
    return OK


@click.command("diff")
@click.argument("generations", nargs=-1, metavar="[A] [B]", shell_complete=complete_generation)
@click.option("--against", metavar="GITREV", help="Compare with what that git revision compiles to, in memory.")
@click.option("--check", is_flag=True, help="Exit 3 if anything differs.")
@format_option("text", "json")
@pass_workspace
def diff_command(
    workspace: Workspace, generations: tuple[str, ...], against: str | None, check: bool, form: str
) -> int:
    """Say what a compile would change.

    Values, arguments, and which servers need a restart. Bare: from what is published to what the files say
    now. A and B are generations.

    \b
    stowplan diff
    stowplan diff 41 42
    stowplan diff --against origin/main    in CI: what a pull request changes
    """
    if len(generations) > 2 or (generations and against):
        raise click.UsageError("diff takes at most two generations, or --against GITREV")
    if against is not None:
        before = compile_revision(workspace.project, against)
        if has_errors(before.diagnostics):
            show(before.diagnostics, before.sources, "text")
            raise click.UsageError(f"`{against}` does not compile, so there is nothing to compare with")
        one = compiled_rows(before)
    else:
        one = _generation(workspace, generations[0] if generations else None)
    if len(generations) == 2:
        other = _generation(workspace, generations[1])
    else:
        other = compiled_rows(workspace.compiled(form))
    changes = diff.diff(one, other)
    say(diff.as_json(changes) if form == "json" else diff.text(changes))
    return DIFFERENCE if check and changes else OK


def _generation(workspace: Workspace, text: str | None) -> Rows:
    """The registries of a generation, `current` if none is named."""
    if text is None or text == "current":
        return rows(workspace.build / "current")
    if not _NUMBER.fullmatch(text):
        raise click.UsageError(f"`{text}` is no generation; `stowplan generations` lists them")
    number = int(text)
    digest_of_generation(workspace.build, number)  # which says what generations there are
    return rows(workspace.build / "generations" / str(number))


def _entry_and_key(
    workspace: Workspace, compiled: Compiled, text: str, profile: str | None
) -> tuple[Entry, str | None]:
    """SUBJECT[:KEY] taken apart. Names may hold colons, so the longest name that is one counts."""
    subject, colon, after = text.rpartition(":")
    if colon and not any(map(str.isalnum, after)):  # in a name that would count for nothing; it is a key, and a bad one
        return workspace.entry(compiled, subject, profile), after
    subject, key = text, None
    while True:
        try:
            return workspace.entry(compiled, subject, profile), key
        except UnknownSubjectError:
            if ":" not in subject:
                raise
            subject = subject.rpartition(":")[0]
            key = text[len(subject) + 1 :]


def _where(compiled: Compiled, entry: Entry) -> Callable[[Origin], str]:
    """Places as file:line, in the inputs and in the flag table that the entry's engine has."""
    sources = dict(compiled.sources)
    if (engine := entry.subject.engine) is not None and (table := engine.table) is not None:
        file = table_file(table.engine, table.version)
        if file not in sources:
            sources[file] = table_source(table.engine, table.version)
    return Locator(sources).where


def _row(registries: Rows, entry: Entry) -> Row:
    subject = entry.subject
    for row in registries.get(subject.profile.name, ()):
        if row["metadata"]["model"] == subject.model:
            return row
    raise UnknownSubjectError(f"`{subject.name}` is not in the build")


def _shown(entry: Entry, row: Row) -> list[str]:
    started = entry.launch
    about = {
        "subject": entry.subject.name,
        "endpoint": f"http://{f'[{entry.host}]' if ':' in entry.host else entry.host}:{entry.port}/v1",
        "served as": entry.served_name,
        "also called": ", ".join(entry.aliases),
        "engine": f"{started.engine} {started.version}" if started else f"{entry.backend} (external)",
        "launch": started.digest[:12] if started else "",
        "roles": ", ".join(f"{role} {priority}" for role, priority in sorted(entry.roles.items())),
        "capabilities": ", ".join(name for name, has in sorted(row["capabilities"].items()) if has),
        "sampling": ", ".join(f"{key} {json.dumps(value)}" for key, value in entry.sampling.items()),
    }
    lines = [entry.name, *(f"  {key:<13} {value}" for key, value in about.items() if value)]
    if started is not None:
        lines.append("  command")
        options = [tuple(started.command), *started.address, *started.options]
        lines += [f"    {shlex.join(token.text for token in option)}" for option in options]
        lines += [f"    env {variable.name}={shlex.quote(variable.value)}" for variable in started.env]
    else:
        lines.append(f"  {'model':<13} {entry.model_path}")
    return lines
