"""`fit`: whether a model fits its card, and what would."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from stowplan.cli.console import OK, PROBLEMS, remark, say
from stowplan.cli.fit_fleet import say_fleet, say_together
from stowplan.cli.fit_folder import folder_launch
from stowplan.cli.fit_table import grid_lines
from stowplan.cli.fit_words import Asked, asked, document, text
from stowplan.cli.fit_write import write_settings
from stowplan.cli.scope import scopes
from stowplan.cli.workspace import Workspace, complete_subject, format_option, pass_workspace, profile_option
from stowplan.engines.flags import versions
from stowplan.fit.cards import cards
from stowplan.fit.solve import CTX, FIELDS, FLAGS, SEQS, most_context
from stowplan.fit.subject import Question, question
from stowplan.nouns.project import Subject
from stowplan.pipeline import Compiled, compile_tree
from stowplan.read.subject import UnknownSubjectError, model_called, profile_called, split, subject_called
from stowplan.words.diagnostic import Severity

UNFIT = "does-not-fit"
"""What check says of a launch that does not fit: here that is the answer, no problem."""


def complete_gpu(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """The cards whose names begin with what was typed, or hold it."""
    return [CompletionItem(name) for name in cards() if typed.lower() in name.lower()]


def complete_version(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """The versions of vLLM that are known and begin with what was typed."""
    return [CompletionItem(version) for version in versions("vllm") if version.startswith(typed)]


@click.command("fit")
@click.argument("named", nargs=-1, metavar="[SUBJECT] [LOG]...", shell_complete=complete_subject)
@profile_option
@click.option("--ctx", type=click.IntRange(min=1), metavar="TOKENS", help="Ask for this context (max-model-len).")
@click.option(
    "--seqs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Ask for N requests of the whole context at once (max-num-seqs).",
)
@click.option(
    "--solve",
    "what",
    type=click.Choice(tuple(FIELDS)),
    help="Find the longest context, the most requests at once, or the least utilization that surely fits.",
)
@click.option("--write", is_flag=True, help="Put what was solved (default: ctx) and asked for into the overlay.")
@click.option("--all", "everything", is_flag=True, help="All models on all profiles (or the one of -p), in one table.")
@click.option("--together", is_flag=True, help="The sets of models that stand on the profile's card at once.")
@click.option(
    "--calibrate",
    "is_calibrating",
    is_flag=True,
    help="Learn from the logs of real starts, LOG..., what they took; written into profiles/measured/.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="A model's folder, in no project; needs --gpu.",
)
@click.option(
    "--gpu",
    metavar="CARD",
    shell_complete=complete_gpu,
    help="For --folder: the card, as `RTX 4080`, or several that share the model, as `2 x RTX 4090`.",
)
@click.option("--reserved", metavar="SIZE", help="For --folder: what others hold of each card, as `1500 MiB`.")
@click.option(
    "--engine-version",
    metavar="VERSION",
    shell_complete=complete_version,
    help="For --folder: the version of vLLM; without it, the answer covers all.",
)
@format_option("text", "json")
@pass_workspace
def fit_command(
    workspace: Workspace,
    named: tuple[str, ...],
    profile: str | None,
    ctx: int | None,
    seqs: int | None,
    what: str | None,
    write: bool,
    everything: bool,
    together: bool,
    is_calibrating: bool,
    folder: Path | None,
    gpu: str | None,
    reserved: str | None,
    engine_version: str | None,
    form: str,
) -> int:
    """Say whether a model fits its card.

    What it needs, part by part, of what vLLM may take; then which contexts fit with how many requests at once.
    Nothing is started and no GPU is needed. SUBJECT is MODEL[/PROFILE]. Fits or not, the exit code is 0: the
    question was answered. It is 1 where --write finds nothing to write.

    \b
    stowplan fit qwen2.5-vl-7b-instruct-awq/rtx-4080-16g
    stowplan fit qwen2.5-vl-7b-instruct-awq/rtx-4080-16g --solve ctx --seqs 4 --write
    stowplan fit --all
    stowplan fit --together -p rtx-6000-pro-96g
    stowplan fit --calibrate -p rtx-4080-16g vllm.log    what a real start took, for all estimates to come
    stowplan fit --folder ~/models/Qwen3-8B --gpu 'RTX 4080' --engine-version 0.32.0
    stowplan fit --folder ~/models/Qwen3-8B --gpu '2 x RTX 4090' --reserved '1500 MiB'
    """
    if is_calibrating:
        options = (ctx, seqs, what, write or None, everything or None, together or None, folder, gpu, reserved)
        if any(option is not None for option in (*options, engine_version)) or form != "text":
            raise click.UsageError("--calibrate takes a SUBJECT, -p and LOG... alone")
        return _calibrate(workspace, named, profile)
    if len(named) > 1:
        raise click.UsageError("one SUBJECT at a time; LOG... goes with --calibrate")
    subject = named[0] if named else None
    _one_question(subject, folder, everything=everything, together=together)
    if write and what is None:
        what = CTX
    if (what == CTX and ctx is not None) or (what == SEQS and seqs is not None):
        raise click.UsageError(f"--solve {what} looks for what --{what} says; give one of them")
    if (everything or together or folder is not None) and write:
        raise click.UsageError("--write needs a SUBJECT: the overlay to write into")
    if (everything or together) and what is not None:
        raise click.UsageError("--solve needs a SUBJECT, or --folder")
    if folder is None and any(one is not None for one in (gpu, reserved, engine_version)):
        raise click.UsageError("--gpu, --reserved and --engine-version go with --folder; a profile has its own")
    values = {CTX: ctx, SEQS: seqs}
    if folder is not None:
        return _say(_asked(*folder_launch(folder, gpu, reserved, engine_version, form), values, what), form)
    compiled = compile_tree(workspace.project)
    if everything:
        chosen = compiled.fleet.profiles if profile is None else [workspace.profile(profile, compiled)]
        return say_fleet(compiled, list(chosen), _flags(values), seqs or 1, form)
    if together:
        return say_together(compiled, compiled.fleet.profiles[workspace.profile(profile, compiled)], form)
    found = _subject(workspace, compiled, str(subject), profile)
    launch = question(found)
    if launch is None:
        raise UnknownSubjectError(f"`{found.name}`: {_nothing_to_ask(found)}")
    _remark_errors(workspace, compiled, found)
    answer = _asked(found.name, launch, values, what)
    if not write:
        return _say(answer, form)
    return _write(workspace, compiled, found, answer, values, form)


def _calibrate(workspace: Workspace, named: Sequence[str], profile: str | None) -> int:
    """Learns from logs; what comes before them and is no file is the SUBJECT that they are of."""
    from stowplan.cli.calibrate import calibrate  # only this writes TOML

    about = named[0] if named and not Path(named[0]).is_file() else None
    logs = [Path(log) for log in (named if about is None else named[1:])]
    if not logs:
        what = "there is no such file" if about is not None and ("." in about or about.count("/") > 1) else None
        raise click.UsageError(
            f"`{about}`: {what}" if what else "--calibrate needs LOG...: what vLLM wrote as it started"
        )
    compiled = compile_tree(workspace.project)
    meant = None if about is None else _subject(workspace, compiled, about, profile)
    chosen = workspace.profile(profile, compiled) if meant is None else meant.profile.name
    return calibrate(workspace, compiled, compiled.fleet.profiles[chosen], meant, logs)


def _one_question(subject: str | None, folder: Path | None, *, everything: bool, together: bool) -> None:
    """Refuses none and several of them."""
    many = sum((subject is not None, folder is not None, everything, together))
    if many != 1:
        seen = "nothing was asked" if many == 0 else "these are several questions"
        raise click.UsageError(f"{seen}: give one of SUBJECT, --all, --together and --folder")


def _subject(workspace: Workspace, compiled: Compiled, named: str, profile: str | None) -> Subject:
    """The subject that is meant, in a project that need not be sound."""
    model, own = split(named)
    subjects, profiles = compiled.fleet.subjects, compiled.fleet.profiles
    folder = model_called(model, subjects)
    has = [subject.profile.name for subject in subjects if subject.model == folder]
    if own is not None:
        wanted = profile_called(own, profiles)
    elif profile is None and len(has) == 1:
        wanted = has[0]
    else:
        wanted = workspace.profile(profile, compiled)
    return subject_called(folder, wanted, subjects)


def _nothing_to_ask(subject: Subject) -> str:
    if subject.is_external:
        return "something else than an engine of the profile serves it, so what it takes is not known"
    if subject.facts is None:
        return "there are no facts about it; `stowplan discover` reads them off its folder"
    if subject.engine is None:
        return "which engine serves it is not said; name one in the overlay"
    return f"nothing is known of the memory of `{subject.engine.kind}`"


def _remark_errors(workspace: Workspace, compiled: Compiled, subject: Subject) -> None:
    """Errors do not stop an estimate; that there are some has to be said."""
    (scope,) = scopes(workspace, compiled, [subject.name], None)
    wrong = [d for d in compiled.diagnostics if d.severity is Severity.ERROR and d.id != UNFIT and scope.concerns(d)]
    if wrong:
        count = "1 error" if len(wrong) == 1 else f"{len(wrong)} errors"
        remark(f"{count} in what this looks at, so it may not hold: `stowplan check {subject.name}`")


def _flags(values: Mapping[str, int | None]) -> dict[str, int]:
    """What was asked for, as fields of `Settings`."""
    return {FIELDS[what]: value for what, value in values.items() if value is not None}


def _asked(name: str, launch: Question, values: Mapping[str, int | None], what: str | None) -> Asked:
    most = most_context(launch)
    if (ctx := values[CTX]) is not None and most is not None and ctx > most:
        raise click.UsageError(f"--ctx is {ctx}, and `{name}` takes {most} tokens at most")
    is_bare = what is None and not _flags(values)
    return asked(name, launch.changed(**_flags(values)), values[SEQS], what, table=is_bare)


def _say(answer: Asked, form: str, written: Sequence[str] = ()) -> int:
    if form == "json":
        say(json.dumps(document(answer) | ({"written": list(written)} if written else {}), indent=2))
        return OK
    lines = [*text(answer), *(() if answer.grid is None else grid_lines(answer.grid))]
    say("\n".join(lines))
    return OK


def _write(
    workspace: Workspace,
    compiled: Compiled,
    subject: Subject,
    answer: Asked,
    values: Mapping[str, int | None],
    form: str,
) -> int:
    """Solved values go into the overlay; what was asked for beside goes with them, else they would not hold."""
    solution = answer.solution
    assert solution is not None  # `--write` solves
    if solution.value is None:
        _say(answer, form)
        remark("nothing was written")
        return PROBLEMS
    flags = {FLAGS[what]: value for what, value in values.items() if value is not None}
    lines = write_settings(workspace, compiled, subject, {**flags, FLAGS[solution.what]: solution.value}, form)
    _say(answer, form, lines)
    if form == "text":
        say("\n".join(f"wrote {line}" for line in lines) or "nothing to write: the overlay says so already")
    return OK
