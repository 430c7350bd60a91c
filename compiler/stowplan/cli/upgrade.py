"""`upgrade`: what another version of an engine breaks and moves, and the edits that make the move."""

import tomllib
from collections.abc import Iterable, Iterator
from shlex import quote

import click

from stowplan.cli.console import DIFFERENCE, OK, USAGE, complain, say
from stowplan.cli.fix import Fixed, fixed, value_in_words, write
from stowplan.cli.preview import new_problems, previews, what
from stowplan.cli.upgrade_words import as_json, problem_line, told
from stowplan.cli.workspace import (
    Workspace,
    complete_profile,
    complete_subject,
    format_option,
    pass_workspace,
)
from stowplan.edit.pins import Setting, moved_model, moved_pins, with_settings
from stowplan.edit.plain import MISSING, at
from stowplan.engines.flags import kinds, nearest, versions
from stowplan.inputs import Sources, disk
from stowplan.nouns.project import State, Subject
from stowplan.pipeline import Compiled, compile_sources
from stowplan.read.profile import choose
from stowplan.read.subject import model_called, no_overlay
from stowplan.report.locate import Locator
from stowplan.words.diagnostic import Diagnostic, Severity, has_errors
from stowplan.words.keypath import format_keypath
from stowplan.words.layered import Origin


@click.command("upgrade")
@click.argument("kind", metavar="ENGINE")
@click.argument("version", metavar="VERSION")
@click.option(
    "-p", "--profile", metavar="PROFILE", shell_complete=complete_profile, help="That profile; default: every one."
)
@click.option("-m", "--model", metavar="MODEL", shell_complete=complete_subject, help="That model, and no other.")
@click.option("--write", "is_written", is_flag=True, help="Edit the pins, and fix what needs no decision.")
@format_option("text", "json")
@pass_workspace
def upgrade_command(
    workspace: Workspace, kind: str, version: str, profile: str | None, model: str | None, is_written: bool, form: str
) -> int:
    """Say what another version of an engine breaks.

    Compared are, in memory, the project as it is and the project pinned to that version, newer or older: which
    settings it does not take, and which defaults move under models that leave them to it. With -m, one model moves
    to an engine of that version beside the one its profile has. Exits 3 if anything breaks; with --write, if
    anything then does.

    \b
    stowplan upgrade vllm 0.32.0
    stowplan upgrade vllm 0.32.0 -p rtx-4080-16g --write
    stowplan upgrade vllm 0.33.0 -m qwen3-vl-8b-instruct-fp8
    """
    sources, unread = disk.read(workspace.project)

    def compile_again(changed: Sources) -> Compiled:
        return compile_sources(changed, unread)

    before = compile_again(sources)
    known = {*versions(kind), *before.loaded.tables.get(kind, {})}
    if version not in known:
        return _unknown(kind, version, known)
    if profile is not None:
        profile = choose(workspace.build, profile, None, before.fleet.profiles.keys())
    if model is None:
        settings = _pins(before, kind, version, profile)
    else:
        settings = _of_model(before, kind, version, profile, model)
    if not settings:
        say(f"nothing to do: {kind} {version} is pinned already")
        return OK
    after = compile_again(_with(sources, settings))
    known_problems = {what(problem) for problem in before.diagnostics}
    result = fixed(after, compile_again, lambda problem: what(problem) not in known_problems)
    remaining = [p for p in new_problems(before, result.compiled) if p.severity is Severity.ERROR]
    edits = list(_edits(sources, settings))
    if is_written:
        write(workspace.project, sources, result.compiled.sources)
    found = previews(before, after)
    if form == "json":
        say(as_json(found, result, edits, remaining, is_written))
    else:
        say("\n".join(told(found, result, sources)))
        later = [problem for problem in remaining if problem not in after.diagnostics]
        say("\n".join(["", *(_written if is_written else _unwritten)(edits, result)]))
        _tell_what_is_left(remaining, later, Locator(result.compiled.sources), is_written)
    return DIFFERENCE if (remaining if is_written else has_errors(new_problems(before, after))) else OK


def _unknown(kind: str, version: str, known: Iterable[str]) -> int:
    """Says what to do about a version whose flags nobody knows."""
    if kind not in kinds():
        complain(f"`{kind}` is no engine that has flag tables; known: {', '.join(kinds())}")
        return USAGE
    hint = (
        f"`stowplan engine capture {kind} {quote(version)}` makes it; the nearest there is: {nearest(version, known)}"
    )
    complain(f"there is no flag table for {kind} {version}", hint)
    return USAGE


