"""Stores with one thing wrong each, so that each test of a torn store is seen to find what it looks for.

Each breaks the store of this process, and of its forks, until the `patch` is undone.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from stowplan import pipeline
from stowplan.nouns.artifact import MANIFEST, StoreObject
from stowplan.store import disk, generations, objects, publish
from stowplan.store.errors import StoreError
from torn import programs

Break = Callable[[pytest.MonkeyPatch], None]


def swaps_without_rename(patch: pytest.MonkeyPatch) -> None:
    """`current` is unlinked and made anew, and in between there is none."""

    def swap(link: Path, target: str) -> None:
        link.unlink(missing_ok=True)
        time.sleep(0.002)
        link.symlink_to(target)

    patch.setattr(publish, "swap_link", swap)


def builds_in_place(patch: pytest.MonkeyPatch) -> None:
    """An object has its name while it is being written."""

    def write(build: Path, obj: StoreObject, **_: Any) -> None:
        place = build / "store" / obj.digest
        if os.path.lexists(place):
            if not objects.differences(build, obj.digest):
                return
            disk.discard(place)
        place.mkdir(parents=True)
        disk.create(place / MANIFEST, obj.manifest, 0o444)
        for file in obj.files:
            (place / file.path).parent.mkdir(exist_ok=True)
            disk.create(place / file.path, file.content, 0o555 if file.executable else 0o444)
        for name, digest in obj.links.items():
            (place / name).symlink_to(f"../{digest}")
        for path in (*(path for path in place.rglob("*") if path.is_dir() and not path.is_symlink()), place):
            path.chmod(0o555)

    patch.setattr(objects, "write", write)


def points_before_it_numbers(patch: pytest.MonkeyPatch) -> None:
    """`current` leads to a generation that is made afterwards."""
    late: list[tuple[Path, int, str]] = []
    add, swap = generations.add, publish.swap_link

    def swap_first(link: Path, target: str) -> None:
        swap(link, target)
        while late:
            add(*late.pop())

    def add_later(build: Path, number: int, digest: str) -> None:
        if number == 1:
            add(build, number, digest)
        else:
            late.append((build, number, digest))

    patch.setattr(generations, "add", add_later)
    patch.setattr(publish, "swap_link", swap_first)


def reuses_without_a_look(patch: pytest.MonkeyPatch) -> None:
    """What has the name of an object is taken for it."""
    patch.setattr(objects, "differences", lambda *_: [])


def never_sweeps(patch: pytest.MonkeyPatch) -> None:
    """What a killed process left stays for ever."""
    patch.setattr(objects, "sweep", lambda _: None)


def forgets_the_log(patch: pytest.MonkeyPatch) -> None:
    """A generation is published without its line."""
    patch.setattr(generations, "record", lambda *_: None)


def tells_no_errors(patch: pytest.MonkeyPatch) -> None:
    """An error of the system reaches the user as it is."""
    patch.setattr(publish, "told", lambda *_: nullcontext())


def leaves_its_lock(patch: pytest.MonkeyPatch) -> None:
    """The lock is a file that is there, so that of a killed process stays."""

    @contextmanager
    def locked(build: Path, **_: Any) -> Iterator[None]:
        build.mkdir(exist_ok=True)
        try:
            os.close(os.open(build / ".lock", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            raise StoreError("another stowplan is at work") from None
        try:
            yield
        finally:
            (build / ".lock").unlink()

    patch.setattr(programs, "locked", locked)


def takes_no_lock(patch: pytest.MonkeyPatch) -> None:
    """Any number of writers at once."""

    @contextmanager
    def locked(build: Path, **_: Any) -> Iterator[None]:
        (build / ".state").mkdir(parents=True, exist_ok=True)
        yield

    patch.setattr(pipeline, "locked", locked)


def reads_before_it_locks(patch: pytest.MonkeyPatch) -> None:
    """The inputs may be old by the time that they are published."""
    early: list[Any] = []
    locked, survey = pipeline.locked, pipeline.disk.survey

    @contextmanager
    def locked_late(build: Path, **named: Any) -> Iterator[None]:
        early.append(survey(build.parent))
        with locked(build, **named):
            yield

    patch.setattr(pipeline, "locked", locked_late)
    patch.setattr(pipeline.disk, "survey", lambda project: early.pop() if early else survey(project))
