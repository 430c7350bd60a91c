"""Objects: folders that are named by what they hold.

The law: a folder `store/<digest>` is whole from the moment it has that name, and nobody changes anything
in it, ever. So it is built beside its place under a temporary name, made durable, and only then renamed.
Its name is the sha256 of its manifest, and the manifest names every other file by its sha256, so whether
it is still what it was can be seen at any time. One that is not is put aside as it is
(`.damaged-<digest>-<n>`), and a whole one takes its place.

Writers hold the lock, so a temporary folder that is there when another publish begins is a dead one's.
Modification times stay as they come: consumers notice a new file by them.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

from stowplan.nouns.artifact import FORMAT, MANIFEST, StoreObject
from stowplan.store.disk import create, discard, make_folder, replace_tree, sync, sync_filesystem
from stowplan.store.errors import told

STORE = "store"
FEW = 64
"""Up to so many files are made durable one by one; more of them, with everything else on the file system."""

_FILE, _PROGRAM, _FOLDER = 0o444, 0o555, 0o555
_TEMPORARY = ".tmp-"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class _Listed:
    """What a manifest says is in its folder: files with sha256, size and mode; links; and the folders of those."""

    files: Mapping[str, Mapping[str, Any]]
    links: Mapping[str, str]
    folders: frozenset[str]


def path_of(build: Path, digest: str) -> Path:
    """Where the object of this digest is, or would be. Raises ValueError on what is no sha256."""
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is no sha256")
    return build / STORE / digest


def write(build: Path, obj: StoreObject) -> None:
    """Sees to it that `obj` is in the store, whole and durable. The caller holds the lock. Raises `StoreError`.

    If it is there and whole, nothing is written.
    """
    _check(obj)
    place = path_of(build, obj.digest)
    if os.path.lexists(place) and not differences(build, obj.digest):
        return
    tree = place.with_name(f"{_TEMPORARY}{os.getpid()}-{obj.digest}")
    with told("write", place):
        make_folder(place.parent)
        try:
            _fill(tree, obj)
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
        for leftover in store.glob(f"{_TEMPORARY}*"):
            discard(leftover)


def build_differences(build: Path, root_digest: str) -> list[str]:
    """As `differences`, for a root object and all profiles it leads to."""
    found = differences(build, root_digest)
    if found:
        return found
    listed = _read_manifest(path_of(build, root_digest), root_digest)
    assert not isinstance(listed, str)
    return [f"{profile}/{line}" for profile, digest in listed.links.items() for line in differences(build, digest)]


def differences(build: Path, digest: str) -> list[str]:
    """What in a stored object is not as its manifest says, `path: what` each, sorted; none if it is whole.

    A manifest that is not the one the object is named by is all that is said then. Links are not followed.
    """
    place = path_of(build, digest)
    listed = _read_manifest(place, digest)
    if isinstance(listed, str):
        return [f"{MANIFEST}: {listed}"]
    found = dict(_walk(place, listed.folders))
    wanted = {*listed.files, *listed.links, *listed.folders}
    lines = [f"{path}: missing" for path in wanted - found.keys()]
    lines += [f"{path}: {what}" for path, state in found.items() for what in _compare(place, path, state, listed)]
    return sorted(lines)


def _check(obj: StoreObject) -> None:
    """Raises ValueError, since it is our own mistake, if a name would lead out of the object or is there twice."""
    names = [MANIFEST, *(file.path for file in obj.files), *obj.links]
    for name in names:
        if "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
            raise ValueError(f"{name!r} is no path inside an object")
    if len(set(names)) < len(names) or any("/" in name for name in obj.links):
        raise ValueError(f"an object's names must differ, and those of links have no folders: {sorted(names)}")
    for digest in obj.links.values():
        if not _DIGEST.fullmatch(digest):
            raise ValueError(f"{digest!r} is no sha256")


def _fill(tree: Path, obj: StoreObject) -> None:
    folders = [tree, *(tree / folder for folder in sorted(_folders(file.path for file in obj.files) - {"."}))]
    for folder in folders:
        folder.mkdir()
    create(tree / MANIFEST, obj.manifest, _FILE)
    for file in obj.files:
        create(tree / file.path, file.content, _PROGRAM if file.executable else _FILE)
    for name, digest in obj.links.items():
        (tree / name).symlink_to(f"../{digest}")
    for folder in folders:
        folder.chmod(_FOLDER)


def _settle(tree: Path, obj: StoreObject) -> None:
    """Onto the disk, before the name says that it is whole."""
    if len(obj.files) > FEW:
        sync_filesystem(tree)
        return
    files = [MANIFEST, *(file.path for file in obj.files)]
    for path in (*files, *sorted(_folders(files), reverse=True)):
        sync(tree / path)


def _aside(place: Path) -> Path:
    names = (place.with_name(f".damaged-{place.name}-{number}") for number in count(1))
    return next(name for name in names if not os.path.lexists(name))


def _folders(paths: Iterable[str]) -> frozenset[str]:
    """The folders that hold these files, `.` for the object's own."""
    return frozenset(str(parent) for path in paths for parent in PurePosixPath(path).parents) | {"."}


