"""`fit`: whether a model fits its card, and what would."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from stowplan.cli.console import OK, PROBLEMS, remark, say, show
from stowplan.cli.fit_fleet import say_fleet, say_together
from stowplan.cli.fit_table import grid_lines
from stowplan.cli.fit_words import Asked, asked, document, text
from stowplan.cli.fit_write import write_settings
from stowplan.cli.scope import scopes
from stowplan.cli.workspace import Workspace, complete_subject, format_option, pass_workspace, profile_option
from stowplan.discover.files import Folder
from stowplan.discover.folder import facts as facts_of
from stowplan.engines.flags import version_key, versions
from stowplan.fit.cards import Card, cards, find
from stowplan.fit.settings import Settings
from stowplan.fit.solve import CTX, FIELDS, FLAGS, SEQS, most_context
from stowplan.fit.subject import Question, drafts, question
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
@click.argument("subject", required=False, metavar="[SUBJECT]", shell_complete=complete_subject)
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
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="A model's folder, in no project; needs --gpu.",
)
@click.option("--gpu", metavar="CARD", shell_complete=complete_gpu, help="For --folder: the card, as `RTX 4080`.")
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
    subject: str | None,
    profile: str | None,
    ctx: int | None,
    seqs: int | None,
    what: str | None,
    write: bool,
    everything: bool,
    together: bool,
    folder: Path | None,
    gpu: str | None,
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
    stowplan fit --folder ~/models/Qwen3-8B --gpu 'RTX 4080' --engine-version 0.32.0
    """
    _one_question(subject, folder, everything=everything, together=together)
    if write and what is None:
        what = CTX
    if (what == CTX and ctx is not None) or (what == SEQS and seqs is not None):
        raise click.UsageError(f"--solve {what} looks for what --{what} says; give one of them")
    if (everything or together or folder is not None) and write:
        raise click.UsageError("--write needs a SUBJECT: the overlay to write into")
    if (everything or together) and what is not None:
        raise click.UsageError("--solve needs a SUBJECT, or --folder")
    if folder is None and (gpu is not None or engine_version is not None):
        raise click.UsageError("--gpu and --engine-version go with --folder; a profile has its own")
    values = {CTX: ctx, SEQS: seqs}
    if folder is not None:
        return _say(_folder(folder, gpu, engine_version, values, what, form), form)
    compiled = compile_tree(workspace.project)
    if everything:
        chosen = compiled.fleet.profiles if profile is None else [workspace.profile(profile, compiled)]
        return say_fleet(compiled, list(chosen), _flags(values), seqs or 1, form)
    if together:
        return say_together(compiled, compiled.fleet.profiles[workspace.profile(profile, compiled)], form)
    found = _subject(workspace, compiled, str(subject), profile)
    launch = question(found, drafts(compiled.fleet.subjects))
    if launch is None:
        raise UnknownSubjectError(f"`{found.name}`: {_nothing_to_ask(found)}")
    _remark_errors(workspace, compiled, found)
    answer = _asked(found.name, launch, values, what)
    if not write:
        return _say(answer, form)
    return _write(workspace, compiled, found, answer, values, form)


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


def _folder(
    folder: Path, gpu: str | None, version: str | None, values: Mapping[str, int | None], what: str | None, form: str
) -> Asked:
    """The answer for a model's folder on a card. Ends the command where the folder's files are not sound."""
    if gpu is None:
        raise click.UsageError("--folder needs --gpu: the card it is to fit, as --gpu 'RTX 4080'")
    if version is not None and not version_key(version):
        raise click.UsageError(f"--engine-version {version!r} is no version; write one as 0.32.0")
    card = _called(gpu)
    real = folder.resolve()
    read = Folder("folder", real.parent, real.name)
    facts = facts_of(read)
    show(read.problems, {}, form if facts is None else "text")
    if facts is None:
        raise click.exceptions.Exit(PROBLEMS)
    return _asked(f"{real.name} on {card.name}", Question(facts, Settings(), card.gpu(), version), values, what)


def _called(gpu: str) -> Card:
    """The card of that name. Raises UsageError with those that are meant, or that there are."""
    found = find(gpu)
    if len(found) == 1:
        return found[0]
    if found:
        raise click.UsageError(f"--gpu {gpu!r} may be {' or '.join(card.name for card in found)}; say more of it")
    raise click.UsageError(f"no card is called {gpu!r}; known are: {', '.join(cards())}")