def _pins(before: Compiled, kind: str, version: str, profile: str | None) -> list[Setting]:
    """The edits that pin the engine, in one profile or in all. Raises click.UsageError."""
    profiles = before.fleet.profiles.values() if profile is None else [before.fleet.profiles[profile]]
    pinned = [(one, engine) for one in profiles for engine in one.engines.values() if engine.kind == kind]
    if not pinned:
        raise click.UsageError(
            f"no profile has a whole [engine.{kind}]" if profile is None else f"`{profile}` has no {kind}"
        )
    if profile is None:
        return moved_pins(before.fleet, kind, version)
    parents = [engine.version.origin.file for one, engine in pinned if engine.version.origin.file != one.file]
    if len(parents) == len(pinned):
        parent = parents[0].removeprefix("profiles/").removesuffix(".toml")
        raise click.UsageError(
            f"`{profile}` follows `{parent}`: upgrade that (-p {parent}), or give `{profile}` a version of its own"
        )
    return moved_pins(before.fleet, kind, version, {profile})


def _of_model(before: Compiled, kind: str, version: str, profile: str | None, model: str) -> list[Setting]:
    """The edits that move one model, on one profile or on each. Raises click.UsageError, UnknownSubjectError."""
    name, _, own = model.partition("/")
    folder = model_called(name, before.fleet.subjects)
    mine = [subject for subject in before.fleet.subjects if subject.model == folder]
    if (profile := own or profile) is not None:
        if profile not in (has := [subject.profile.name for subject in mine]):
            raise no_overlay(folder, profile, has)
        mine = [subject for subject in mine if subject.profile.name == profile]
    mine = [subject for subject in mine if subject.engine is not None and subject.engine.kind == kind]
    if not mine:
        raise click.UsageError(f"`{folder}` is not served by {kind}" + (f" on {profile}" if profile else ""))
    settings: list[Setting] = []
    for subject in mine:
        if subject.file != f"models.d/{folder}/{subject.profile.name}.toml":
            if profile is None:
                continue  # it follows the parent's overlay, which is among these
            raise click.UsageError(f"`{folder}` has no overlay of its own for {profile}: it follows {subject.file}")
        if subject.state is State.STUB:
            raise click.UsageError(f"{subject.file} is a stub: it sets nothing until its `status` line is gone")
        settings += _moved(before, subject, version)
    return settings


def _moved(before: Compiled, subject: Subject, version: str) -> list[Setting]:
    engine = subject.engine
    assert engine is not None
    return [] if engine.version.value == version else moved_model(before.fleet, subject, engine, version)[1]


def _with(sources: Sources, settings: Iterable[Setting]) -> Sources:
    """`sources` with `settings` in them. Raises click.ClickException where a file cannot be edited."""
    changed = dict(sources)
    for setting in settings:
        try:
            changed[setting.file] = with_settings(changed[setting.file], [setting])
        except ValueError as problem:
            raise click.ClickException(f"`{setting.file}` cannot be edited: {problem}") from None
    return changed


def _edits(sources: Sources, settings: Iterable[Setting]) -> Iterator[str]:
    """Each edit of a pin in words, with its place."""
    where = Locator(sources).where
    for setting in settings:
        old = at(tomllib.loads(sources[setting.file].decode("utf-8-sig")), setting.key)
        name, new = format_keypath(setting.key), value_in_words(setting.value)
        if old is MISSING:
            made = f"[{name}]" if isinstance(setting.value, dict) else f"{name}{new}"
            yield f"{setting.file}: {made}, new"
        else:
            yield f"{where(Origin(setting.file, setting.key))}: {name}{value_in_words(old)} → {new.removeprefix(' = ')}"


def _unwritten(edits: list[str], result: Fixed) -> Iterator[str]:
    """What `--write` would do."""
    count = len(result.done)
    fixes = f" and applies {count} fix{'' if count == 1 else 'es'}" if count else ""
    yield f"nothing was written; `--write` makes these edits{fixes}:"
    yield from (f"  {line}" for line in edits)


def _written(edits: list[str], result: Fixed) -> Iterator[str]:
    """What was done."""
    yield "written:"
    yield from (f"  {line}" for line in (*edits, *map(str, result.done)))


def _tell_what_is_left(
    remaining: list[Diagnostic], later: list[Diagnostic], locator: Locator, is_written: bool
) -> None:
    """What a person has to decide then; `later` are those that the fixes brought up."""
    if remaining:
        say(f"{len(remaining)} problem{' is' if len(remaining) == 1 else 's are'} left to decide")
        for problem in later:
            say(f"  {problem_line(problem, locator)}")
    elif is_written:
        say("next: install that version where `executable` says, then `stowplan compile`")
