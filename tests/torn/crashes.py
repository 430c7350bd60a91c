"""A command that is stopped at one of its system calls, and what must hold then.

`current` leads to a whole build, the one of before or the one that was to come; nothing that has its name is
torn; what the command says is a sentence; and the next compile succeeds and leaves nothing that is not whole.
"""

import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from stowplan.store.disk import discard
from torn import whole
from torn.commands import Command, Start, ended
from torn.injections import Call, Ending, Trace, injection
from torn.programs import Program

NEXT = ("compile", "--lock-timeout", "5")


Prepare = Callable[[Program, Path], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a project comes to be as it is, and the command that is stopped."""

    prepare: Prepare
    command: Command = ("compile",)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A project to copy; what its `current` leads to, and to what the command, undisturbed, makes it lead."""

    program: Program
    project: Path
    command: Command
    before: str | None
    after: str
    torn: frozenset[str]
    calls: tuple[Call, ...]


def _compiled(*numbers: int) -> Prepare:
    """Inputs that are laid and compiled one after the other, but for the last, which are only laid."""

    def prepare(program: Program, project: Path) -> None:
        *before, last = numbers
        for number in before:
            program.lay(project, number)
            assert program.call(project, "compile")[0] == 0
        program.lay(project, last)

    return prepare


def _damaged(program: Program, project: Path) -> None:
    """As a second compile, and what it has in common with the first is damaged."""
    _compiled(1, 2)(program, project)
    script = project / "build/current/desk/launch/qwen.sh"
    script.chmod(0o755)
    script.write_text("#!/bin/sh\nexit\n")


def _aged(program: Program, project: Path) -> None:
    """Four generations, published long ago by all that a person can set: not change times."""
    _compiled(1, 2, 3, 4, 4)(program, project)
    folder = project / "build/generations"
    log = folder / "log.jsonl"
    log.write_text(re.sub(r'"time":"[^"]*"', '"time":"2020-01-01T00:00:00Z"', log.read_text()))
    for path in folder.iterdir():
        os.utime(path, (1e9, 1e9), follow_symlinks=False)


SCENARIOS = {
    "a first compile": Scenario(_compiled(1)),
    "a second compile": Scenario(_compiled(1, 2)),
    "a compile of what was compiled before": Scenario(_compiled(1, 2, 1)),
    "a compile that heals": Scenario(_damaged),
    "a rollback": Scenario(_compiled(1, 2, 2), ("rollback",)),
}
SCENARIOS["a gc"] = Scenario(_aged, ("gc", "--keep", "2"))


def prepared(scenario: Scenario, program: Program, trace: Trace, folder: Path) -> Prepared:
    """The scenario's project, made in `folder`, and the calls that its command makes there."""
    project = folder / "prepared"
    scenario.prepare(program, project)
    before, torn = whole.current_digest(project / "build"), frozenset(whole.torn(project / "build"))
    code, said = program.call(_copied(project, folder / "warm"), *scenario.command)  # some imports come late
    assert code == 0, said
    copy = _copied(project, folder / "watched")
    ending = trace(copy, scenario.command, None)
    assert ending.code == 0, ending.said
    after = whole.current_digest(copy / "build")
    assert after is not None
    return Prepared(program, project, scenario.command, before, after, torn, tuple(ending.calls))


def faults_at(case: Prepared, call: Call, fault: str, trace: Trace, place: Path) -> list[str]:
    """What was wrong after `fault` at `call`, a sentence each. `place` is a free path for a copy of the project."""
    project = _copied(case.project, place)
    ending = trace(project, case.command, injection(call, fault))
    found = [*_manner(call, ending), *_state(case, project / "build", ending.code)]
    found += _next(case, project / "build", *case.program.call(project, *NEXT))
    discard(project)
    return [f"{fault} at {call}: {line}" for line in found]


def kill_at_random(
    program: Program, project: Path, start: Start, times: int, lasting: float, dice: random.Random
) -> Iterator[str]:
    """Compiles of changing inputs, killed after anything up to `lasting` seconds. Out: what was wrong then."""
    build = project / "build"
    for number in range(1, times + 1):
        program.lay(project, number)
        may_be = {whole.current_digest(build), program.digest(project)}
        process = start(project, NEXT, project / "said")
        wait = dice.uniform(0, lasting)
        time.sleep(wait)
        os.kill(process, signal.SIGKILL)
        ended(process)
        yield from (f"kill {number} after {wait:.4f} s: {line}" for line in _torn_or_lost(build, may_be))
    code, said = program.call(project, *NEXT)
    if code != 0:
        yield said
    yield from (*whole.torn(build), *whole.leftovers(build), *_books(build))
    if whole.current_digest(build) != program.digest(project):
        yield "the last inputs are not current"


def _manner(call: Call, ending: Ending) -> Iterator[str]:
    if not ending.was_hit:
        yield f"the call did not come again:\n{ending.log}"
    if "Traceback" in ending.said or "bug in Stowplan" in ending.said:
        yield f"it said:\n{ending.said}"
    if ending.code not in (-9, 0, 1, 2):
        yield f"exit code {ending.code}: {ending.said}"
    if ending.code in (1, 2) and "error: " not in ending.said and not call.text.startswith(("write(1,", "write(2,")):
        yield f"exit code {ending.code} without a word: {ending.said!r}"


def _state(case: Prepared, build: Path, code: int) -> Iterator[str]:
    may_be = {case.after} if code == 0 else {case.before, case.after}
    yield from (line for line in _torn_or_lost(build, may_be) if line not in case.torn)


def _next(case: Prepared, build: Path, code: int, said: str) -> Iterator[str]:
    if code != 0:
        yield f"the next compile failed: {said}"
        return
    yield from (f"after the next compile: {line}" for line in [*whole.torn(build), *_books(build)])
    yield from (f"after the next compile {name} is left" for name in whole.leftovers(build))
    may_be = {case.after} if case.command[0] == "compile" else {case.before, case.after}
    if whole.current_digest(build) not in may_be:
        yield f"the next compile made {whole.current_digest(build)} current"


def _torn_or_lost(build: Path, may_be: set[str | None]) -> list[str]:
    found = whole.torn(build)
    try:
        digest = whole.current_digest(build)
    except OSError:
        return [*found, "current dangles"]
    return found if digest in may_be else [*found, f"current is {digest or 'gone'}"]


def _books(build: Path) -> Iterator[str]:
    """Whether every generation stands in the log once, under a number of its own."""
    logged = whole.numbers_in_log(build)
    if len(set(logged)) < len(logged):
        yield f"a number was given twice: {logged}"
    if unlogged := set(whole.numbers(build)) - set(logged):
        yield f"the log does not know {sorted(unlogged)}"


def _copied(project: Path, place: Path) -> Path:
    shutil.copytree(project, place, symlinks=True)
    return place


def free_places(folder: Path) -> Iterator[Path]:
    """Paths in `folder` that nothing has."""
    return (folder / f"case-{number}" for number in count(1))
