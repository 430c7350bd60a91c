"""Whatever step a publish ends at, `current` is whole, and the next publish goes on.

Each scenario is stopped at every single step by which the store changes the disk (`store_cases.STEPS`), in
three ways: the process is killed before the step, the step fails, Ctrl-C comes right after it.
"""

import errno
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from store_cases import MEMORY, A, B, C, a_build, current_build, each_step, leftovers

from stowplan.nouns.artifact import Build
from stowplan.store import disk, generations, objects, verify
from stowplan.store.errors import StoreError
from stowplan.store.lock import locked
from stowplan.store.publish import What, publish, rollback, use


@pytest.fixture(autouse=True)
def _no_power_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that it wrote, so the slow flush is a step here, and no more."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(objects, "sync_filesystem", lambda _: None)


def put(build: Path, new: Build) -> None:
    publish(build, new, commit=None, changed=())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is such a file system: hundreds of trees are made and removed."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name)
        for path in Path(name).iterdir():
            disk.discard(path)


@dataclass(frozen=True)
class Scenario:
    """What was published before, what is published when the crash comes, and the number that has in the end.

    `least` is how many steps that takes at least, and `few` what `objects.FEW` is.
    """

    before: tuple[Build, ...]
    rolled_back_to: int | None
    new: Build
    number: int
    least: int
    few: int = objects.FEW


SCENARIOS = {
    "the first": Scenario((), None, A, 1, 100),
    "the second": Scenario((A,), None, B, 2, 60),
    "an older build": Scenario((A, B), None, A, 3, 15),
    "a large build": Scenario((A,), None, B, 2, 40, few=1),
    "after a rollback": Scenario((A, B), 1, C, 3, 60),
}


def killed_before(build: Path, act: Callable[[Path], None], step: int) -> bool:
    """Runs `act` in another process that is killed before its `step`-th step. Whether it came so far."""
    child = os.fork()
    if child == 0:
        with each_step(lambda number: os.kill(os.getpid(), signal.SIGKILL) if number == step else None):
            act(build)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status != 0


def failing_at(build: Path, act: Callable[[Path], None], step: int) -> bool:
    """Runs `act`, whose `step`-th step fails: the disk is full. Whether it came so far."""

    def full(number: int) -> None:
        if number == step:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with each_step(full) as steps:
        try:
            act(build)
        except StoreError as problem:
            assert "No space left on device; free some space" in str(problem)  # noqa: PT017
    return len(steps) >= step


def interrupted_after(build: Path, act: Callable[[Path], None], step: int) -> bool:
    """Runs `act` and presses Ctrl-C after its `step`-th step. Whether it came so far."""

    def interrupt(number: int) -> None:
        if number == step:
            raise KeyboardInterrupt

    with each_step(lambda _: None, interrupt) as steps:
        try:
            act(build)
        except KeyboardInterrupt:
            assert len(steps) >= step
    return len(steps) >= step


WAYS = [killed_before, failing_at, interrupted_after]
Way = Callable[[Path, Callable[[Path], None], int], bool]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_after_a_crash_at_any_step_current_is_whole_and_the_same_build_is_finished(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, way: Way
) -> None:
    scenario = SCENARIOS[name]
    monkeypatch.setattr(objects, "FEW", scenario.few)
    prepared = prepare(folder / "prepared", scenario)
    before, links_before = current_build(prepared), generations.digests(prepared)
    for step in count(1):
        build = copy(prepared, folder / f"build-{step}")
        if not way(build, lambda build: put(build, scenario.new), step):
            assert step > scenario.least
            break
        assert current_build(build) in (before, scenario.new.root.digest), step
        put(build, scenario.new)
        assert current_build(build) == scenario.new.root.digest, step
        assert generations.current(build) == generations.newest(build) == scenario.number, step
        assert generations.digests(build) == {**links_before, scenario.number: scenario.new.root.digest}, step
        lines = [line.number for line in generations.history(build) if line.action == "publish"]
        assert lines == [*links_before, scenario.number], step
        assert leftovers(build) == set(), step
        assert publish(build, scenario.new, commit=None, changed=()).what is What.UNCHANGED
        disk.discard(build)


