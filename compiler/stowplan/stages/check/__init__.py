"""check: everything that can be known to be wrong before a server is started.

Each module looks at one thing and knows nothing of the others. What is wrong with a disabled subject
is a warning: it is kept checked, and out of the build.
"""

from collections.abc import Iterator
from dataclasses import replace

from stowplan.nouns.project import Fleet, Project, State, Subject
from stowplan.stages.check import context, external, flags, fleet, layers, policy, profiles, roles, secrets, templates
from stowplan.words.diagnostic import Diagnostic, Severity


def check(project: Project, merged: Fleet) -> list[Diagnostic]:
    """Every problem of the merged project; the form of the files is load's business."""
    found = [*layers.check(project, merged), *fleet.check(project, merged), *secrets.check(project)]
    for profile in merged.profiles.values():
        found += profiles.check(profile)
        found += flags.check_defaults(profile)
        found += roles.check_needs(profile)
    for subject in merged.subjects:
        if subject.state is not State.STUB:
            found += _subject(subject)
    return found


def _subject(subject: Subject) -> Iterator[Diagnostic]:
    for look in (external, flags, context, templates, policy, roles):
        for problem in look.check(subject):
            if subject.state is State.DISABLED and problem.severity is Severity.ERROR:
                problem = replace(problem, severity=Severity.WARNING)
            yield problem
