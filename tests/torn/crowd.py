"""Many at once: writers that edit their model and compile, readers, a collector of garbage, and compiles frozen
at any moment.

The inputs only ever grow: a writer's n-th edit says n. So a reader sees at once what must not be: a build of two
generations (the models do not agree on what their profile says), a missing one, or a stale one (a number smaller
than in a generation before). And in the end everything that was edited last is current.
"""

import json
import os
import random
import re
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from stowplan.read.reader import Registry
from torn import whole
from torn.commands import Command, Start, ended
from torn.programs import COMMAND_LINE
from torn.small_projects import MODELS, edit, lay_many

GC: Command = ("gc", "--keep", "1", "--older-than", "0d")
_PUBLISHED = re.compile(r"^published generation ([0-9]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Crowd:
    """A project that many use, for so many seconds; whoever finds something wrong ends it for all, by a file `over`."""

    project: Path
    start: Start
    seconds: float
    seed: int

    @property
    def build(self) -> Path:
        return self.project / "build"

    @property
    def reports(self) -> Path:
        return self.project.with_name("reports")

    def is_over(self) -> bool:
        return time.monotonic() > self._end or (self.reports / "over").exists()

    @property
    def _end(self) -> float:
        return float((self.reports / "end").read_text())


def wrongs(crowd: Crowd) -> list[str]:
    """Lets all of them loose. Out: what anyone found wrong, and what is wrong in the end."""
    lay_many(crowd.project)
    code, said = COMMAND_LINE.call(crowd.project, "compile")
    assert code == 0, said
    crowd.reports.mkdir()
    (crowd.reports / "end").write_text(str(time.monotonic() + crowd.seconds))
    roles: dict[str, Callable[[random.Random], None]] = {
        **{f"writer {number}": lambda dice, number=number: _write(crowd, number, dice) for number in range(MODELS)},
        **{f"reader {number}": lambda dice: _read(crowd, dice) for number in range(MODELS)},
    }
    roles["collector"] = lambda dice: _collect(crowd, dice)
    children = {name: _child(crowd, name, act) for name, act in roles.items()}
    codes = {name: ended(child) for name, child in children.items()}
    found = [f"{name}: {(crowd.reports / name).read_text()}" for name, code in codes.items() if code != 0]
    return found or list(_in_the_end(crowd))


def _child(crowd: Crowd, name: str, act: Callable[[random.Random], None]) -> int:
    """Does `act` in a fork of this process; what it raises is written into its report."""
    child = os.fork()
    if child != 0:
        return child
    code = 1
    try:
        act(random.Random(f"{crowd.seed} {name}"))
        code = 0
    except BaseException:
        (crowd.reports / name).write_text(traceback.format_exc())
        (crowd.reports / "over").touch()
    finally:
        os._exit(code)


def _write(crowd: Crowd, number: int, dice: random.Random) -> None:
    """Edits and compiles, again and again; notes each generation that it published."""
    said, mine = crowd.reports / f"said by {number}", crowd.reports / f"published by {number}"
    mine.touch()
    for length in count(1):
        if crowd.is_over():
            return
        edit(crowd.project, number, length)
        compiling = crowd.start(crowd.project, ("compile",), said)
        if dice.random() < 0.3:
            _freeze(compiling, dice)
        code, words = ended(compiling), said.read_text()
        assert code == 0, words
        if match := _PUBLISHED.search(words):
            with mine.open("a") as numbers:
                numbers.write(f"{match[1]}\n")


def _freeze(process: int, dice: random.Random) -> None:
    """Stops a process for a while; if it has ended by then, nothing happens, since nobody waited for it yet."""
    time.sleep(dice.uniform(0, 0.1))
    os.kill(process, signal.SIGSTOP)
    time.sleep(dice.uniform(0, 0.3))
    os.kill(process, signal.SIGCONT)


def _read(crowd: Crowd, dice: random.Random) -> None:
    """Follows the registry as a consumer does, by its library and by its path."""
    registry = Registry(crowd.build, "card")
    last, seen = 0, [0] * MODELS
    while not crowd.is_over():
        least = _current(crowd.build)
        snapshot = registry.snapshot()
        assert registry.problem is None, registry.problem
        assert snapshot.generation >= max(last, least), f"generation {snapshot.generation} after {max(last, least)}"
        lengths = _lengths([entry.raw for entry in snapshot.entries()])
        assert snapshot.generation > last or lengths == seen, f"generation {last} was {seen} and is {lengths}"
        assert all(new >= old for new, old in zip(lengths, seen, strict=True)), f"{lengths} is older than {seen}"
        last, seen = snapshot.generation, lengths
        if dice.random() < 0.05:
            faults = whole.object_faults(snapshot.path)
            assert faults == [] or _current(crowd.build) > last, faults
        _lengths(json.loads((crowd.build / "current/card/model_registry.json").read_bytes()))
        time.sleep(dice.uniform(0, 0.01))


def _collect(crowd: Crowd, dice: random.Random) -> None:
    """Collects garbage as eagerly as can be asked for."""
    said = crowd.reports / "said by gc"
    while not crowd.is_over():
        code = ended(crowd.start(crowd.project, GC, said))
        assert code == 0, said.read_text()
        time.sleep(dice.uniform(0, 0.1))


def _lengths(rows: list[dict[str, object]]) -> list[int]:
    """What each model's writer wrote last; AssertionError if they are not all of one generation."""
    arguments = [row["backend_config"]["argv"] for row in rows]  # type: ignore[index]
    assert len(arguments) == MODELS, f"{len(arguments)} models of {MODELS}"
    assert len({_value(argv, "--max-num-seqs") for argv in arguments}) == 1, "two generations in one"
    return [_value(argv, "--max-model-len") for argv in arguments]


def _value(argv: list[str], flag: str) -> int:
    return int(argv[argv.index(flag) + 1])


def _current(build: Path) -> int:
    return int((build / "current").readlink().name)


def _in_the_end(crowd: Crowd) -> Iterator[str]:
    """Nothing torn, missing, stale or lost."""
    yield from (*whole.torn(crowd.build), *whole.leftovers(crowd.build))
    if whole.current_digest(crowd.build) != COMMAND_LINE.digest(crowd.project):
        yield "what was edited last is not current"
    logged = whole.numbers_in_log(crowd.build)
    if logged != list(range(1, len(logged) + 1)):
        yield f"the log has the numbers {logged}"
    told = [int(line) for path in crowd.reports.glob("published by *") for line in path.read_text().splitlines()]
    if sorted([1, *told]) != logged:
        yield f"the log has the numbers {logged}, and the writers published {sorted(told)}"
    if _current(crowd.build) != len(logged):
        yield f"current is {_current(crowd.build)} of {len(logged)}"
