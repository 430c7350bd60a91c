"""The files of a model folder.

Left out: what is hidden (a name that begins with a dot, so all of .cache and .git), `*:Zone.Identifier`
(which Windows leaves beside downloads), and the folders `logs`, `runs` and `__pycache__`. Links to
folders are not followed. A name that cannot be shown is a warning.
"""

import os
from collections.abc import Iterator

from stowplan.discover.files import Folder, shown
from stowplan.words.diagnostic import warning

MAX_DEPTH = 4
MAX_FILES = 4096
_JUNK_SUFFIX = ":Zone.Identifier"
_JUNK_FOLDERS = ("logs", "runs", "__pycache__")


def files(folder: Folder) -> dict[str, int]:
    """Every file that belongs to the model: path below the folder (POSIX) → size in bytes, sorted."""
    found: dict[str, int] = {}
    for path, size in _walk(folder, "", MAX_DEPTH):
        if len(found) == MAX_FILES:
            message = f"the folder holds more than {MAX_FILES} files; the rest is left out of the file list"
            folder.problems.append(warning("config-odd", message, folder.place("")))
            break
        found[path] = size
    return dict(sorted(found.items()))


def _walk(folder: Folder, below: str, depth: int) -> Iterator[tuple[str, int]]:
    try:
        entries = sorted(os.scandir(folder.real / below), key=lambda entry: entry.name)
    except OSError as problem:
        message = f"cannot list `{below or '.'}`: {problem.strerror}"
        folder.problems.append(warning("unreadable-file", message, folder.place(below)))
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name.endswith(_JUNK_SUFFIX):
            continue
        if not entry.name.isprintable():
            message = f"the file name `{shown(entry.name)}` holds characters that cannot be shown; it is left out"
            hint = "rename or remove the file"
            folder.problems.append(warning("unsafe-path", message, folder.place(below), hint=hint))
            continue
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.is_dir(follow_symlinks=False):
            if depth > 1 and entry.name not in _JUNK_FOLDERS:
                yield from _walk(folder, path, depth - 1)
        elif entry.is_symlink():
            size = _link_size(folder, path)
            if size is not None:
                yield path, size
        elif entry.is_file(follow_symlinks=False):
            yield path, entry.stat(follow_symlinks=False).st_size


def _link_size(folder: Folder, path: str) -> int | None:
    """The size of the file a link leads to; None for a link to a folder, or one that leads nowhere or out."""
    if os.path.isdir(folder.real / path):  # noqa: PTH112 - Path.is_dir raises where this user may not look
        return None
    stream = folder.open(path)
    if stream is None:
        return None
    with stream:
        return os.fstat(stream.fileno()).st_size
