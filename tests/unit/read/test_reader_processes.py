"""Consumers in processes of their own while builds are published and rolled back: nothing torn, nothing old."""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from reader_cases import a_build, put, wait_until

from stowplan.store import generations
from stowplan.store.publish import rollback

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where a file system in memory is, for hundreds of builds; None for the usual place."""

COMPILES = 500
"""A third of them are new; the others go back and forth between two builds."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """A process that reads, and where it writes what its subscription is given."""

    process: "subprocess.Popen[bytes]"
    output: Path

    def last(self) -> int | None:
        """The generation its subscription was given last."""
        lines = self.output.read_text().split()
        return int(lines[-1]) if lines else None

    def end(self) -> Any:
        """All it has seen. Fails if it saw something torn."""
        _, errors = self.process.communicate()
        assert self.process.returncode == 0, errors.decode()
        assert errors == b""
        return json.loads(self.output.read_text().splitlines()[-1])


@pytest.fixture
def build() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        put(Path(folder) / "build", a_build(0))
        yield Path(folder) / "build"


@pytest.fixture
def consumers(build: Path) -> Iterator[list[Consumer]]:
    """Two, each of which has read something."""
    program = Path(__file__).with_name("reader_process.py")
    started = []
    for number in range(2):
        output = build.with_name(f"output{number}")
        with output.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, program, build], stdin=subprocess.PIPE, stdout=stream, stderr=subprocess.PIPE
            )
        started.append(Consumer(process, output))
    try:
        wait_until(lambda: all(consumer.last() for consumer in started))
        yield started
    finally:
        for consumer in started:
            consumer.process.kill()
            consumer.process.wait()


def number_of(place: int) -> int:
    """The mark of the build that is published as the `place`-th."""
    return place if place % 3 == 0 else -(place % 3)


def published(build: Path, places: range) -> Iterator[tuple[int, int]]:
    """Publishes, and gives each generation with its mark."""
    for place in places:
        mark = number_of(place)
        yield put(build, a_build(mark)), mark


def test_nothing_is_torn_and_generations_only_grow(build: Path, consumers: list[Consumer]) -> None:
    """Fails if a reader mixes two builds. Tried: roles.json read by its path at the time it is asked for."""
    truth = dict(published(build, range(1, COMPILES + 1)))
    newest = max(truth)
    assert newest == COMPILES + 1
    wait_until(lambda: all(consumer.last() == newest for consumer in consumers))
    for seen in (consumer.end() for consumer in consumers):
        numbers = [number for number, _, _ in seen["looked"]]
        assert numbers == sorted(set(numbers))
        assert seen["delivered"] == sorted(set(seen["delivered"]))
        assert numbers[-1] == seen["delivered"][-1] == newest
        assert len(numbers) > 20, "readers at full speed see more than the last one"
        assert seen["problem"] is None
        digests = generations.digests(build)
        for number, digest, mark in seen["looked"][1:]:
            assert truth[number] == mark
            assert (build / "store" / digests[number] / "rtx").resolve().name == digest


def test_after_rollbacks_the_last_seen_is_current(build: Path, consumers: list[Consumer]) -> None:
    chance = random.Random(7)
    for place in range(1, 101):
        if place % 4 == 0:
            rollback(build, chance.randrange(1, 1 + (generations.newest(build) or 1)), commit=None)
        else:
            put(build, a_build(place))
    rollback(build, 5, commit=None)
    assert generations.current(build) == 5
    wait_until(lambda: all(consumer.last() == 5 for consumer in consumers))
    for seen in (consumer.end() for consumer in consumers):
        assert seen["looked"][-1][0] == seen["delivered"][-1] == 5
        repeated = [one for one, other in zip(seen["delivered"], seen["delivered"][1:], strict=False) if one == other]
        assert repeated == []
