"""What another version of an engine means for the servers that get it: what breaks, what starts differently."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stowplan.engines.advisories import Advisory, affecting
from stowplan.engines.changes import Changes, MovedDefault, changes
from stowplan.engines.flags import version_key
from stowplan.engines.history import default_moves
from stowplan.engines.reserved import RESERVED
from stowplan.nouns.flags import FlagTable
from stowplan.nouns.profile import Engine
from stowplan.nouns.project import State, Subject
from stowplan.pipeline import Compiled
from stowplan.stages.plan.launch import PINNED
from stowplan.words.diagnostic import Diagnostic, Severity
from stowplan.words.layered import Leaf

ADVISORY = "engine-advisory"
"""Told apart from other problems: most versions have some, and what counts is the difference."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A default that is another, for the `models` that leave the flag to the engine.

    `since` is the version that moved it, None if that is not known. `script` says of a flag that every script
    names what they name, and in how many.
    """

    default: MovedDefault
    since: str | None
    models: tuple[str, ...]
    script: tuple[tuple[Any, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What becomes of one profile's `models` that go from version `old` of an engine to `new`.

    `problems` are those they have then and have not now, by model; `shared` those of the profile itself, which
    are every model's; `mended` those that they have now alone. Advisories: `fixed`, those that `stay`, `added`.
    `program` is the executable where that is the same path before and after.
    """

    kind: str
    old: str
    new: str
    profile: str
    models: tuple[str, ...]
    problems: Mapping[str, tuple[Diagnostic, ...]]
    shared: tuple[Diagnostic, ...]
    mended: tuple[Diagnostic, ...]
    moved: tuple[Moved, ...]
    changes: Changes
    program: str | None
    fixed: tuple[Advisory, ...]
    stay: tuple[Advisory, ...]
    added: tuple[Advisory, ...]

    @property
    def broken(self) -> tuple[str, ...]:
        """The models that would not compile; all of them, where the profile does not."""
        if _has_error(self.shared):
            return self.models
        return tuple(model for model in self.models if _has_error(self.problems.get(model, ())))

    @property
    def different(self) -> tuple[str, ...]:
        """The models that start, and not as before."""
        others = {model for moved in self.moved for model in moved.models} | self.problems.keys()
        return tuple(model for model in self.models if model not in self.broken and (self.shared or model in others))


@dataclass(frozen=True, slots=True)
class _Move:
    """An engine of a profile, before and after, and the subjects that it serves then."""

    profile: str
    old: Engine
    new: Engine
    subjects: list[Subject]


def previews(before: Compiled, after: Compiled) -> tuple[Preview, ...]:
    """One for each profile and pair of versions in which `after`, the same project with other pins, differs."""
    moves: dict[tuple[str, str, str], _Move] = {}

    def move(profile: str, old: Engine | None, new: Engine | None) -> _Move | None:
        if old is None or new is None or old.kind != new.kind or old.version.value == new.version.value:
            return None
        return moves.setdefault((profile, old.version.value, new.version.value), _Move(profile, old, new, []))

    earlier = {subject.name: subject for subject in before.fleet.subjects}
    for name, profile in after.fleet.profiles.items():
        for label, engine in profile.engines.items():
            move(name, before.fleet.profiles[name].engines.get(label), engine)
    for subject in after.fleet.subjects:
        if subject.state is not State.STUB and subject.name in earlier:
            found = move(subject.profile.name, earlier[subject.name].engine, subject.engine)
            if found is not None:
                found.subjects.append(subject)
    came = new_problems(before, after)
    worse = {where(problem) for problem in came}  # another problem in the place of one has not mended it
    went = [problem for problem in new_problems(after, before) if where(problem) not in worse]
    return tuple(_preview(one, came, went) for _, one in sorted(moves.items()))


def new_problems(before: Compiled, after: Compiled) -> list[Diagnostic]:
    """The problems that `after` has and `before` has not at the same place."""
    known = {what(problem) for problem in before.diagnostics}
    return [problem for problem in after.diagnostics if what(problem) not in known]


