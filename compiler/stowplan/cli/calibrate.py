"""`fit --calibrate`: what the logs of real starts measured goes into `profiles/measured/`, and into every estimate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import click

from stowplan.cli.console import OK, here, say
from stowplan.cli.fix import ChangedMeanwhileError
from stowplan.cli.workspace import Workspace
from stowplan.edit.measured import content, order
from stowplan.fit.bars import gib, ranged
from stowplan.fit.calibration import Lesson, lesson
from stowplan.fit.measured import GIB, MIB, public
from stowplan.fit.settings import settings
from stowplan.fit.span import Span
from stowplan.fit.startup_log import MOST, NoStartError, Startup, knowledge, startup
from stowplan.fit.subject import question
from stowplan.nouns.measured import CACHE, TERMS, Start, measured_file
from stowplan.nouns.profile import Profile
from stowplan.nouns.project import Subject
from stowplan.nouns.roots import resolve
from stowplan.pipeline import Compiled, compile_sources
from stowplan.words.durable import replace_file


class LogRefusedError(click.ClickException):
    """A log that nothing can be learnt from; says which, and why."""

    def __init__(self, log: Path, reason: object) -> None:
        super().__init__(f"nothing is learnt from {str(here(log.absolute()))!r}: {reason}")


@dataclass(frozen=True, slots=True)
class _Read:
    """One log, the subject it is of, and what it teaches."""

    log: Path
    subject: Subject
    start: Start


def calibrate(
    workspace: Workspace, compiled: Compiled, profile: Profile, meant: Subject | None, logs: Sequence[Path]
) -> int:
    """Learns from `logs`, all of `profile`, of the subject that is `meant` or else of the one each log names.

    Nothing is written unless all of them are sound. Raises LogRefusedError, ChangedMeanwhileError, OSError.
    """
    file = measured_file(profile.name)
    have = compiled.loaded.measured.get(profile.name)
    if have is None and file in compiled.sources:
        raise click.UsageError(f"`{file}` cannot be read as it stands, so nothing is added to it: `stowplan check`")
    gpu = profile.gpu
    if gpu is None:
        raise click.UsageError(f"`{profile.name}` has no GPU, so there is nothing to measure on it")
    found: list[_Read] = []
    for log in logs:
        read = _read(log, compiled, profile, meant, file)
        _agree(read, found)
        found.append(read)
    new = {order(read.start): read.start for read in found}
    is_same_card = have is not None and (have.gpu, have.memory) == (gpu.name, gpu.memory)
    kept = [start for start in have.starts if _holds(start, profile)] if have is not None and is_same_card else []
    rows = {order(start): start for start in kept} | new
    after = compile_sources({**compiled.sources, file: content(gpu.name, gpu.memory, rows.values())})
    for read in found:
        say("\n".join(_lines(read, after)))
    _write(workspace.project / file, compiled.sources.get(file), after.sources[file])
    say(f"wrote {file}" if compiled.sources.get(file) != after.sources[file] else f"{file} says so already")
    return OK


def _read(log: Path, compiled: Compiled, profile: Profile, meant: Subject | None, file: str) -> _Read:
    """A log with what it teaches. Raises LogRefusedError, OSError."""
    with log.open("rb") as opened:
        text = opened.read(MOST)
    asked = [(one, launch) for one in compiled.fleet.subjects if one.profile is profile and (launch := question(one))]
    kinds = {launch.kind for _, launch in asked} if meant is None or meant.engine is None else {meant.engine.kind}
    try:
        (kind,) = kinds
        written = startup(kind, text)
    except NoStartError as problem:
        raise LogRefusedError(log, problem) from None
    except ValueError:
        raise click.UsageError(f"no model on `{profile.name}` is served by an engine whose memory is known") from None
    subject = _named(log, written, [one for one, _ in asked], meant)
    launch = next((launch for one, launch in asked if one is subject), None)
    if launch is None or subject.engine is None:
        raise click.UsageError(f"`{subject.name}`: no engine whose memory is known serves it, or its facts are missing")
    try:
        learnt: Lesson = lesson(written, launch)
    except NoStartError as problem:
        raise LogRefusedError(log, f"{problem} (taken to be of {subject.name})") from None
    start = Start(
        file=file,
        number=0,
        model=subject.model,
        engine=subject.engine.label,
        kind=kind,
        version=public(written.version),
        launch=learnt.launch,
        mib=learnt.mib,
        kv_tokens=learnt.kv_tokens,
    )
    return _Read(log, subject, start)


def _named(log: Path, written: Startup, subjects: Sequence[Subject], meant: Subject | None) -> Subject:
    """The subject that a log is of: by where the model lies, what it is served as, its repository, its folder's name.

    What is `meant` has to be one of those, unless the log names no subject at all.
    """
    paths = {*_values(written, "model"), *_values(written, "model_tag")}
    served = set(_values(written, "served_model_name"))
    tails = {PurePosixPath(path).name for path in paths}
    for said, names in ((paths, _paths), (served, _served), (paths, _repositories), (tails, _tails)):
        hits = [subject for subject in subjects if said & set(names(subject))]
        if meant in hits or len(hits) == 1:
            found = meant if meant is not None and meant in hits else hits[0]
            if meant is not None and found is not meant:
                raise LogRefusedError(log, f"it is of {found.name}, not of {meant.name}")
            return found
        if hits:
            names_ = ", ".join(subject.name for subject in hits)
            raise LogRefusedError(log, f"it may be of {names_}; name the SUBJECT")
    if meant is not None:
        return meant
    shown = ", ".join(sorted(map(repr, (*paths, *served)))) or "nothing"
    raise LogRefusedError(log, f"it is of {shown[:300]}, which is no model of this profile; name the SUBJECT if it is")


def _values(written: Startup, name: str) -> list[str]:
    said = [written.arguments.get(name), written.configuration.get(name)]
    flat = [item for value in said for item in (value if isinstance(value, list) else [value])]
    return [item.rstrip("/") for item in flat if isinstance(item, str)]


def _paths(subject: Subject) -> Iterable[str]:
    assert subject.facts is not None  # only of those with facts is anything asked
    location = subject.facts.location
    yield str(resolve(f"{location.root}:{location.path}", subject.profile.roots))


def _served(subject: Subject) -> Iterable[Any]:
    yield subject.value("served-name") or subject.value("name") or subject.model


def _repositories(subject: Subject) -> Iterable[str]:
    assert subject.facts is not None
    yield subject.facts.source.repo or ""


def _tails(subject: Subject) -> Iterable[str]:
    assert subject.facts is not None
    yield PurePosixPath(subject.facts.location.path).name


def _agree(read: _Read, others: Sequence[_Read]) -> None:
    """Raises LogRefusedError where another log measured something else of the same launch."""
    new = read.start
    most = 2 * knowledge(new.kind)["resolution-gib"] * GIB / MIB
    for other in others:
        old = other.start
        if order(old) != order(new):
            continue
        for term in TERMS:
            if term in old.mib and term in new.mib and abs(old.mib[term] - new.mib[term]) > most:
                there = f"{str(here(other.log.absolute()))!r} has {old.mib[term]:g}"
                reason = f"it has {new.mib[term]:g} MiB of {term} where {there}, for the same launch"
                raise LogRefusedError(read.log, f"{reason} of {read.subject.name}")


def _holds(start: Start, profile: Profile) -> bool:
    """Whether a row is of an engine as the profile has it."""
    engine = profile.engines.get(start.engine)
    return engine is not None and public(engine.version.value) == public(start.version)


def _write(path: Path, before: bytes | None, after: bytes) -> None:
    """Raises ChangedMeanwhileError where the file is another than when it was read."""
    if before is None and not path.is_symlink() and not path.exists():
        replace_file(path, after)
    elif path.is_symlink() or not path.is_file() or path.read_bytes() != before:
        raise ChangedMeanwhileError(f"{path.parent.parent.name}/{path.parent.name}/{path.name}")
    elif before != after:
        replace_file(path, after, mode=path.stat().st_mode & 0o7777)


def _lines(read: _Read, after: Compiled) -> list[str]:
    """What was measured, and what the same launch was estimated to leave for its cache before, and is now."""
    old = question(read.subject)
    new = next(question(one) for one in after.fleet.subjects if one.name == read.subject.name)
    assert old is not None and new is not None  # there was something to ask
    mib = ", ".join(f"{term} {amount:g}" for term, amount in read.start.mib.items())
    started = settings(read.start.launch, {})
    was, now = (replace(asked, settings=started).answer().pool for asked in (old, new))
    cache = Span.exact(int(read.start.mib[CACHE] * MIB))
    tokens = "" if read.start.kv_tokens is None else f", {read.start.kv_tokens} tokens"
    return [
        f"{read.subject.name}: learnt from {str(here(read.log.absolute()))!r}, {read.start.kind} {read.start.version}",
        f"  MiB: {mib}",
        f"  KV cache: {gib(cache.likely)} GiB were left{tokens}; estimated {ranged(was)} before, {ranged(now)} now",
    ]
