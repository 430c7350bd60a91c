"""What compile says in the end: what was published, and who must restart because of it."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stowplan.cli.console import here, remark
from stowplan.pipeline import Compiled, Published, changes_from
from stowplan.read.diff import Change, document, servers
from stowplan.read.profile import active
from stowplan.report import render, summary
from stowplan.store.generations import current, digest_of_generation
from stowplan.store.publish import What
from stowplan.words.diagnostic import Severity

_LISTED = 6


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compiled, against the generation that is current, None before the first."""

    generation: int | None
    is_up_to_date: bool
    changes: tuple[Change, ...]


def compared(compiled: Compiled, build: Path) -> Comparison:
    """`compiled`, which has no errors, against `current`. Raises `StoreError`."""
    assert compiled.build is not None
    number = current(build)
    same = number is not None and digest_of_generation(build, number) == compiled.build.root.digest
    return Comparison(number, same, () if same else changes_from(build, compiled))


def counts(compiled: Compiled) -> str:
    """`18 models, 4 profiles`."""
    return counted({subject.model for subject in compiled.fleet.subjects}, compiled.fleet.profiles)


def counted(models: Collection[str], profiles: Collection[str]) -> str:
    """The same of any."""
    return f"{_number(len(models), 'model')}, {_number(len(profiles), 'profile')}"


def nothing_published(compiled: Compiled, build: Path) -> str:
    """What is said of inputs with errors."""
    number = current(build)
    stays = f"generation {number} stays current" if number is not None else "there is no build yet"
    return f"{summary(compiled.diagnostics)}. Nothing published; {stays}."


def told(published: Published, build: Path) -> Iterator[str]:
    """What is said of a publication, line by line."""
    compiled, outcome = published.compiled, published.outcome
    assert compiled.build is not None
    assert outcome is not None
    name = f"({compiled.build.root.digest[:12]})"
    if outcome.what is What.ROLLED_BACK:
        yield f"rolled back to {outcome.current}; inputs are generation {outcome.newest}"
        return
    if outcome.what is What.UNCHANGED:
        yield up_to_date(published)
        return
    yield f"published generation {outcome.current} {name}: {_size(compiled)}"
    for profile, entries in (compiled.entries or {}).items():
        started = sum(entry.launch is not None for entry in entries)
        where = f"  {here(build / 'current' / profile / 'launch')}/" if started else ""
        listed = "1 entry" if len(entries) == 1 else f"{len(entries)} entries"
        yield f"  {profile:<20} {listed}, {_number(started, 'script')}{where}"
    yield from radius(published.changes)
    if active(build) is None:
        yield "this machine has no profile yet: `stowplan use PROFILE` makes build/active for consumers"


def up_to_date(published: Published) -> str:
    """What is said where the current generation is what the inputs compile to."""
    compiled, outcome = published.compiled, published.outcome
    assert compiled.build is not None
    assert outcome is not None
    return f"up to date: generation {outcome.current} ({compiled.build.root.digest[:12]}), {_size(compiled)}"


def _size(compiled: Compiled) -> str:
    warnings = sum(d.severity is Severity.WARNING for d in compiled.diagnostics)
    return counts(compiled) + (f", {_number(warnings, 'warning')}" if warnings else "")


def radius(changes: tuple[Change, ...]) -> Iterator[str]:
    """Which servers must restart, which entries changed without that, which came and went."""
    if not changes:
        yield "no launch changed"
        return
    kinds = {
        "must restart": [(c, _arguments(c)) for c in changes if c.server == "restart"],
        "no restart": [(c, _fields(c)) for c in changes if c.what == "changed" and c.server is None],
        "to start": [(c, _fields(c)) for c in changes if c.what == "changed" and c.server == "start"],
        "to stop": [(c, _fields(c)) for c in changes if c.what == "changed" and c.server == "stop"],
        "new": [(c, "") for c in changes if c.what == "added"],
        "gone": [(c, "") for c in changes if c.what == "removed"],
    }
    for kind, found in kinds.items():
        if len(found) > _LISTED and not any(about for _, about in found):
            yield f"{kind:<13} {_number(len(found), 'subject')}"
            continue
        for change, about in found[:_LISTED]:
            yield f"{kind:<13} {change.subject}" + (f"  {about}" if about else "")
        if len(found) > _LISTED:
            yield f"{kind:<13} {len(found) - _LISTED} more: `stowplan diff A B` lists them"


def warn_of_missing_profile(build: Path) -> None:
    """Says what `missing_profile` says."""
    if warning := missing_profile(build):
        remark(warning)


def missing_profile(build: Path) -> str | None:
    """A warning where build/active leads to a profile that the current build lacks: its consumers find nothing."""
    profile = active(build)
    if profile is None or _is_built(profile, build):
        return None
    gone = f"build/active leads to the profile `{profile}`, which generation {current(build)} does not have"
    return f"warning: {gone}: consumers find no registry; `stowplan use PROFILE` chooses another"


def as_json(compiled: Compiled, verdict: Mapping[str, object]) -> str:
    """Diagnostics, what was compiled, and the verdict on it, for a program."""
    found: dict[str, object] = json.loads(render("json", compiled.diagnostics, compiled.sources))
    if compiled.build is not None:
        found["digest"] = compiled.build.root.digest
        found["profiles"] = {name: len(entries) for name, entries in (compiled.entries or {}).items()}
    return json.dumps({**found, **verdict}, indent=2, ensure_ascii=False)


def published_verdict(published: Published, build: Path) -> dict[str, object]:
    """What became of a compilation. `active` is this machine's profile, and whether the current build has it."""
    outcome, profile = published.outcome, active(build)
    if outcome is None:
        return {}
    return {
        "outcome": outcome.what.value,
        "generation": outcome.current,
        "changed": list(outcome.changed),
        **servers(published.changes),
        "no_restart": [c.subject for c in published.changes if c.what == "changed" and c.server is None],
        "active": None if profile is None else {"profile": profile, "built": _is_built(profile, build)},
    }


def compared_verdict(comparison: Comparison) -> dict[str, object]:
    """Whether a compilation is what is current, and what it would change."""
    return {
        "up_to_date": comparison.is_up_to_date,
        "generation": comparison.generation,
        **document(comparison.changes),
    }


def _is_built(profile: str, build: Path) -> bool:
    return (build / "current" / profile).is_dir()


def _arguments(change: Change) -> str:
    """The options that are other now; where none is, the values (a variable, the weights)."""
    came = list(change.added)
    flags = {option.split(" ", 1)[0] for option in came}
    went = [f"without {option}" for option in change.removed if option.split(" ", 1)[0] not in flags]
    return ", ".join([*came, *went]) or _fields(change) or "its weights or template are others"


def _fields(change: Change) -> str:
    return ", ".join(dict.fromkeys(value.path.removeprefix("backend_config.") for value in change.values))


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
