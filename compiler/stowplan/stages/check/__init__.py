"""check: everything that can be known to be wrong before a server is started.

Each module looks at one thing and knows nothing of the others. What is wrong with a disabled subject
is a warning: it is kept checked, and out of the build.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from stowplan.nouns.project import Fleet, Project, State, Subject
from stowplan.stages.check import (
    advisories,
    config,
    context,
    external,
    flags,
    fleet,
    layers,
    policy,
    profiles,
    roles,
    secrets,
    templates,
)
from stowplan.words.diagnostic import Diagnostic, Severity

Look = Callable[[Subject], Iterator[Diagnostic]]


def check(project: Project, merged: Fleet) -> list[Diagnostic]:
    """Every problem of the merged project; the form of the files is load's business."""
    found = [*layers.check(project, merged), *fleet.check(project, merged), *secrets.check(project)]
    for profile in merged.profiles.values():
        found += profiles.check(profile)
        found += flags.check_defaults(profile)
        found += config.check_defaults(profile)
        found += roles.check_needs(profile)
        found += advisories.check_engines(profile)
    looks = (
        external.check,
        flags.checker(),
        config.checker(),
        context.check,
        templates.check,
        policy.check,
        roles.check,
    )
    subjects = [subject for subject in merged.subjects if subject.state is not State.STUB]
    for subject in subjects:
        found += _subject(subject, looks)
    return [*found, *advisories.check(subjects)]


def _subject(subject: Subject, looks: Sequence[Look]) -> Iterator[Diagnostic]:
    for look in looks:
        for problem in look(subject):
            if subject.state is State.DISABLED and problem.severity is Severity.ERROR:
                problem = replace(problem, severity=Severity.WARNING)
            yield problem
