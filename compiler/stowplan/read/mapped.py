"""The files of one profile's build, mapped, and how a name is found in them.

A map keeps the file it was made of, whatever becomes of its name, so what is read later is never of
another build. Nothing is read before it is asked for: opening costs the same at any size.
"""

import json
import os
from collections.abc import Iterator
from functools import lru_cache, partial
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from stowplan.read.entry import Entry, entry_of
from stowplan.read.format import UnreadableBuildError
from stowplan.words.names import fold

REGISTRY, INDEX, ROLES = "model_registry.json", "names.idx", "roles.json"

Bytes = mmap | bytes

_WINDOW = 4096
"""Bytes of the index that are searched at once, rather than halved."""
_NEIGHBOURS = 32768
"""Bytes of the index to either side of where a name would stand, in which names like it are looked for."""
_REMEMBERED, _LONGEST = 1024, 256
"""So many names are found again at once, those of no more letters than this: names may come from strangers."""


class Mapped:
    """The registry, its index and the roles in the folder of one profile. Raises UnreadableBuildError."""

    __slots__ = ("_folder", "_index", "_recall", "_registry", "roles")

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index, self._registry = _mapped(folder / INDEX), _mapped(folder / REGISTRY)
        if self._index[-1:] != b"\n" and (len(self._index) or self._registry[:2] != b"[]"):
            raise _damaged(folder / INDEX, ValueError("it is empty or cut"))
        self._recall = lru_cache(_REMEMBERED)(partial(_find, folder, self._index, self._registry))
        self.roles = lru_cache(1)(partial(_roles, folder, _mapped(folder / ROLES)))
        """Role → names of entries, the preferred first."""

    def find(self, name: str) -> Entry | None:
        """The entry that answers to `name`; None if none does."""
        if len(name) <= _LONGEST:
            return self._recall(name)
        return _find(self._folder, self._index, self._registry, name)

    def entries(self) -> Iterator[Entry]:
        """Every entry in the registry's order, each parsed when it is its turn."""
        registry, at = self._registry, len(b"[\n")
        while (end := registry.find(b"\n", at)) > at and registry[at:end] != b"]":
            yield _entry(self._folder, registry[at:end].removesuffix(b","))
            at = end + 1

    def near(self, name: str) -> list[str]:
        """Names of up to three entries that are spelled much like `name`, the likest first."""
        import difflib  # for one who has mistyped

        key = _key(name)
        low, _ = _narrowed(self._index, key)
        start = 0 if low <= _NEIGHBOURS else self._index.find(b"\n", low - _NEIGHBOURS) + 1
        around = self._index[start : self._index.rfind(b"\n", 0, low + _NEIGHBOURS)].split(b"\n")
        try:
            names = [_row(line)[0].decode() for line in around if line]
        except ValueError as problem:
            raise _damaged(self._folder / INDEX, problem) from None
        alike = difflib.get_close_matches(key.decode("utf-8", "replace"), names, n=9, cutoff=0.6)
        found = dict.fromkeys(entry.name for spelled in alike if (entry := self.find(spelled)) is not None)
        return list(found)[:3]


def _find(folder: Path, index: Bytes, registry: Bytes, name: str) -> Entry | None:
    key = _key(name)
    low, high = _narrowed(index, key)
    wanted = key + b"\t"
    if index[low : low + len(wanted)] != wanted:
        low = index.find(b"\n" + wanted, low, high) + 1
        if low == 0:
            return None
    try:
        _, start, length = _row(index[low : index.find(b"\n", low)])
    except ValueError as problem:
        raise _damaged(folder / INDEX, problem) from None
    return _entry(folder, registry[start : start + length])


def _row(line: bytes) -> tuple[bytes, int, int]:
    """What a line of the index says: a folded name, the offset and the length of its entry. Raises ValueError."""
    name, offset, length = line.split(b"\t")
    return name, int(offset), int(length)


def _narrowed(index: Bytes, key: bytes) -> tuple[int, int]:
    """Where the line of `key` is if it is anywhere: starts of lines, with few bytes between them."""
    low, high = 0, len(index)
    while high - low > _WINDOW:
        middle = index.rfind(b"\n", low, (low + high) // 2) + 1
        if middle == 0:
            break  # a name as long as half of what is left
        if index[middle : index.find(b"\t", middle)] <= key:
            low = middle
        else:
            high = middle
    return low, high


def _key(name: str) -> bytes:
    return fold(name).encode("utf-8", "surrogatepass")


def _entry(folder: Path, line: bytes) -> Entry:
    try:
        return entry_of(line)
    except ValueError as problem:
        raise _damaged(folder / REGISTRY, problem) from None


def _roles(folder: Path, content: Bytes) -> dict[str, Any]:
    try:
        roles = json.loads(content[:])
        if not isinstance(roles, dict):
            raise ValueError("no roles")
        return roles
    except ValueError as problem:
        raise _damaged(folder / ROLES, problem) from None


def _damaged(file: Path, problem: ValueError) -> UnreadableBuildError:
    return UnreadableBuildError(f"cannot read `{file}`: {problem}; `stowplan compile` makes it anew")


def _mapped(file: Path) -> Bytes:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            return mmap(descriptor, size, access=ACCESS_READ) if size else b""  # nothing cannot be mapped
        finally:
            os.close(descriptor)
    except OSError as problem:
        raise UnreadableBuildError(f"cannot read `{file}`: {problem.strerror}") from None
