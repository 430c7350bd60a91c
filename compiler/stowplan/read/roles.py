"""Who takes which role on a profile, in what order, and who is left out and why."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from stowplan.fit import remembered
from stowplan.fit.estimate import DOES_NOT_FIT, TIGHT
from stowplan.nouns.entry import Entry
from stowplan.nouns.profile import Profile
from stowplan.nouns.project import Project, State, Subject
from stowplan.words.layered import plain

_WHY = {State.STUB: "a stub", State.DISABLED: "disabled"}
_FITS = {TIGHT: "may not fit its card", DOES_NOT_FIT: "does not fit its card"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that a role names; `left_out` says why it is not in the build, None if it is.

    `fit` is the verdict on its memory on that profile's card (`fits`, `tight` ...), None where none was estimated.
    """

    role: str
    name: str
    model: str
    priority: int
    left_out: str | None = None
    fit: str | None = None


def candidates(
    loaded: Project, subjects: Sequence[Subject], profile: Profile, entries: Sequence[Entry]
) -> tuple[Candidate, ...]:
    """Every candidate of every role of `profile`: by role, those in the build first, then by priority and name."""
    found = []
    for entry in entries:
        estimate = remembered.of(entry.subject)
        fit = None if estimate is None else estimate.verdict
        found += [Candidate(role, entry.name, entry.subject.model, n, fit=fit) for role, n in entry.roles.items()]
    present = {subject.model: subject for subject in subjects if subject.profile is profile}
    taken = {entry.subject.model for entry in entries}
    for model in loaded.models.values():
        if model.name not in taken:
            found += _left_out(model.name, model.base.table if model.base else {}, present.get(model.name))
    return tuple(sorted(found, key=lambda c: (c.role, c.left_out is not None, -c.priority, c.name)))


def text(found: Sequence[Candidate]) -> str:
    """The candidates for a person, role by role."""
    if not found:
        return "no model takes a role: `roles = { caption = 90 }` in its base.toml gives it one\n"
    lines: list[str] = []
    for role, group in groupby(found, key=lambda candidate: candidate.role):
        lines.append(role)
        for candidate in group:
            about = f"left out: {candidate.left_out}" if candidate.left_out else _FITS.get(candidate.fit or "", "")
            lines.append(f"  {candidate.priority:>4}  {candidate.name}  {about}".rstrip())
    return "\n".join(lines) + "\n"


def as_json(found: Sequence[Candidate]) -> str:
    """The candidates for a program."""
    return json.dumps({"roles": [asdict(candidate) for candidate in found]}, indent=2, ensure_ascii=False) + "\n"


def _left_out(model: str, base: dict[str, Any], subject: Subject | None) -> Iterator[Candidate]:
    roles = base.get("roles", {})
    why = "no overlay for this profile"
    if subject is not None:
        roles = plain(subject.table("roles"))
        why = _WHY.get(subject.state, "not in the build")
    name = str(base.get("name", model))
    for role, priority in roles.items():
        yield Candidate(role, name, model, priority, why)
