"""One writer at a time.

The law: whoever changes anything below a build folder holds an flock on `.state/lock` in it. The kernel
frees it when its holder ends, however that happens, so nobody ever has to clear a stale lock. The pid in
the file is there for people alone.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stowplan.store.disk import make_folder
from stowplan.store.errors import LockTimeoutError, told

LOCK = ".state/lock"
_PAUSE = 0.05
"""Seconds between two tries."""


@contextmanager
def locked(build: Path, *, timeout: float | None, waiting: Callable[[str], None]) -> Iterator[None]:
    """Holds the lock of the folder `build`, which is made if it is missing.

    While someone else holds it this waits, having told `waiting` so once: at most `timeout` seconds,
    for ever if that is None. Raises `LockTimeoutError`, or `StoreError` if the lock cannot be had here.
    """
    path = build / LOCK
    with told("lock", path):
        descriptor = _take(path, timeout, waiting)
    try:
        yield
    finally:
        os.close(descriptor)


def _take(path: Path, timeout: float | None, waiting: Callable[[str], None]) -> int:
    deadline = None if timeout is None else time.monotonic() + timeout
    told_so = False
    while True:
        descriptor = _try(path)
        if descriptor is not None:
            return descriptor
        holder = _holder(path)
        if not told_so:
            waiting(f"waiting for {holder} to finish")
            told_so = True
        if deadline is not None and time.monotonic() >= deadline:
            raise LockTimeoutError(f"{holder} still holds `{path}` after {timeout:g} s; wait for it, or end it")
        time.sleep(_PAUSE)


def _try(path: Path) -> int | None:
    """The lock's open file, holding it; None if someone else does."""
    make_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % os.getpid())
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _holder(path: Path) -> str:
    try:
        return f"another stowplan (pid {int(path.read_bytes())})"
    except (OSError, ValueError):  # it has only just taken the lock, or given it back
        return "another stowplan"
