"""What `check SUBJECT` looks at: which subjects are meant, sound or not, and which problems are theirs."""

from collections.abc import Sequence
from dataclasses import dataclass

from stowplan.cli.outcome import counted
from stowplan.cli.workspace import Workspace
from stowplan.pipeline import Compiled
from stowplan.read.profile import choose
from stowplan.read.subject import model_called, no_overlay, profile_called, split
from stowplan.words.diagnostic import Diagnostic


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of the project: of a model all, or its overlays for one profile; of a profile all. None stands for any."""

    model: str | None
    profile: str | None
    subjects: tuple[tuple[str, str], ...]
    """Model and profile, of each subject in it."""
    files: frozenset[str]
    """Its profiles' files, and the models' own."""

    def concerns(self, problem: Diagnostic) -> bool:
        """Whether a problem is one of this scope: it lies in it, or is between another model and one in it.

        What is about one subject is that subject's alone, wherever it lies.
        """
        if problem.at is None:
            return True
        if problem.about is not None:
            return problem.about in self.subjects
        if self._holds(problem.at.file):
            return True
        owner = _owner(problem.at.file)
        return any(self._holds(label.at.file) and _owner(label.at.file) not in (None, owner) for label in problem.also)

    def _holds(self, file: str) -> bool:
        return file in self.files or (self.profile is None and _owner(file) == self.model)


def scopes(workspace: Workspace, compiled: Compiled, named: Sequence[str], profile: str | None) -> list[Scope]:
    """What SUBJECT... and -p mean. Raises UnknownSubjectError, ProfileNotChosenError."""
    profiles = compiled.loaded.profiles.keys() | compiled.loaded.broken_profiles
    if profile is not None:
        profile = choose(workspace.build, profile, None, profiles)
    if not named:
        return [_scope(compiled, None, profile)]
    found = []
    for text in named:
        name, own = split(text)
        model = name if name in compiled.loaded.models else model_called(name, compiled.fleet.subjects)
        found.append(_scope(compiled, model, profile if own is None else profile_called(own, profiles)))
    return found


def called(meant: Sequence[Scope]) -> str:
    """What was looked at: `MODEL/PROFILE` if it is one subject, else how many models and profiles."""
    subjects = {pair for scope in meant for pair in scope.subjects}
    if len(subjects) == 1:
        return "/".join(*subjects)
    models, profiles = {model for model, _ in subjects}, {profile for _, profile in subjects}
    return counted(
        models | {scope.model for scope in meant if scope.model is not None},
        profiles | {scope.profile for scope in meant if scope.profile is not None},
    )


def _scope(compiled: Compiled, model: str | None, profile: str | None) -> Scope:
    subjects = [pair for pair in _subjects(compiled) if model in (None, pair[0])]
    inside = [pair for pair in subjects if profile in (None, pair[1])]
    if model is not None and profile is not None and not inside:
        raise no_overlay(model, profile, [has for _, has in subjects])
    files = {f"profiles/{name}.toml" for name in _names(compiled, profile)}
    for folder, on in inside:
        files |= {f"models.d/{folder}", f"models.d/{folder}/discovered.json", f"models.d/{folder}/base.toml"}
        for name in _names(compiled, on):
            files |= {f"models.d/{folder}/{name}.toml", f"profiles/{name}.toml"}
    return Scope(model, profile, tuple(inside), frozenset(files))


def _subjects(compiled: Compiled) -> list[tuple[str, str]]:
    """Model and profile wherever there is an overlay, also one that could not be read."""
    profiles = sorted(compiled.loaded.profiles.keys() | compiled.loaded.broken_profiles)
    return [
        (model.name, profile)
        for model in compiled.loaded.models.values()
        for profile in profiles
        if any(name in model.overlays or f"{name}.toml" in model.unreadable for name in _names(compiled, profile))
    ]


def _names(compiled: Compiled, profile: str | None) -> tuple[str, ...]:
    """A profile and its parent; a profile that is not sound stands for itself."""
    if profile is None:
        return ()
    merged = compiled.fleet.profiles.get(profile)
    return (profile,) if merged is None else merged.names


def _owner(file: str) -> str | None:
    """The model that a file of models.d/, or its folder there, belongs to."""
    folder, _, rest = file.partition("/")
    return rest.partition("/")[0] if folder == "models.d" else None
