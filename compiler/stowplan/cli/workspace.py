"""What every verb works on: the project, and which profile and subject are meant."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from stowplan.cli.console import PROBLEMS, show
from stowplan.nouns.entry import Entry
from stowplan.nouns.project import State
from stowplan.pipeline import BUILD, NEAREST, UNFIT, Compiled, compile_tree
from stowplan.read.profile import VARIABLE, choose
from stowplan.read.subject import UnknownSubjectError, model_called, profile_called, split, subject_called
from stowplan.store.errors import StoreError
from stowplan.store.generations import digests
from stowplan.store.pins import pins
from stowplan.words.diagnostic import has_errors

MARKS = ("models.d", "profiles")
"""The folders by which a project is known."""


class NoProjectError(Exception):
    """There is no project where one was looked for."""


@dataclass(slots=True)
class Workspace:
    """The project that `-C` names, else the one that the working directory lies in."""

    folder: Path | None

    @property
    def project(self) -> Path:
        """The project's folder. Raises NoProjectError."""
        if self.folder is not None:
            if any((self.folder / mark).is_dir() for mark in MARKS):
                return self.folder
            raise NoProjectError(f"`{self.folder}` is no project: it has neither models.d/ nor profiles/")
        here = Path.cwd()
        for folder in (here, *here.parents):
            if all((folder / mark).is_dir() for mark in MARKS):
                return folder
        if any((here / mark).is_dir() for mark in MARKS):
            return here
        raise NoProjectError("no project here: no models.d/ and profiles/ in this folder or above; `stowplan init`")

    @property
    def build(self) -> Path:
        """The project's build folder."""
        return self.project / BUILD

    def profile(self, named: str | None, compiled: Compiled) -> str:
        """The profile that is meant. Raises ProfileNotChosenError."""
        return choose(self.build, named, os.environ.get(VARIABLE), compiled.fleet.profiles.keys())

    def compiled(self, form: str) -> Compiled:
        """The working tree, compiled in memory to be looked at; with errors they are shown in that form and the command
        ends. What a compile can be told to allow is no error here, since nothing is published."""
        compiled = compile_tree(self.project, allowed=(*NEAREST, *UNFIT))
        if has_errors(compiled.diagnostics):
            show(compiled.diagnostics, compiled.sources, form)
            raise click.exceptions.Exit(PROBLEMS)
        return compiled

    def entry(self, compiled: Compiled, subject: str, named: str | None) -> Entry:
        """The entry that SUBJECT means. Raises UnknownSubjectError, ProfileNotChosenError."""
        model, profile = split(subject)
        subjects, profiles = compiled.fleet.subjects, compiled.fleet.profiles
        wanted = self._profile_of(model, named, compiled) if profile is None else profile_called(profile, profiles)
        found = subject_called(model, wanted, subjects)
        for entry in (compiled.entries or {}).get(found.profile.name, ()):
            if entry.subject is found:
                return entry
        state = "a stub" if found.state is State.STUB else found.state
        raise UnknownSubjectError(f"`{found.name}` is {state}: it is in no build, so there is nothing to show")

    def _profile_of(self, model: str, named: str | None, compiled: Compiled) -> str:
        """The profile that is meant; a model with one overlay needs none to be named."""
        folder = model_called(model, compiled.fleet.subjects)
        profiles = [subject.profile.name for subject in compiled.fleet.subjects if subject.model == folder]
        if named is None and len(profiles) == 1:
            return profiles[0]
        return self.profile(named, compiled)


Command = TypeVar("Command", bound=Callable[..., Any])

pass_workspace = click.make_pass_decorator(Workspace)


def complete_profile(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """The project's profiles that begin with what was typed."""
    return _stems(context, "profiles", "*.toml", typed)


def complete_subject(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """The project's models that begin with what was typed; after `MODEL/`, that model on each profile."""
    model, slash, profile = typed.partition("/")
    if not slash:
        return _stems(context, "models.d", "*/", typed)
    return [CompletionItem(f"{model}/{item.value}") for item in _stems(context, "profiles", "*.toml", profile)]


def complete_generation(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """The build's generations whose numbers begin with what was typed."""
    try:
        numbers = digests(_workspace(context).build)
    except (NoProjectError, StoreError):
        return []
    return [CompletionItem(str(number)) for number in numbers if str(number).startswith(typed)]


def complete_pin(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """The build's pins whose names begin with what was typed."""
    try:
        return [CompletionItem(name) for name in pins(_workspace(context).build) if name.startswith(typed)]
    except (NoProjectError, StoreError):
        return []


def _stems(context: click.Context, folder: str, pattern: str, typed: str) -> list[CompletionItem]:
    try:
        found = sorted((_workspace(context).project / folder).glob(pattern))
    except NoProjectError:
        return []
    return [CompletionItem(path.name.removesuffix(".toml")) for path in found if path.name.startswith(typed)]


def _workspace(context: click.Context) -> Workspace:
    """The project that is meant so far: while a line is completed, no command has run."""
    return context.find_object(Workspace) or Workspace(context.find_root().params.get("folder"))


profile_option = click.option(
    "-p",
    "--profile",
    metavar="PROFILE",
    shell_complete=complete_profile,
    help=f"The GPU profile; default: ${VARIABLE}, the one of `stowplan use`, or the only one.",
)


class Seconds(click.FloatRange):
    """A time to wait, in seconds: none below 0, and `nan` is none."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """`value` as a number. Fails as click does."""
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        return seconds


def format_option(*formats: str) -> Callable[[Command], Command]:
    """`--format`, for a verb that speaks these formats."""
    return click.option(
        "--format", "form", type=click.Choice(formats), default=formats[0], show_default=True, help="How to print."
    )
