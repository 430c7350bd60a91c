"""`compile` and `check`: the main job, and its first half."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from stowplan.cli.console import DIFFERENCE, OK, PROBLEMS, USAGE, changes, complain, remark, say, show
from stowplan.cli.workspace import (
    Workspace,
    complete_subject,
    format_option,
    pass_workspace,
    profile_option,
)
from stowplan.pipeline import BUILD, Compiled, changed_launches, compile_tree, publish_tree
from stowplan.read.profile import active
from stowplan.read.subject import model_called, split
from stowplan.report import render
from stowplan.report.text import summary
from stowplan.store.generations import current, digest_of_generation
from stowplan.store.publish import Outcome, What
from stowplan.words.diagnostic import Diagnostic, Severity, has_errors


@click.command("compile")
@click.option("--check", "only_check", is_flag=True, help="Publish nothing; exit 3 if `current` is not what would be.")
@click.option("--no-publish", is_flag=True, help="Do everything but publish.")
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@click.option("--lock-timeout", type=float, metavar="SECONDS", help="How long to wait for another compile.")
@format_option("text", "json", "github", "sarif")
@pass_workspace
def compile_command(
    workspace: Workspace, only_check: bool, no_publish: bool, strict: bool, lock_timeout: float | None, form: str
) -> int:
    """Check everything, build, publish.

    A new generation is published if anything changed. Nothing is published if anything is wrong, and
    nothing that was published is ever changed.

    \b
    stowplan compile
    stowplan compile --check         in CI: is what was published what the files say?
    stowplan compile --strict        stubs and other warnings stop it, too
    """
    project = workspace.project
    if only_check or no_publish:
        compiled = compile_tree(project, strict=strict)
        outcome = None
    else:
        published = publish_tree(project, strict=strict, lock_timeout=lock_timeout, waiting=remark)
        compiled, outcome = published.compiled, published.outcome
    if form == "json":
        say(json.dumps(_as_json(compiled, outcome), indent=2, ensure_ascii=False))
    else:
        show(compiled.diagnostics, compiled.sources, form)
    tell = say if form == "text" else remark
    if compiled.build is None:
        remark(_nothing_published(compiled, workspace.build))
        return PROBLEMS
    if only_check:
        return _compare(compiled, workspace.build)
    if outcome is None:
        tell(f"compiled, not published: {_counts(compiled)} ({compiled.build.root.digest[:12]})")
        return OK
    tell("\n".join(_published(compiled, outcome, project)))
    return OK


@click.command("check")
@click.argument("subjects", nargs=-1, metavar="[SUBJECT]...", shell_complete=complete_subject)
@profile_option
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@format_option("text", "json", "github", "sarif")
@pass_workspace
def check_command(workspace: Workspace, subjects: tuple[str, ...], profile: str | None, strict: bool, form: str) -> int:
    """Say what is wrong, and build nothing.

    SUBJECT is MODEL[/PROFILE]; without any, everything is checked.

    \b
    stowplan check
    stowplan check qwen2.5-vl-7b-instruct-awq/rtx-4080-16g
    stowplan check --format github   in CI: annotations in the pull request
    """
    compiled = compile_tree(workspace.project, strict=strict)
    found = _about(compiled, subjects, profile) if subjects or profile else compiled.diagnostics
    show(found, compiled.sources, form)
    if form == "text":
        say(f"{_counts(compiled)}: {summary(found)}" if found else f"{_counts(compiled)}: nothing wrong")
    return PROBLEMS if has_errors(found) else OK


def _about(compiled: Compiled, subjects: Sequence[str], profile: str | None) -> tuple[Diagnostic, ...]:
    """The diagnostics whose place is a file of one of the subjects."""
    files: set[str] = set()
    for text in subjects or ("",):
        named, own = split(text)
        folder = model_called(named, compiled.fleet.subjects) if named else None
        for subject in compiled.fleet.subjects:
            if folder in (None, subject.model) and (own or profile) in (None, subject.profile.name):
                names = ("base", *subject.profile.names)
                files |= {f"models.d/{subject.model}/{name}.toml" for name in names}
                files |= {f"profiles/{name}.toml" for name in subject.profile.names}
                files.add(f"models.d/{subject.model}/discovered.json")
    return tuple(d for d in compiled.diagnostics if d.at is None or d.at.file in files)


def _counts(compiled: Compiled) -> str:
    models = {subject.model for subject in compiled.fleet.subjects}
    return f"{_number(len(models), 'model')}, {_number(len(compiled.fleet.profiles), 'profile')}"


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _nothing_published(compiled: Compiled, build: Path) -> str:
    number = current(build)
    stays = f"generation {number} stays current" if number is not None else "there is no build yet"
    return f"{summary(compiled.diagnostics)}. Nothing published; {stays}."


def _published(compiled: Compiled, outcome: Outcome, project: Path) -> list[str]:
    """What compile says in the end."""
    assert compiled.build is not None
    name = f"({compiled.build.root.digest[:12]})"
    warnings = sum(d.severity is Severity.WARNING for d in compiled.diagnostics)
    tail = f", {_number(warnings, 'warning')}" if warnings else ""
    if outcome.what is What.ROLLED_BACK:
        return [f"rolled back to {outcome.current}; inputs are generation {outcome.newest}"]
    if outcome.what is What.UNCHANGED:
        return [f"up to date: generation {outcome.current} {name}, {_counts(compiled)}{tail}"]
    lines = [f"published generation {outcome.current} {name}: {_counts(compiled)}{tail}"]
    scripts = project / BUILD / "current"
    for profile, entries in (compiled.entries or {}).items():
        started = sum(entry.launch is not None for entry in entries)
        where = f"  {scripts / profile / 'launch'}/" if started else ""
        lines.append(
            f"  {profile:<20} {_number(len(entries), 'entry').replace('entrys', 'entries')}, "
            f"{_number(started, 'script')}{where}"
        )
    lines.append(changes(outcome.changed))
    if active(project / BUILD) is None:
        lines.append("this machine has no profile yet: `stowplan use PROFILE` makes build/active for consumers")
    return lines


def _compare(compiled: Compiled, build: Path) -> int:
    assert compiled.build is not None
    number = current(build)
    if number is None:
        complain("there is no build to compare with", "run `stowplan compile`")
        return USAGE
    if digest_of_generation(build, number) == compiled.build.root.digest:
        say(f"up to date: generation {number} ({compiled.build.root.digest[:12]}), {_counts(compiled)}")
        return OK
    changed = changed_launches(build, compiled)
    say(f"generation {number} is not what the inputs compile to; {changes(changed)}")
    return DIFFERENCE


def _as_json(compiled: Compiled, outcome: Outcome | None) -> dict[str, object]:
    found: dict[str, object] = json.loads(render("json", compiled.diagnostics, compiled.sources))
    if compiled.build is not None:
        found["digest"] = compiled.build.root.digest
        found["profiles"] = {name: len(entries) for name, entries in (compiled.entries or {}).items()}
    if outcome is not None:
        found["outcome"] = outcome.what.value
        found["generation"] = outcome.current
        found["changed"] = list(outcome.changed)
    return found
