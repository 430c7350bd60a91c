"""Objects: folders that are named by what they hold.

The law: a folder `store/<digest>` is whole from the moment it has that name, and nobody changes anything
in it, ever. So it is built beside its place under a temporary name, made durable, and only then renamed.
Its name is the sha256 of its manifest, and the manifest names every other file by its sha256, so whether
it is still what it was can be seen at any time. One that is not is put aside as it is
(`.damaged-<digest>-<n>`), and a whole one takes its place.

Writers hold the lock, so a temporary folder that is there when another publish begins is a dead one's.
Modification times stay as they come: consumers notice a new file by them.
"""

import os
from contextlib import suppress
from itertools import count
from pathlib import Path

from stowplan.nouns.artifact import MANIFEST, StoreObject
from stowplan.store.disk import create, discard, make_folder, name_again, replace_tree, sync, sync_filesystem
from stowplan.store.errors import told
from stowplan.store.layout import DAMAGED, FILE, FOLDER, PROGRAM, STORE, TEMPORARY, folders_of, is_digest, path_of
from stowplan.store.verify import differences

FEW = 64
"""Up to so many files are made durable one by one; more of them, with everything else on the file system."""


def write(build: Path, obj: StoreObject, like: Path | None = None) -> None:
    """Sees to it that `obj` is in the store, whole and durable. The caller holds the lock. Raises `StoreError`.

    If it is there and whole, nothing is written. `like` is an object that may hold many of the same files: those get
    a second name here, after a look at every byte.
    """
    _check(obj)
    place = path_of(build, obj.digest)
    if os.path.lexists(place) and not differences(build, obj.digest):
        return
    tree = place.with_name(f"{TEMPORARY}{os.getpid()}-{obj.digest}")
    with told("write", place):
        make_folder(place.parent)
        try:
            _fill(tree, obj, like)
            _settle(tree, obj)
            if os.path.lexists(place):
                replace_tree(tree, place, _aside(place))
            else:
                tree.rename(place)
        except BaseException:
            with suppress(OSError):
                discard(tree)
            raise
        sync(place.parent)


def sweep(build: Path) -> None:
    """Removes what broken-off writes left in the store. The caller holds the lock. Raises `StoreError`."""
    store = build / STORE
    with told("clear", store):
        for leftover in store.glob(f"{TEMPORARY}*"):
            discard(leftover)


def _check(obj: StoreObject) -> None:
    """Raises ValueError, since it is our own mistake, if a name would lead out of the object or is there twice."""
    names = [MANIFEST, *(file.path for file in obj.files), *obj.links]
    for name in names:
        if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
            raise ValueError(f"{name!r} is no path inside an object")
    if len(set(names)) < len(names) or any("/" in name for name in obj.links):
        raise ValueError(f"an object's names must differ, and those of links have no folders: {sorted(names)}")
    for digest in obj.links.values():
        if not is_digest(digest):
            raise ValueError(f"{digest!r} is no sha256")


def _fill(tree: Path, obj: StoreObject, like: Path | None) -> None:
    folders = [tree, *(tree / folder for folder in sorted(folders_of(file.path for file in obj.files) - {"."}))]
    for folder in folders:
        folder.mkdir()
    create(tree / MANIFEST, obj.manifest, FILE)
    for file in obj.files:
        path, mode = tree / file.path, PROGRAM if file.executable else FILE
        if like is None or not name_again(like / file.path, path, file.content, mode):
            create(path, file.content, mode)
    for name, digest in obj.links.items():
        (tree / name).symlink_to(f"../{digest}")
    for folder in folders:
        folder.chmod(FOLDER)


def _settle(tree: Path, obj: StoreObject) -> None:
    """Onto the disk, before the name says that it is whole."""
    if len(obj.files) > FEW:
        sync_filesystem(tree)
        return
    files = [MANIFEST, *(file.path for file in obj.files)]
    for path in (*files, *sorted(folders_of(files), reverse=True)):
        sync(tree / path)


def _aside(place: Path) -> Path:
    names = (place.with_name(f"{DAMAGED}{place.name}-{number}") for number in count(1))
    return next(name for name in names if not os.path.lexists(name))