def what(problem: Diagnostic) -> tuple[object, ...]:
    """What makes two problems one: not their messages, which may name the version."""
    return (problem.id, problem.message) if problem.at is None else (problem.id, *where(problem))


def where(problem: Diagnostic) -> tuple[object, ...]:
    """The place of a problem, be it at the key or at the value."""
    at = problem.at
    return () if at is None else (at.file, at.key, at.line, at.column)


def _preview(move: _Move, came: Iterable[Diagnostic], went: Iterable[Diagnostic]) -> Preview:
    files = {f"profiles/{move.profile}.toml", move.new.version.origin.file}
    owners = {file: subject.model for subject in move.subjects for file in _files(subject)}
    problems: dict[str, list[Diagnostic]] = {}
    for problem in came:
        if problem.at is not None and problem.at.file in owners and problem.id != ADVISORY:
            problems.setdefault(owners[problem.at.file], []).append(problem)
    kind, old, new = move.new.kind, move.old.version.value, move.new.version.value
    assert move.old.table is not None and move.new.table is not None  # its kind is one that has tables
    found = changes(move.old.table, move.new.table)
    had, has = affecting(kind, old), affecting(kind, new)
    return Preview(
        kind=kind,
        old=old,
        new=new,
        profile=move.profile,
        models=tuple(subject.model for subject in move.subjects),
        problems={model: tuple(mine) for model, mine in problems.items()},
        shared=tuple(p for p in came if p.at is not None and p.at.file in files and p.id != ADVISORY),
        mended=tuple(p for p in went if p.at is not None and p.at.file in files | owners.keys() and p.id != ADVISORY),
        moved=tuple(_moved(move, found.defaults, move.new.table)),
        changes=found,
        program=None if move.old.executable.value != move.new.executable.value else str(move.new.executable.value),
        fixed=_serious(one for one in had if one not in has),
        stay=_serious(one for one in has if one in had),
        added=_serious(one for one in has if one not in had),
    )


def _moved(move: _Move, defaults: Iterable[MovedDefault], table: FlagTable) -> Iterator[Moved]:
    """The defaults that move under at least one model, or that every script names."""
    for default in defaults:
        if default.flag in RESERVED:
            continue
        set_to = {subject.model: _value(subject, default.flag, table) for subject in move.subjects}
        models = tuple(model for model, leaf in set_to.items() if leaf is None)
        script: tuple[tuple[Any, int], ...] = ()
        if default.flag in PINNED:
            said = Counter(default.new if leaf is None else leaf.value for leaf in set_to.values())
            script = tuple(sorted(said.items(), key=str))
        if models or script:
            yield Moved(default, _since(move, default.flag), models, script)


def _value(subject: Subject, flag: str, table: FlagTable) -> Leaf | None:
    """What the subject says of a flag, in any spelling; for one that is a table, a leaf of it."""
    for name, node in subject.table(table.engine).items():
        if table.canonical(name) == flag:
            return node if isinstance(node, Leaf) else next(iter(_leaves(node)), None)
    return None


def _leaves(tree: Mapping[str, Any]) -> Iterator[Leaf]:
    for node in tree.values():
        if isinstance(node, Leaf):
            yield node
        else:
            yield from _leaves(node)


def _since(move: _Move, flag: str) -> str | None:
    """The version, of those between the two, that moved the default last."""
    first, last = sorted((version_key(move.old.version.value), version_key(move.new.version.value)))
    between = [v for v, _, _ in default_moves(move.new.kind, flag) if first < version_key(v) <= last]
    return between[-1] if between else None


def _files(subject: Subject) -> list[str]:
    """The files that are a model's own, and count for the subject's profile."""
    folder = f"models.d/{subject.model}"
    overlays = [f"{folder}/{name}.toml" for name in ("base", *subject.profile.names)]
    return [folder, f"{folder}/discovered.json", *overlays]


def _serious(found: Iterable[Advisory]) -> tuple[Advisory, ...]:
    """Those that may matter to a server of ours."""
    return tuple(one for one in found if not one.needs or any(need.elsewhere is None for need in one.needs))


def _has_error(problems: Iterable[Diagnostic]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)
