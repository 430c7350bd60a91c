"""The work behind `check --fix`: what can be put right without a decision, applied to the files."""

import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from stowplan.edit.fixes import applied
from stowplan.edit.pins import moved_pins, with_settings
from stowplan.edit.plain import MISSING, at
from stowplan.edit.written import same, written
from stowplan.inputs import Sources
from stowplan.nouns.profile import Engine
from stowplan.pipeline import Compiled, compile_sources
from stowplan.report.locate import Locator
from stowplan.words.diagnostic import Diagnostic, Fix
from stowplan.words.durable import replace_file
from stowplan.words.keypath import format_keypath
from stowplan.words.layered import Origin

ROUNDS = 8
"""Fixes may chain (a flag gets its new name, then its value another form); more often than so, they go in circles."""


class ChangedMeanwhileError(click.ClickException):
    """A file is another than when it was read. Says which."""

    def __init__(self, file: str) -> None:
        super().__init__(f"`{file}` has changed since it was read: nothing was written; run this again")


@dataclass(frozen=True, slots=True)
class Step:
    """A fix that was applied, or that was left, then with the `reason`; where, and in words what it does."""

    fix: Fix
    where: str
    what: str
    reason: str | None = None

    def __str__(self) -> str:
        """One line: `models.d/a/rtx.toml:5: max_model_len → max-model-len`."""
        return f"{self.where}: {self.what}" + ("" if self.reason is None else f": left, since {self.reason}")


@dataclass(frozen=True, slots=True)
class Fixed:
    """What sources compile to after all fixes, and the steps that led there.

    The problems whose fixes were left have none any more: nothing that they promise would happen.
    """

    compiled: Compiled
    done: tuple[Step, ...]
    left: tuple[Step, ...]


Compile = Callable[[Sources], Compiled]


def fixed_tree(
    project: Path,
    compiled: Compiled,
    concerns: Callable[[Diagnostic], bool] = lambda _: True,
    *,
    strict: bool = False,
    allowed: Collection[str] = (),
) -> Fixed:
    """`compiled`, the working tree, with the fixes of those of its problems that `concerns` lets through.

    The files are written. Raises ChangedMeanwhileError, OSError.
    """

    def compile_again(sources: Sources) -> Compiled:
        return compile_sources(sources, _unread(compiled), strict=strict, allowed=allowed)

    found = fixed(compiled, compile_again, concerns)
    write(project, compiled.sources, found.compiled.sources)
    return found


def fixed(compiled: Compiled, compile_again: Compile, concerns: Callable[[Diagnostic], bool] = lambda _: True) -> Fixed:
    """The same in memory: nothing is written."""
    done: list[Step] = []
    left: list[Step] = []
    for _ in range(ROUNDS):
        found = [problem.fix for problem in compiled.diagnostics if problem.fix is not None and concerns(problem)]
        refused = [step.fix for step in left]
        fixes = [fix for index, fix in enumerate(found) if fix not in refused and fix not in found[:index]]
        consent, locator = Consent(compiled, compile_again), Locator(compiled.sources)

        def step(fix: Fix, reason: str | None = None, now: Compiled = compiled, locator: Locator = locator) -> Step:
            where = locator.where(Origin(fix.file, fix.key))
            return Step(fix, where, in_words(fix, now.sources), reason)

        sources = dict(compiled.sources)
        for file in dict.fromkeys(fix.file for fix in fixes):
            reasons = [(fix, consent.against(fix)) for fix in fixes if fix.file == file]
            result = applied(sources[file], [fix for fix, reason in reasons if reason is None])
            sources[file] = result.content
            done += [step(fix) for fix in result.done]
            left += [step(fix, reason) for fix, reason in reasons if reason is not None]
            left += [step(bad.fix, bad.reason) for bad in result.left]
        if sources == compiled.sources:
            break
        compiled = compile_again(sources)
    refused = [step.fix for step in left]
    remaining = tuple(replace(p, fix=None) if p.fix in refused else p for p in compiled.diagnostics)
    return Fixed(replace(compiled, diagnostics=remaining), tuple(done), tuple(left))