def _read_manifest(place: Path, digest: str) -> _Listed | str:
    """What the manifest lists, or what is wrong with it."""
    path = place / MANIFEST
    try:
        if not stat.S_ISDIR(place.lstat().st_mode):
            return "missing; what should be its folder is none"
        if not stat.S_ISREG(path.lstat().st_mode):
            return "no regular file"
        content = path.read_bytes()
    except FileNotFoundError:
        return "missing"
    except OSError as problem:
        return f"cannot be read: {problem.strerror}"
    if hashlib.sha256(content).hexdigest() != digest:
        return "changed"
    manifest = json.loads(content)
    if manifest["format"] > FORMAT:
        return f"has format {manifest['format']}; this stowplan knows formats up to {FORMAT}"
    files = {MANIFEST: {"sha256": digest, "size": len(content)}, **manifest.get("files", {})}
    return _Listed(files, manifest.get("profiles", {}), _folders(list(files)))


def _walk(place: Path, folders: frozenset[str], at: str = ".") -> Iterator[tuple[str, os.stat_result]]:
    """Everything in the folder `at` of an object, itself first, with its state; only `folders` are entered."""
    with suppress(OSError):  # what cannot be reached is missing
        state = (place / at).lstat()
        yield at, state
        if at in folders and stat.S_ISDIR(state.st_mode):
            for name in sorted(os.listdir(place / at)):  # noqa: PTH208
                yield from _walk(place, folders, name if at == "." else f"{at}/{name}")


def _compare(place: Path, path: str, state: os.stat_result, listed: _Listed) -> Iterator[str]:
    """What is wrong with one thing that was found."""
    if path in listed.folders:
        yield from _kind_and_mode(state, stat.S_IFDIR, "folder", _FOLDER)
    elif path in listed.links:
        if not stat.S_ISLNK(state.st_mode) or str((place / path).readlink()) != f"../{listed.links[path]}":
            yield "changed"
    elif path in listed.files:
        file = listed.files[path]
        yield from _kind_and_mode(state, stat.S_IFREG, "regular file", _PROGRAM if file.get("executable") else _FILE)
        if stat.S_ISREG(state.st_mode):
            yield from _content(place / path, state.st_size, file)
    else:
        yield "not part of the build"


def _kind_and_mode(state: os.stat_result, kind: int, called: str, mode: int) -> Iterator[str]:
    if stat.S_IFMT(state.st_mode) != kind:
        yield f"no {called}"
    elif stat.S_IMODE(state.st_mode) != mode:
        yield f"mode {stat.S_IMODE(state.st_mode):04o}, not {mode:04o}"


def _content(path: Path, size: int, file: Mapping[str, Any]) -> Iterator[str]:
    try:
        if size != file["size"] or _sha256(path) != file["sha256"]:
            yield "changed"
    except OSError as problem:
        yield f"cannot be read: {problem.strerror}"


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
