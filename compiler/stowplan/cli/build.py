"""`compile` and `check`: the main job, and its first half."""

from collections.abc import Sequence
from pathlib import Path

import click

from stowplan.cli.console import DIFFERENCE, OK, PROBLEMS, USAGE, complain, remark, say, show
from stowplan.cli.outcome import as_json, counts, nothing_published, radius, told
from stowplan.cli.workspace import Workspace, complete_subject, format_option, pass_workspace, profile_option
from stowplan.pipeline import Compiled, Published, changes_from, compile_tree, publish_tree
from stowplan.read.subject import model_called, split
from stowplan.report import summary
from stowplan.store.generations import current, digest_of_generation
from stowplan.words.diagnostic import Diagnostic, has_errors


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
        published = Published(compile_tree(project, strict=strict))
    else:
        published = publish_tree(project, strict=strict, lock_timeout=lock_timeout, waiting=remark)
    compiled, outcome = published.compiled, published.outcome
    if form == "json":
        say(as_json(published))
    else:
        show(compiled.diagnostics, compiled.sources, form)
    tell = say if form == "text" else remark
    if compiled.build is None:
        remark(nothing_published(compiled, workspace.build))
        return PROBLEMS
    if only_check:
        return _compare(compiled, workspace.build)
    if outcome is None:
        tell(f"compiled, not published: {counts(compiled)} ({compiled.build.root.digest[:12]})")
        return OK
    tell("\n".join(told(published, workspace.build)))
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
        say(f"{counts(compiled)}: {summary(found)}" if found else f"{counts(compiled)}: nothing wrong")
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


def _compare(compiled: Compiled, build: Path) -> int:
    """Whether `current` is what was compiled, told and as an exit code."""
    assert compiled.build is not None
    number = current(build)
    if number is None:
        complain("there is no build to compare with", "run `stowplan compile`")
        return USAGE
    if digest_of_generation(build, number) == compiled.build.root.digest:
        say(f"up to date: generation {number} ({compiled.build.root.digest[:12]}), {counts(compiled)}")
        return OK
    say(f"generation {number} is not what the inputs compile to")
    say("\n".join(radius(changes_from(build, compiled))))
    return DIFFERENCE
