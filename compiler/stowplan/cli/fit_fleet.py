"""`fit --all` and `fit --together`: every model on every profile, and what stands on one card at once."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import click

from stowplan.cli.console import OK, say
from stowplan.cli.fit_table import CELLS, aligned, fleet_lines
from stowplan.cli.fit_words import WORDS
from stowplan.fit.bars import gib
from stowplan.fit.estimate import DOES_NOT_FIT, FITS, UNKNOWN
from stowplan.fit.solve import CTX, FIELDS, UTILIZATION, held, most_context, solve
from stowplan.fit.subject import Question, question
from stowplan.fit.together import Resident, maximal, resident
from stowplan.nouns.profile import Profile
from stowplan.nouns.project import State
from stowplan.pipeline import Compiled

MOST_SETS = 200
"""As many sets are listed; a profile of many small models has more than anybody reads."""


def say_fleet(
    compiled: Compiled, profiles: Sequence[str], changes: Mapping[str, int], sequences: int, form: str
) -> int:
    """The verdict and the longest context of every model on these profiles, with `changes` to its settings."""
    found: dict[tuple[str, str], tuple[str, int]] = {}
    for subject in compiled.fleet.subjects:
        if subject.profile.name in profiles:
            launch = question(subject)
            found[subject.model, subject.profile.name] = (
                (UNKNOWN, 0) if launch is None else _verdict(launch, changes, sequences)
            )
    if form == "json":
        rows = [
            {"model": model, "profile": profile, "verdict": verdict, "longest": longest}
            for (model, profile), (verdict, longest) in sorted(found.items())
        ]
        say(json.dumps(rows, indent=2))
        return OK
    if not found:
        say("no model has an overlay for it")
        return OK
    cells = {pair: f"{CELLS[verdict]} {longest or ''}".rstrip() for pair, (verdict, longest) in found.items()}
    say("\n".join(fleet_lines(cells, sorted(profiles))))
    return OK


def _verdict(launch: Question, changes: Mapping[str, int], sequences: int) -> tuple[str, int]:
    """The verdict, and the longest context that surely fits; a context longer than the model's own fits nowhere."""
    longest = solve(CTX, launch.changed(**changes), sequences).value
    most = most_context(launch)
    if most is not None and changes.get(FIELDS[CTX], 0) > most:
        return DOES_NOT_FIT, int(solve(CTX, launch, sequences).value or 0)
    return held(launch.changed(**changes).answer(), sequences), int(longest or 0)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that fits its card by itself: its share now, and the least with which it surely fits."""

    resident: Resident
    utilization: float
    least: float | None


@dataclass(frozen=True, slots=True)
class Together:
    """What stands on a card of a profile at once: `sets` of models, of which there are more if it is `cut`."""

    profile: str
    room: int
    candidates: Sequence[Candidate]
    sets: Sequence[Sequence[Resident]]
    left_out: Mapping[str, str]
    cut: bool


def say_together(compiled: Compiled, profile: Profile, form: str) -> int:
    """The largest sets of models that start and stay on a card of the profile, with what each of them takes."""
    gpu = profile.gpu
    if gpu is None or gpu.memory is None:
        raise click.UsageError(f"profile `{profile.name}` does not say how much memory its card has")
    candidates, left_out = _candidates(compiled, profile)
    room = gpu.memory - gpu.reserved
    sets = list(islice(maximal([one.resident for one in candidates], room), MOST_SETS + 1)) if candidates else []
    cut, sets = len(sets) > MOST_SETS, sets[:MOST_SETS]
    sets.sort(key=lambda one: (-len(one), sorted(each.name for each in one)))
    found = Together(profile.name, room, candidates, sets, left_out, cut)
    say(json.dumps(_document(found), indent=2) if form == "json" else "\n".join(_lines(found)))
    return OK


def _candidates(compiled: Compiled, profile: Profile) -> tuple[list[Candidate], dict[str, str]]:
    """The models that surely fit by themselves, and why others do not count."""
    found: list[Candidate] = []
    left_out: dict[str, str] = {}
    for subject in compiled.fleet.subjects:
        if subject.profile.name != profile.name:
            continue
        launch = question(subject)
        if subject.state is not State.ACTIVE or launch is None:
            state = str(subject.state) if subject.state is not State.ACTIVE else "its memory is not known"
            left_out[subject.model] = state
            continue
        answer = launch.answer()
        one = resident(subject.model, launch, answer)
        if answer.verdict != FITS or one is None:
            why = "; ".join(answer.missing or answer.reasons)
            left_out[subject.model] = f"{WORDS[answer.verdict]} by itself: {why}" if why else WORDS[answer.verdict]
            continue
        share = answer.granted / (launch.gpu.memory if launch.gpu and launch.gpu.memory else 1)
        least = solve(UTILIZATION, launch).value
        found.append(Candidate(one, launch.settings.gpu_memory_utilization or round(share, 2), least))
    return found, left_out


def _lines(found: Together) -> Iterator[str]:
    yield f"{found.profile}: {gib(found.room)} GiB of a card, less what is reserved"
    if found.candidates:
        head = ["model", "utilization", "needs free", "holds", "least utilization"]
        rows = [
            [
                one.resident.name,
                f"{one.utilization:.2f}",
                f"{gib(one.resident.asks)} GiB",
                f"{gib(one.resident.takes)} GiB",
                "-" if one.least is None else f"{one.least:.2f}",
            ]
            for one in found.candidates
        ]
        yield from (f"  {line}" for line in aligned([head, *rows]))
        yield "these stand on it at once, and none can be added; start them in this order:"
    for one in found.sets:
        total = sum(each.takes for each in one)
        yield f"  {', '.join(each.name for each in one)}: {gib(total)} GiB"
    if found.cut:
        yield f"  and more: only {MOST_SETS} sets are listed"
    for model, why in sorted(found.left_out.items()):
        yield f"left out: {model}: {why}"


def _document(found: Together) -> dict[str, Any]:
    return {
        "profile": found.profile,
        "room": found.room,
        "models": [
            {
                "model": one.resident.name,
                "utilization": one.utilization,
                "needs_free": one.resident.asks,
                "holds": one.resident.takes,
                "least_utilization": one.least,
            }
            for one in found.candidates
        ],
        "sets": [[each.name for each in one] for one in found.sets],
        "complete": not found.cut,
        "left_out": dict(sorted(found.left_out.items())),
    }
