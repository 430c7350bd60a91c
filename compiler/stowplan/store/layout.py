"""Where things are in a build folder, and with which modes.

store/<digest>              an object: a folder named by the sha256 of its manifest
store/.tmp-<pid>-<digest>   one that is being written
store/.damaged-<digest>-<n> one that was found damaged, put aside
"""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

STORE = "store"
TEMPORARY = ".tmp-"
DAMAGED = ".damaged-"

FILE, PROGRAM, FOLDER = 0o444, 0o555, 0o555
"""The modes of everything in an object: nobody writes to it."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


def is_digest(name: str) -> bool:
    """Whether `name` is a sha256 in hexadecimal digits."""
    return _DIGEST.fullmatch(name) is not None


def path_of(build: Path, digest: str) -> Path:
    """Where the object of this digest is, or would be. Raises ValueError on what is no sha256."""
    if not is_digest(digest):
        raise ValueError(f"{digest!r} is no sha256")
    return build / STORE / digest


def folders_of(paths: Iterable[str]) -> frozenset[str]:
    """The folders that hold these files, `.` for the object's own."""
    return frozenset(str(parent) for path in paths for parent in PurePosixPath(path).parents) | {"."}
