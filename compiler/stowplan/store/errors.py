"""What can go wrong in the store. The text of each error is a sentence: what was seen, and what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ADVICE = {
    errno.EACCES: "give this user the right to do so",
    errno.EPERM: "give this user the right to do so",
    errno.ENOTDIR: "move away what is in the place of a folder",
    errno.EROFS: "mount the file system writable",
    errno.ENOSPC: "free some space, then run this again",
    errno.EDQUOT: "free some space, then run this again",
}


class StoreError(Exception):
    """The store cannot do what was asked."""


class NoGenerationError(StoreError):
    """There is no such generation."""


class DamagedGenerationError(StoreError):
    """A generation is no longer what was published."""


class LockTimeoutError(StoreError):
    """Another process held the lock for longer than one was ready to wait."""


@contextmanager
def told(doing: str, path: Path) -> Iterator[None]:
    """Turns an OSError into a StoreError: `cannot <doing> <path>`, the system's reason, and advice if there is any.

    A path that the OSError itself names is more exact and goes before `path`; of two, that is the one which was
    to be made (of a link, its name and not its target).
    """
    try:
        yield
    except OSError as problem:
        advice = _ADVICE.get(problem.errno or 0)
        reason = problem.strerror or str(problem)
        message = f"cannot {doing} `{problem.filename2 or problem.filename or path}`: {reason}"
        raise StoreError(f"{message}; {advice}" if advice else message) from problem
