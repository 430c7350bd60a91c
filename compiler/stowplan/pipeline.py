"""The order of the stages, and nothing else that knows it.

    sources ─load─► project ─merge─► fleet ─check─► (sound?) ─plan─► entries ─emit─► artifacts ─► build ─► store

Everything up to the build is pure: the same sources give the same bytes on any machine.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stowplan import __version__
from stowplan.inputs import Sources, disk, git
from stowplan.nouns.artifact import Build, profile_object, root_object
from stowplan.nouns.entry import Entry
from stowplan.nouns.profile import Engine
from stowplan.nouns.project import Fleet, Project
from stowplan.read.diff import Change, diff
from stowplan.read.registry import REGISTRY, Rows, UnreadableBuildError, rows, rows_of
from stowplan.stages.check import check
from stowplan.stages.emit import emit
from stowplan.stages.load import load
from stowplan.stages.merge import merge
from stowplan.stages.plan import plan
from stowplan.store.fresh import names
from stowplan.store.lock import locked
from stowplan.store.publish import Outcome, What, publish
from stowplan.store.stamp import begun, stamp, write
from stowplan.words.diagnostic import Diagnostic, Severity, has_errors
from stowplan.words.digest import sha256

BUILD = "build"
Step = Callable[[str, str], None]
"""Told when a stage begins: its name, and what it has before it."""
NEAREST = ("engine-version-unknown",)
"""What `--allow-nearest` allows."""
UNFIT = ("does-not-fit", "fits-not-together")
"""What `--allow-unfit` allows."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """What sources compile to. `entries` (profile → its entries) and `build` are there only without errors."""

    sources: Sources
    loaded: Project
    fleet: Fleet
    diagnostics: tuple[Diagnostic, ...]
    entries: Mapping[str, tuple[Entry, ...]] | None = None
    build: Build | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """A compilation and what became of it; `outcome` is None where nothing could be published.

    `changes` are those from what was current before. `seen` is what was looked at for it, from the time `begun` on.
    """

    compiled: Compiled
    outcome: Outcome | None = None
    changes: tuple[Change, ...] = ()
    seen: Mapping[str, disk.Seen] = field(default_factory=dict)
    begun: int = 0


def compile_sources(
    sources: Sources,
    unread: Sequence[Diagnostic] = (),
    *,
    strict: bool = False,
    allowed: Collection[str] = (),
    step: Step = lambda name, doing: None,  # noqa: ARG005
) -> Compiled:
    """The way from sources to a build, in its order.

    `unread` are the problems of reading the sources; `strict` takes warnings for errors; problems whose ids are
    `allowed` (`NEAREST`, `UNFIT`) are warnings. `step` is told how far it is.
    """
    step("load", f"{len(sources):,} files")
    project, malformed = load(sources, [problem.at.file for problem in unread if problem.at is not None])
    step("merge", f"{len(project.models):,} models on {len(project.profiles):,} profiles")
    fleet, unmerged = merge(project)
    step("check", f"{len(fleet.subjects):,} subjects")
    problems = [*unread, *malformed, *unmerged, *check(project, fleet)]
    found = _settled(problems, strict=strict, allowed=allowed)
    if has_errors(found):
        return Compiled(sources, project, fleet, found)
    step("plan", f"{len(fleet.subjects):,} subjects")
    entries = plan(fleet)
    step("emit", f"{len(entries):,} profiles")
    return Compiled(sources, project, fleet, found, entries, _build(sources, fleet, entries))


def compile_tree(
    project: Path,
    *,
    strict: bool = False,
    allowed: Collection[str] = (),
    step: Step = lambda name, doing: None,  # noqa: ARG005
) -> Compiled:
    """The working tree, compiled in memory."""
    step("read", str(project))
    return compile_sources(*disk.read(project), strict=strict, allowed=allowed, step=step)


def compile_revision(project: Path, revision: str) -> Compiled:
    """A git revision, compiled in memory. Raises `git.GitError`."""
    return compile_sources(*git.read(project, revision))


def publish_tree(
    project: Path,
    *,
    strict: bool,
    allowed: Collection[str] = (),
    lock_timeout: float | None,
    waiting: Callable[[str], None],
    step: Step,
) -> Published:
    """The working tree, compiled and published. Raises `StoreError`.

    The inputs are read under the lock: a compile that read them before could publish old ones last.
    """
    build = project / BUILD
    with locked(build, timeout=lock_timeout, waiting=waiting):
        step("read", str(project))
        now = begun(build)
        survey = disk.survey(project)
        compiled = compile_sources(survey.sources, survey.problems, strict=strict, allowed=allowed, step=step)
        if compiled.build is None:
            return Published(compiled)
        step("compare", "with what is current")
        changes = changes_from(build, compiled)
        changed = [change.subject for change in changes if change.server is not None]
        step("store", f"{sum(len(profile.files) for profile in compiled.build.profiles.values()):,} files")
        models = len({subject.model for subject in compiled.fleet.subjects})
        outcome = publish(build, compiled.build, commit=git.head(project), changed=changed, models=models)
        return Published(compiled, outcome, changes, survey.seen, now)


def remember(project: Path, published: Published, asked: Collection[str], answer: tuple[str, str, str]) -> None:
    """Notes that this answers a compile with the options `asked`, for as long as nothing is touched.

    Only what is current can be stamped: not inputs that someone rolled back from.
    """
    compiled, outcome = published.compiled, published.outcome
    if compiled.build is None or outcome is None or outcome.what is What.ROLLED_BACK:
        return
    inputs = {
        name: (seen.state, compiled.sources[name] if name in compiled.sources else names(list(seen.names)))
        for name, seen in published.seen.items()
    }
    new = stamp(
        project,
        BUILD,
        asked=tuple(sorted(asked)),
        begun=published.begun,
        inputs=inputs,
        current=(outcome.current, compiled.build.root.digest),
        profiles=[profile.digest for profile in compiled.build.profiles.values()],
        answer=answer,
    )
    write(project / BUILD, new)


def changes_from(build: Path, compiled: Compiled) -> tuple[Change, ...]:
    """What publishing `compiled` would change for those who follow `current`; without a build, all is new."""
    try:
        before = rows(build / "current")
    except UnreadableBuildError:
        before = {}
    return diff(before, compiled_rows(compiled))


def compiled_rows(compiled: Compiled) -> Rows:
    """The registries that were compiled, as a consumer would read them."""
    profiles = {} if compiled.build is None else compiled.build.profiles
    return rows_of(
        {name: next(f.content for f in built.files if f.path == REGISTRY) for name, built in profiles.items()}
    )


def _settled(found: Sequence[Diagnostic], *, strict: bool, allowed: Collection[str]) -> tuple[Diagnostic, ...]:
    """Each problem once; what is `allowed` as a warning; under `strict`, warnings as errors."""
    once = [replace(d, severity=Severity.WARNING) if d.id in allowed else d for d in dict.fromkeys(found)]
    if not strict:
        return tuple(once)
    return tuple(replace(d, severity=Severity.ERROR) if d.severity is Severity.WARNING else d for d in once)


def _unverified(engine: Engine) -> dict[str, str]:
    """What the build says of an engine whose flags were checked against another version's table."""
    if engine.is_verified or engine.table is None:
        return {}
    return {"flags": "unverified", "flag_table": engine.table.version}


def _build(sources: Sources, fleet: Fleet, entries: Mapping[str, tuple[Entry, ...]]) -> Build:
    profiles = {name: profile_object(name, emit(fleet.profiles[name], rows)) for name, rows in entries.items()}
    about = {
        "compiler": {"name": "stowplan", "version": __version__},
        "engines": {
            profile.name: {
                label: {"kind": engine.kind, "version": engine.version.value, **_unverified(engine)}
                for label, engine in sorted(profile.engines.items())
            }
            for profile in fleet.profiles.values()
        },
        "inputs": {file: sha256(content) for file, content in sources.items()},
    }
    return Build(root_object(profiles, about), profiles)