@pytest.mark.parametrize("way", WAYS)
def test_after_a_crash_another_build_takes_no_number_that_was_given(folder: Path, way: Way) -> None:
    scenario = SCENARIOS["the second"]
    prepared = prepare(folder / "prepared", scenario)
    for step in count(1):
        build = copy(prepared, folder / f"build-{step}")
        if not way(build, lambda build: put(build, B), step):
            break
        given = generations.digests(build)
        put(build, C)
        assert current_build(build) == C.root.digest, step
        assert generations.digests(build) == {**given, max(given) + 1: C.root.digest}, step
        disk.discard(build)


@pytest.mark.parametrize("way", WAYS)
def test_a_rollback_that_is_stopped_was_made_or_not(folder: Path, way: Way) -> None:
    prepared = prepare(folder / "prepared", SCENARIOS["an older build"])
    for step in count(1):
        build = copy(prepared, folder / f"build-{step}")
        if not way(build, lambda build: rollback(build, 1, commit=None) and None, step):
            assert step > 5
            break
        assert current_build(build) in (A.root.digest, B.root.digest), step
        on = generations.current(build)
        assert on is not None
        outcome = publish(build, B, commit=None, changed=())
        assert (outcome.what, outcome.current) == (What.UNCHANGED if on == 2 else What.ROLLED_BACK, on), step
        assert rollback(build, 1, commit=None) == 1
        assert current_build(build) == A.root.digest, step
        disk.discard(build)


@pytest.mark.parametrize("way", WAYS)
def test_a_profile_is_in_use_or_the_other_is(folder: Path, way: Way) -> None:
    prepared = prepare(folder / "prepared", SCENARIOS["the second"])
    use(prepared, "card")
    for step in count(1):
        build = copy(prepared, folder / f"build-{step}")
        if not way(build, lambda build: use(build, "shared"), step):
            assert step > 3
            break
        assert str((build / "active").readlink()) in ("current/card", "current/shared"), step
        use(build, "shared")
        assert (build / "active/model_registry.json").read_bytes() == b"[]\n", step
        disk.discard(build)


@pytest.mark.parametrize("way", WAYS)
def test_healing_that_is_stopped_leaves_the_files_where_readers_find_them(folder: Path, way: Way) -> None:
    prepared = prepare(folder / "prepared", SCENARIOS["the second"])
    (prepared / "current/card/launch").chmod(0o755)
    for step in count(1):
        build = copy(prepared, folder / f"build-{step}")
        if not way(build, lambda build: put(build, A), step):
            break
        assert {file.path for file in A.profiles["card"].files} == {
            path.relative_to(build / "current/card").as_posix()
            for path in (build / "current/card").rglob("*")
            if path.is_file() and path.name != "manifest.json"
        }, step
        put(build, A)
        assert current_build(build) == A.root.digest, step
        disk.discard(build)


def test_two_processes_that_publish_at_once_take_turns(folder: Path) -> None:
    build, each = folder / "build", 6
    children = []
    for name in "xy":
        child = os.fork()
        if child == 0:
            for number in range(each):
                with locked(build, timeout=60, waiting=lambda _: None):
                    put(build, a_build(f"{name}{number}"))
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    numbers = list(range(1, 2 * each + 1))
    assert [line.number for line in generations.events(build)] == numbers
    assert list(generations.digests(build)) == numbers
    for digest in generations.digests(build).values():
        assert verify.build_differences(build, digest) == []


def prepare(build: Path, scenario: Scenario) -> Path:
    build.mkdir()
    for new in scenario.before:
        put(build, new)
    if scenario.rolled_back_to is not None:
        rollback(build, scenario.rolled_back_to, commit=None)
    return build


def copy(build: Path, to: Path) -> Path:
    shutil.copytree(build, to, symlinks=True)
    return to
