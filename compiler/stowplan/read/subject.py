"""SUBJECT as written on a command line: `MODEL[/PROFILE]`, MODEL being a folder, a registry name or an alias."""

import difflib
from collections.abc import Collection, Iterable, Sequence

from stowplan.nouns.project import Subject
from stowplan.words.names import fold


class UnknownSubjectError(Exception):
    """No model, or no profile of it, answers to that name. Says which come close, or which there are."""


def split(text: str) -> tuple[str, str | None]:
    """`MODEL/PROFILE` → both; `MODEL` → (MODEL, None)."""
    model, slash, profile = text.partition("/")
    return model, profile if slash else None


def model_called(name: str, subjects: Iterable[Subject]) -> str:
    """The folder of the model that answers to `name`, compared as clients compare names. Raises UnknownSubjectError."""
    names: dict[str, tuple[str, str]] = {}
    for subject in subjects:
        for called in (subject.model, *names_of(subject)):
            names.setdefault(fold(called), (subject.model, called))
    found = names.get(fold(name))
    if found is not None:
        return found[0]
    close = difflib.get_close_matches(fold(name), names, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(f'`{names[c][1]}`' for c in close)}?" if close else _listing(names.values())
    raise UnknownSubjectError(f"no model is called `{name}`; {hint}")


def names_of(subject: Subject) -> list[str]:
    """What a model is called beside its folder's name: registry name, display name, aliases."""
    single = [subject.value(key) for key in ("name", "display-name")]
    return [name for name in (*single, *(subject.value("aliases") or ())) if name]


def subject_called(model: str, profile: str, subjects: Sequence[Subject]) -> Subject:
    """The subject of the model that answers to `model` on `profile`. Raises UnknownSubjectError."""
    folder = model_called(model, subjects)
    profiles = {subject.profile.name: subject for subject in subjects if subject.model == folder}
    if profile in profiles:
        return profiles[profile]
    raise no_overlay(folder, profile, profiles)


def profile_called(name: str, profiles: Collection[str]) -> str:
    """`name`, which a SUBJECT says, if it is one of `profiles`. Raises UnknownSubjectError."""
    if name in profiles:
        return name
    raise UnknownSubjectError(f"there is no profile `{name}`; profiles: {', '.join(sorted(profiles)) or 'none'}")


def no_overlay(model: str, profile: str, has: Iterable[str]) -> UnknownSubjectError:
    """The error of a model that is not on `profile`, though on those that it `has`."""
    listed = ", ".join(sorted(has)) or "none"
    return UnknownSubjectError(f"`{model}` has no overlay for profile `{profile}`; it has: {listed}")


def _listing(names: Iterable[tuple[str, str]]) -> str:
    folders = sorted({folder for folder, _ in names})
    more = f" and {len(folders) - 8} more" if len(folders) > 8 else ""
    return f"models: {', '.join(folders[:8]) or 'none'}{more}"
