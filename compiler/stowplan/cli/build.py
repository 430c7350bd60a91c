"""`compile` and `check`: the main job, and its first half."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from stowplan.cli.console import DIFFERENCE, OK, PROBLEMS, USAGE, complain, remark, say, show
from stowplan.cli.outcome import (
    Comparison,
    as_json,
    compared,
    compared_verdict,
    counts,
    missing_profile,
    nothing_published,
    published_verdict,
    radius,
    told,
    up_to_date,
    warn_of_missing_profile,
)
from stowplan.cli.quick import again
from stowplan.cli.scope import called, scopes
from stowplan.cli.steps import steps
from stowplan.cli.workspace import (
    Seconds,
    Workspace,
    complete_profile,
    complete_subject,
    format_option,
    pass_workspace,
)
from stowplan.pipeline import NEAREST, UNFIT, Compiled, Published, compile_tree, publish_tree, remember
from stowplan.report import render, summary
from stowplan.words.diagnostic import Diagnostic, has_errors

nearest_option = click.option(
    "--allow-nearest",
    is_flag=True,
    help="Check an engine version without a flag table against the nearest one; the build says so.",
)

unfit_option = click.option(
    "--allow-unfit",
    is_flag=True,
    help="Only warn of launches that do not fit their card.",
)


@click.command("compile")
@click.option("--check", "only_check", is_flag=True, help="Publish nothing; exit 3 if `current` is not what would be.")
@click.option("--no-publish", is_flag=True, help="Do everything but publish.")
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@nearest_option
@unfit_option
@click.option("--lock-timeout", type=Seconds(), metavar="SECONDS", help="How long to wait for another compile.")
@click.option("--timings", is_flag=True, help="Say in the end where the time went.")
@click.option("-v", "--verbose", is_flag=True, help="Say what is being done.")
@format_option("text", "json", "github", "sarif")
@pass_workspace
def compile_command(
    workspace: Workspace,
    only_check: bool,
    no_publish: bool,
    strict: bool,
    allow_nearest: bool,
    allow_unfit: bool,
    lock_timeout: float | None,
    timings: bool,
    verbose: bool,
    form: str,
) -> int:
    """Check everything, build, publish.

    A new generation is published if anything changed. Nothing is published if anything is wrong, and
    nothing that was published is ever changed.

    \b
    stowplan compile
    stowplan compile --check         in CI: is what was published what the files say?
    stowplan compile --strict        stubs and other warnings stop it, too
    stowplan compile --timings       where did the time go?
    """
    project, allowed = workspace.project, _allowed(allow_nearest, allow_unfit)
    given = {"--strict": strict, "--allow-nearest": allow_nearest, "--allow-unfit": allow_unfit}
    asked = [option for option, is_given in given.items() if is_given]
    with steps(verbose=verbose, timings=timings) as step, _uncollected():
        if only_check or no_publish:
            published = Published(compile_tree(project, strict=strict, allowed=allowed, step=step))
        else:
            if (timings or verbose) and form == "text":  # else that was asked before all this was imported
                step("stamp", "is anything new?")
                if again(str(project), asked):
                    return OK
            published = publish_tree(
                project, strict=strict, allowed=allowed, lock_timeout=lock_timeout, waiting=remark, step=step
            )
    compiled, outcome = published.compiled, published.outcome
    comparison = compared(compiled, workspace.build) if only_check and compiled.build is not None else None
    if form == "json":
        verdict = compared_verdict(comparison) if comparison else published_verdict(published, workspace.build)
        say(as_json(compiled, verdict))
    else:
        show(compiled.diagnostics, compiled.sources, form)
    tell = say if form == "text" else remark
    if compiled.build is None:
        remark(nothing_published(compiled, workspace.build))
        return PROBLEMS
    if comparison is not None:
        return _told_of_check(comparison, compiled, tell)
    if outcome is None:
        tell(f"compiled, not published: {counts(compiled)} ({compiled.build.root.digest[:12]})")
        return OK
    tell("\n".join(told(published, workspace.build)))
    warn_of_missing_profile(workspace.build)
    remember(project, published, asked, _again(published, workspace))
    return OK


@click.command("check")
@click.argument("subjects", nargs=-1, metavar="[SUBJECT]...", shell_complete=complete_subject)
@click.option(
    "-p",
    "--profile",
    metavar="PROFILE",
    shell_complete=complete_profile,
    help="The GPU profile; default: every one.",
)
@click.option("--fix", is_flag=True, help="First make the edits that need no decision; comments are kept.")
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@nearest_option
@unfit_option
@format_option("text", "json", "github", "sarif")
@pass_workspace
def check_command(
    workspace: Workspace,
    subjects: tuple[str, ...],
    profile: str | None,
    fix: bool,
    strict: bool,
    allow_nearest: bool,
    allow_unfit: bool,
    form: str,
) -> int:
    """Say what is wrong, and build nothing.

    SUBJECT is MODEL[/PROFILE]; without any, everything is checked.

    \b
    stowplan check
    stowplan check qwen2.5-vl-7b-instruct-awq/rtx-4080-16g
    stowplan check --fix             write what can only be meant: a flag's right name, a number without quotes
    stowplan check --format github   in CI: annotations in the pull request
    """
    allowed = _allowed(allow_nearest, allow_unfit)
    with _uncollected():
        compiled = compile_tree(workspace.project, strict=strict, allowed=allowed)
    meant = scopes(workspace, compiled, subjects, profile) if subjects or profile is not None else None

    def concerns(problem: Diagnostic) -> bool:
        return meant is None or any(scope.concerns(problem) for scope in meant)

    if fix:
        from stowplan.cli.fix import fixed_tree  # only this writes TOML

        mended = fixed_tree(workspace.project, compiled, concerns, strict=strict, allowed=allowed)
        for step in (*mended.done, *mended.left):
            (say if form == "text" else remark)(str(step))
        compiled = mended.compiled
    found = tuple(filter(concerns, compiled.diagnostics))
    looked_at = counts(compiled) if meant is None else called(meant)
    show(found, compiled.sources, form)
    if form == "text":
        say(f"{looked_at}: {summary(found) if found else 'nothing wrong'}")
    return PROBLEMS if has_errors(found) else OK


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for cycles meanwhile: a compile makes millions of values, and all of them stay to its end."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _again(published: Published, workspace: Workspace) -> tuple[str, str, str]:
    """What is said where nothing changed since: on stdout, and on stderr without and with colours."""
    compiled = published.compiled
    plain, coloured = (
        render("text", compiled.diagnostics, compiled.sources, coloured=coloured) if compiled.diagnostics else ""
        for coloured in (False, True)
    )
    missing = missing_profile(workspace.build)
    below = "" if missing is None else missing + "\n"
    return up_to_date(published) + "\n", plain + "\n" * bool(plain) + below, coloured + "\n" * bool(coloured) + below


def _allowed(nearest: bool, unfit: bool) -> tuple[str, ...]:
    """The problems that the options take for warnings."""
    return (*(NEAREST if nearest else ()), *(UNFIT if unfit else ()))


def _told_of_check(comparison: Comparison, compiled: Compiled, tell: Callable[[str], None]) -> int:
    """What `compile --check` says, and its exit code."""
    assert compiled.build is not None
    number = comparison.generation
    if number is None:
        complain("there is no build to compare with", "run `stowplan compile`")
        return USAGE
    if comparison.is_up_to_date:
        tell(f"up to date: generation {number} ({compiled.build.root.digest[:12]}), {counts(compiled)}")
        return OK
    tell(f"generation {number} is not what the inputs compile to")
    tell("\n".join(radius(comparison.changes)))
    return DIFFERENCE
