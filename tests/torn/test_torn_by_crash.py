"""A crash, a full disk or a broken one at any system call leaves `current` whole, and the next compile goes on."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from torn import broken_stores
from torn.broken_stores import Break
from torn.commands import forks, started
from torn.crashes import SCENARIOS, faults_at, free_places, kill_at_random, prepared
from torn.injections import FAULTS, Trace, trace_forks, trace_started, why_not
from torn.programs import COMMAND_LINE, STORE_ALONE, Program

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
QUICK = ("SIGKILL", "ENOSPC")
LEAST = {"a gc": 7, "a rollback": 10, "a compile of what was compiled before": 12}
"""So many calls at least each scenario makes; 30 where nothing is said."""


def faults_of(name: str, program: Program, trace: Trace, kinds: tuple[str, ...], folder: Path) -> Iterator[str]:
    """What was wrong after each kind of fault at each call of a scenario."""
    case = prepared(SCENARIOS[name], program, trace, folder)
    assert len(case.calls) >= LEAST.get(name, 30), case.calls
    places = free_places(folder)
    for call in case.calls:
        for kind in kinds:
            yield from faults_at(case, call, kind, trace, next(places))


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_kill_or_a_full_disk_at_any_call_tears_nothing(name: str, folder: Path) -> None:
    assert list(faults_of(name, STORE_ALONE, trace_forks(STORE_ALONE), QUICK, folder)) == []


@pytest.mark.full
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_fault_at_any_call_of_the_real_command_tears_nothing(name: str, kind: str, folder: Path) -> None:
    assert list(faults_of(name, COMMAND_LINE, trace_started, (kind,), folder)) == []


def test_a_kill_at_any_moment_tears_nothing(folder: Path, seed: int, dice: random.Random) -> None:
    start = forks(STORE_ALONE)
    assert list(kill_at_random(STORE_ALONE, folder / "project", start, 20, 0.02, dice)) == [], f"seed {seed}"


@pytest.mark.full
def test_a_kill_at_any_moment_of_the_real_command_tears_nothing(folder: Path, seed: int, dice: random.Random) -> None:
    assert list(kill_at_random(COMMAND_LINE, folder / "project", started, 200, 1.5, dice)) == [], f"seed {seed}"


BROKEN = {
    broken_stores.swaps_without_rename: ("a second compile", "current is gone"),
    broken_stores.builds_in_place: ("a second compile", "its manifest is another"),
    broken_stores.points_before_it_numbers: ("a second compile", "which is no generation"),
    broken_stores.reuses_without_a_look: ("a compile that heals", "after the next compile: store/"),
    broken_stores.never_sweeps: ("a second compile", "is left"),
    broken_stores.forgets_the_log: ("a second compile", "the log does not know"),
    broken_stores.tells_no_errors: ("a second compile", "Traceback"),
    broken_stores.leaves_its_lock: ("a second compile", "another stowplan is at work"),
}


@pytest.mark.parametrize("broken", BROKEN, ids=[broken.__name__ for broken in BROKEN])
def test_a_broken_store_is_found(broken: Break, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, said = BROKEN[broken]
    broken(monkeypatch)
    found = faults_of(name, STORE_ALONE, trace_forks(STORE_ALONE), QUICK, folder)
    assert any(said in line for line in found)


def test_a_store_that_builds_in_place_is_found_by_kills_at_any_moment(
    folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int, dice: random.Random
) -> None:
    broken_stores.builds_in_place(monkeypatch)
    start = forks(STORE_ALONE)
    assert any(kill_at_random(STORE_ALONE, folder / "project", start, 200, 0.01, dice)), f"seed {seed}"
