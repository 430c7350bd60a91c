"""check: everything that can be known to be wrong before a server is started.

Each module looks at one thing and knows nothing of the others. What is wrong with a disabled subject
is a warning: it is kept checked, and out of the build.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from stowplan.nouns.project import Fleet, Project, State, Subject
from stowplan.stages.check import (
    advisories,
    config,
    context,
    external,
    fit,
    flags,
    fleet,
    layers,
    measured,
    policy,
    profiles,
    roles,
    secrets,
    templates,
    together,
)
from stowplan.words.diagnostic import Diagnostic, Severity

Look = Callable[[Subject], Iterator[Diagnostic]]


def check(project: Project, merged: Fleet) -> list[Diagnostic]:
    """Every problem of the merged project; the form of the files is load's business."""
    of_layers = list(layers.check(project, merged))
    found = [*of_layers, *fleet.check(project, merged), *secrets.check(project), *measured.check(project, merged)]
    for profile in merged.profiles.values():
        found += profiles.check(profile)
        found += flags.check_defaults(profile)
        found += config.check_defaults(profile)
        found += roles.check_needs(profile)
        found += advisories.check_engines(profile)
    subjects = [subject for subject in merged.subjects if subject.state is not State.STUB]
    looks = (
        external.check,
        flags.checker(),
        config.checker(),
        context.check,
        templates.check,
        policy.check,
        roles.check,
    )
    halves = _halves(project, of_layers)
    for subject in subjects:
        found += _subject(subject, looks, fit.check if subject.model not in halves else None)
    return [*found, *together.check(merged), *advisories.check(subjects)]


def _halves(project: Project, of_layers: Iterable[Diagnostic]) -> set[str]:
    """The models of which some setting could not be read, or stands where it does not count."""
    found = {model.name for model in project.models.values() if model.unreadable}
    for model in project.models.values():
        documents = model.overlays.values() if model.base is None else (model.base, *model.overlays.values())
        if any(document.broken for document in documents):
            found.add(model.name)
    files = [problem.at.file for problem in of_layers if problem.at and problem.severity is Severity.ERROR]
    return found | {file.split("/")[1] for file in files if file.startswith("models.d/")}


def _subject(subject: Subject, looks: Sequence[Look], fits: Look | None) -> Iterator[Diagnostic]:
    """All that the looks find. Only of a launch that is sound is it asked whether it `fits`."""
    is_sound = True
    for look in looks if fits is None else (*looks, fits):
        for problem in look(subject) if is_sound or look is not fits else ():
            is_sound = is_sound and problem.severity is not Severity.ERROR
            if subject.state is State.DISABLED and problem.severity is Severity.ERROR:
                problem = replace(problem, severity=Severity.WARNING)
            yield problem
