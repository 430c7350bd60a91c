"""The layers' honesty: overlays for profiles that exist, facts behind every launch, stubs that are stubs."""

import difflib
from collections.abc import Iterator
from dataclasses import replace

from stowplan.nouns.overlay import EXTERNAL
from stowplan.nouns.project import Document, Fleet, Model, Project, State
from stowplan.words.diagnostic import Diagnostic, Label, Place, Severity, error, warning


def check(project: Project, merged: Fleet) -> Iterator[Diagnostic]:
    """Orphans, missing facts, stubs, alias targets."""
    known = set(project.profiles) | project.broken_profiles
    for model in project.models.values():
        yield from _overlays(model, known)
        yield from _alias_target(model, project)
    for subject in merged.subjects:
        model = project.models[subject.model]
        if subject.state is State.STUB:
            if any(_settings(model.overlays[name]) for name in subject.profile.names if name in model.overlays):
                continue  # that is said already
            message = f"`{subject.name}` is a stub: it is in no registry and has no script"
            hint = "fill it in and remove `status`, or say `enabled = false`"
            yield warning("stub-unedited", message, Place(subject.file, ("status",)), hint=hint)
        elif model.facts is None and "discovered.json" not in model.unreadable:
            if subject.value("engine") == EXTERNAL:
                continue
            message = f"`models.d/{model.name}/` has no discovered.json: nothing is known of its weights"
            hint = "run `stowplan discover` where the weights are, and commit the file it makes"
            problem = error("facts-missing", message, Place(subject.file), hint=hint)
            yield problem if subject.state is State.ACTIVE else replace(problem, severity=Severity.WARNING)


def _overlays(model: Model, known: set[str]) -> Iterator[Diagnostic]:
    for name, overlay in model.overlays.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean `{close[0]}.toml`?" if close else f"profiles: {', '.join(sorted(known)) or 'none'}"
            message = f"there is no profile `{name}`, so nothing reads this file"
            yield error("orphan-overlay", message, Place(overlay.file), hint=hint)
        if overlay.table.get("status") == "stub" and (settings := _settings(overlay)):
            label = Label(Place(overlay.file, (settings[0],), "key"), "a setting")
            message = "a stub that holds settings would be left out quietly"
            hint = "remove the `status` line: the model then goes into the build"
            yield error("stub-with-settings", message, Place(overlay.file, ("status",)), also=[label], hint=hint)


def _settings(overlay: Document) -> list[str]:
    return [key for key in overlay.table if key != "status"]


def _alias_target(model: Model, project: Project) -> Iterator[Diagnostic]:
    if model.base is None or (target := model.base.table.get("alias-of")) is None:
        return
    if target not in project.models or target == model.name:
        known = ", ".join(sorted(set(project.models) - {model.name})[:8]) or "no other model"
        message = f"`alias-of` names `{target}`, which is no other folder of models.d/"
        yield error("unknown-alias-target", message, Place(model.base.file, ("alias-of",)), hint=f"known: {known}")
