"""Whether what is in the store is still what was put there.

The law: a stored object says what it holds, and its name says that of its manifest. So nothing else has to be
trusted: the manifest is hashed against the name, then every file against the manifest, and whatever the manifest
does not name is no part of the build.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stowplan.nouns.artifact import FORMAT, MANIFEST
from stowplan.store.layout import FILE, FOLDER, PROGRAM, folders_of, is_digest, path_of


@dataclass(frozen=True, slots=True)
class Damage:
    """A path, from where one looks, and how what is there is not as it was stored; as text, `path: what`."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(frozen=True, slots=True)
class Looked:
    """How many files of an object were looked at, byte for byte, and what was found."""

    files: int
    damage: tuple[Damage, ...]


@dataclass(frozen=True, slots=True)
class _Listed:
    """What a manifest says is in its folder: files with sha256, size and mode; links; and the folders of those."""

    files: Mapping[str, Mapping[str, Any]]
    links: Mapping[str, str]
    folders: frozenset[str]


def build_differences(build: Path, root_digest: str) -> list[str]:
    """As `differences`, for a root object and all profiles it leads to."""
    roots = look(build, root_digest).damage
    below = ((name, look(build, digest).damage) for name, digest in profiles_of(build, root_digest).items())
    return [*map(str, roots), *(f"{name}/{each}" for name, damage in below for each in damage)]


def differences(build: Path, digest: str) -> list[str]:
    """What in a stored object is not as its manifest says, `path: what` each; none if it is whole."""
    return list(map(str, look(build, digest).damage))


def look(build: Path, digest: str) -> Looked:
    """Looks at every byte of an object; what is not as its manifest says is sorted by path.

    A manifest that is not the one the object is named by is all that is said then. Links are not followed.
    """
    place = path_of(build, digest)
    listed = _read_manifest(place, digest)
    if isinstance(listed, str):
        return Looked(0, (Damage(MANIFEST, listed),))
    found = dict(_walk(place, listed.folders))
    wanted = {*listed.files, *listed.links, *listed.folders}
    damage = [Damage(path, "missing") for path in wanted - found.keys()]
    damage += [Damage(path, what) for path, state in found.items() for what in _compare(place, path, state, listed)]
    return Looked(len(listed.files), tuple(sorted(damage, key=lambda each: (each.path, each.what))))


def profiles_of(build: Path, root_digest: str) -> dict[str, str]:
    """The profiles that a root object leads to, name → digest; where its manifest is damaged, those of its links."""
    place = path_of(build, root_digest)
    listed = _read_manifest(place, root_digest)
    if not isinstance(listed, str):
        return dict(listed.links)
    try:
        targets = {path.name: str(path.readlink()) for path in sorted(place.iterdir()) if path.is_symlink()}
    except OSError:
        return {}
    return {name: digest for name, to in targets.items() if is_digest(digest := to.removeprefix("../"))}


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
    try:
        manifest = {"files": {}, "profiles": {}, **json.loads(content)}
        if manifest["format"] > FORMAT:
            return f"has format {manifest['format']}; this stowplan knows formats up to {FORMAT}"
        files = {MANIFEST: {"sha256": digest, "size": len(content)}, **manifest["files"]}
        return _Listed(files, dict(manifest["profiles"]), folders_of(list(files)))
    except (ValueError, TypeError, KeyError, RecursionError):
        return "is no manifest"  # somebody named a folder by its content, which is not ours


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
        yield from _kind_and_mode(state, stat.S_IFDIR, "folder", FOLDER)
    elif path in listed.links:
        if not stat.S_ISLNK(state.st_mode) or str((place / path).readlink()) != f"../{listed.links[path]}":
            yield "changed"
    elif path in listed.files:
        file = listed.files[path]
        yield from _kind_and_mode(state, stat.S_IFREG, "regular file", PROGRAM if file.get("executable") else FILE)
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
