"""Many writers, readers and a collector of garbage at once: nothing is torn, missing, stale or lost."""

from pathlib import Path

import pytest

from torn import broken_stores, whole
from torn.broken_stores import Break
from torn.commands import forks, started
from torn.crowd import Crowd, wrongs
from torn.programs import COMMAND_LINE

QUICK, FULL, LONGEST = 4, 30, 30
"""Seconds: in the quick form, in the full one, and until a broken store is found at the latest."""
LEAST = 10
"""So many generations at least, or nothing was seen."""


def test_a_crowd_tears_nothing(folder: Path, seed: int) -> None:
    crowd = Crowd(folder / "project", forks(COMMAND_LINE), QUICK, seed)
    assert wrongs(crowd) == [], f"seed {seed}"
    assert len(whole.numbers_in_log(crowd.build)) >= LEAST


@pytest.mark.full
def test_a_crowd_of_real_commands_tears_nothing(folder: Path, seed: int) -> None:
    crowd = Crowd(folder / "project", started, FULL, seed)
    assert wrongs(crowd) == [], f"seed {seed}"
    assert len(whole.numbers_in_log(crowd.build)) >= LEAST


BROKEN = [
    broken_stores.takes_no_lock,
    broken_stores.reads_before_it_locks,
    broken_stores.swaps_without_rename,
]


@pytest.mark.parametrize("broken", BROKEN, ids=[broken.__name__ for broken in BROKEN])
def test_a_broken_store_is_found_by_a_crowd(
    broken: Break, folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    broken(monkeypatch)
    assert wrongs(Crowd(folder / "project", forks(COMMAND_LINE), LONGEST, seed)) != [], f"seed {seed}"