@dataclass(slots=True)
class Consent:
    """Whether a fix is right for all that a file counts for.

    A base.toml counts for a model on every profile, and a profile's defaults for all of its engines. What one
    version of an engine takes amiss may be right for another: then a person has to say what is meant where.
    """

    compiled: Compiled
    compile_again: Compile
    _at: dict[tuple[str, str], list[Fix]] = field(default_factory=dict)

    def against(self, fix: Fix) -> str | None:
        """Why the fix is not to be applied; None if nothing speaks against it."""
        engines = {(engine.kind, engine.version.value): engine for engine in self._engines(fix.file)}
        if len(engines) < 2:
            return None
        for (kind, version), engine in engines.items():
            if fix not in self._fixes(kind, version):
                pinned = f"{kind} {version} (pinned in {engine.version.origin.file})"
                return f"{pinned} takes it as it is; say in the overlays what is meant where"
        return None

    def _engines(self, file: str) -> Iterator[Engine]:
        """The engines that what `file` says is for."""
        folder, _, rest = file.partition("/")
        name = rest.rpartition("/")[2].removesuffix(".toml")
        if folder == "profiles":
            for profile in self.compiled.fleet.profiles.values():
                if name in profile.names:
                    yield from profile.engines.values()
            return
        for subject in self.compiled.fleet.subjects:
            is_its = subject.model == rest.partition("/")[0] and name in ("base", *subject.profile.names)
            if is_its and subject.engine is not None:
                yield subject.engine

    def _fixes(self, kind: str, version: str) -> list[Fix]:
        """What there would be to fix if every engine of that kind were that version."""
        if (kind, version) not in self._at:
            sources = dict(self.compiled.sources)
            for setting in moved_pins(self.compiled.fleet, kind, version):
                sources[setting.file] = with_settings(sources[setting.file], [setting])
            found = self.compile_again(sources).diagnostics
            self._at[kind, version] = [problem.fix for problem in found if problem.fix is not None]
        return self._at[kind, version]


def write(project: Path, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> None:
    """Writes the files of `after` that are others than those of `before`, each as a whole, its mode kept.

    None is written unless the disk holds what `before` says of all of these. Raises ChangedMeanwhileError, OSError.
    """
    changed = {project / file: content for file, content in after.items() if content != before.get(file)}
    for path in changed:
        file = path.relative_to(project).as_posix()
        if path.is_symlink() or not path.is_file() or path.read_bytes() != before.get(file):
            raise ChangedMeanwhileError(file)
    for path, content in changed.items():
        replace_file(path, content, mode=path.stat().st_mode & 0o7777)


def in_words(fix: Fix, sources: Mapping[str, bytes]) -> str:
    """What a fix does: `max_model_len → max-model-len`, `dtype = 16 → dtype = "16"`, `swap-space = 4 → removed`."""
    old = at(tomllib.loads(sources[fix.file].decode("utf-8-sig")), fix.key)
    paths = [fix.key, *(path for path, _ in fix.put)]
    depth = 2 if fix.key[0] == "defaults" else 1
    if any(len(path) <= depth or path[:depth] != fix.key[:depth] for path in paths):
        depth = 0
    before = format_keypath(fix.key[depth:])
    if not fix.put:
        return f"{before}{value_in_words(old)} → removed"
    is_moved = len(fix.put) == 1 and fix.put[0][0] != fix.key and same(old, fix.put[0][1])
    if is_moved:
        return f"{before} → {format_keypath(fix.put[0][0][depth:])}"
    after = ", ".join(f"{format_keypath(path[depth:])}{value_in_words(value)}" for path, value in fix.put)
    return f"{before}{value_in_words(old)} → {after}"


def value_in_words(value: object) -> str:
    """` = 4`, or nothing where that would be long."""
    text = "" if value is MISSING else written(value)
    return f" = {text}" if text and len(text) <= 60 and "\n" not in text else ""


def _unread(compiled: Compiled) -> Sequence[Diagnostic]:
    """The problems of reading the files, which compiling them again would not find."""
    return [d for d in compiled.diagnostics if d.id == "unreadable-file" and d.at and d.at.file not in compiled.sources]
