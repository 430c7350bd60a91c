"""What was measured, and counts for nothing any more: its model, engine, version or card is another by now."""

from collections.abc import Iterator

from stowplan.nouns.measured import ROWS, Measured, Start
from stowplan.nouns.profile import Profile
from stowplan.nouns.project import Fleet, Project
from stowplan.words.diagnostic import Diagnostic, Place, warning
from stowplan.words.keypath import KeyPath


def check(project: Project, merged: Fleet) -> Iterator[Diagnostic]:
    """Files of no profile or of another card, and rows of models, engines and versions that are not there."""
    for name, measured in project.measured.items():
        profile = merged.profiles.get(name)
        if profile is None:
            if name not in project.profiles and name not in project.broken_profiles:
                yield _unused(measured, (), f"there is no profile `{name}`, so nothing reads this file")
        elif profile.gpu is None or (measured.gpu, measured.memory) != (profile.gpu.name, profile.gpu.memory):
            yield _unused(measured, ("gpu",), f"it was measured on another card than `{profile.name}` has now")
        else:
            yield from _rows(measured, profile, project)


def _rows(measured: Measured, profile: Profile, project: Project) -> Iterator[Diagnostic]:
    for start in measured.starts:
        engine = profile.engines.get(start.engine)
        if start.model not in project.models:
            yield _row(measured, start, "model", f"there is no model `{start.model}`")
        elif engine is None:
            yield _row(measured, start, "engine", f"`{profile.name}` has no engine `{start.engine}`")
        elif start.version != engine.version.value.partition("+")[0]:
            now = f"`{profile.name}` has {engine.kind} {engine.version.value} now"
            yield _row(measured, start, "version", f"it is of a start of {start.kind} {start.version}; {now}")


def _row(measured: Measured, start: Start, key: str, why: str) -> Diagnostic:
    return _unused(measured, (ROWS, start.number, key), f"{why}, so this row says nothing")


def _unused(measured: Measured, key: KeyPath, message: str) -> Diagnostic:
    hint = "learn from a start as it is now with `stowplan fit --calibrate`, or remove it"
    return warning("measured-unused", message, Place(measured.file, key), hint=hint)
