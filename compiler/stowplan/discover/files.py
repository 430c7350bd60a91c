"""Reading files of a model folder, which came from the internet: bounded, inside its root, never waiting.

Sizes and depth are checked before anything is parsed. A link may lead elsewhere below the root, never
out of it. What cannot be read is a diagnostic.
"""

import errno
import json
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from stowplan.words.diagnostic import Diagnostic, Place, error, warning
from stowplan.words.digest import sha256
from stowplan.words.keypath import KeyPath, format_keypath

KIB, MIB = 1 << 10, 1 << 20
MAX_DEPTH = 64
DIGEST_LIMIT = MIB
"""Files up to this size that are read whole anyway get a sha256 in the facts."""

_READ = (".json", ".jinja", ".safetensors")
"""How the names of the files end that facts are read from."""

_BRACKETS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]', re.DOTALL)


@dataclass(slots=True)
class Folder:
    """One model folder being read: its root's name and real path, its path below that (POSIX).

    `problems` and `digests` (sha256 of small files read whole, by path) grow while it is read.
    """

    root: str
    base: Path
    path: str
    problems: list[Diagnostic] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def real(self) -> Path:
        """The folder itself."""
        return self.base / self.path

    def place(self, file: str, key: KeyPath = ()) -> Place:
        """A place in a file of this folder, shown as `root:path/file`."""
        return Place(f"{self.root}:{self.path}/{file}", key)

    def odd(self, file: str, key: KeyPath, seen: str) -> None:
        """Note a value that makes no sense; the fact is left out."""
        message = f"`{format_keypath(key)}` in `{file}` {seen}; the fact is left out"
        hint = "if the model works all the same, state the fact under [correct] in base.toml"
        problem = warning("config-odd", message, self.place(file, key), hint=hint)
        if problem not in self.problems:
            self.problems.append(problem)

    def has(self, file: str) -> bool:
        """Whether there is such a file (or a link that claims to be one)."""
        return (self.real / file).is_file() or (self.real / file).is_symlink()

    def text(self, file: str, limit: int) -> str | None:
        """The first `limit` bytes of a text file; None if there is none or it is no UTF-8."""
        stream = self.open(file) if self.has(file) else None
        if stream is None:
            return None
        with stream:
            content = self._bytes(file, stream, limit)
            size = os.fstat(stream.fileno()).st_size
        if content is None:
            return None
        if len(content) == size:
            self._note_digest(file, content)
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as problem:
            # the limit may have cut the last character in two
            cut = len(content) < size and problem.start > limit - 4
            return content[: problem.start].decode("utf-8") if cut else None

    def json_object(self, file: str, limit: int) -> dict[str, Any] | None:
        """The object in a JSON file of at most `limit` bytes; None if there is no such file or object."""
        found: dict[str, Any] | None = self._json(file, limit, dict, "JSON object")
        return found

    def json_list(self, file: str, limit: int) -> list[Any] | None:
        """The list in a JSON file of at most `limit` bytes; None if there is no such file or list."""
        found: list[Any] | None = self._json(file, limit, list, "JSON list")
        return found

    def open(self, file: str) -> BinaryIO | None:
        """A regular file of this folder, open for reading; None, and a problem noted, if it may not be.

        One that cannot be opened, as a link in a circle, is an error only where facts are read from it.
        """
        path = self.real / file
        try:
            if not path.resolve().is_relative_to(self.base):
                message = f"`{file}` is a link that leads out of the root `{self.root}`"
                hint = "replace the link by the file it leads to"
                self.problems.append(error("unsafe-path", message, self.place(file), hint=hint))
                return None
            # O_NONBLOCK: opening a pipe that nobody writes must not wait for ever
            stream = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
        except (OSError, RuntimeError) as problem:  # RuntimeError: links in a circle
            reason = getattr(problem, "strerror", None) or os.strerror(errno.ELOOP)
            self._unreadable(file, reason, error if file.endswith(_READ) else warning)
            return None
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            stream.close()
            self._unreadable(file, "it is not a regular file")
            return None
        return stream

    def _json(self, file: str, limit: int, kind: type, called: str) -> Any:
        stream = self.open(file) if self.has(file) else None
        if stream is None:
            return None
        with stream:
            if (size := os.fstat(stream.fileno()).st_size) > limit:
                self._unreadable(file, f"it has {size} bytes; a file of its kind may have {limit}")
                return None
            content = self._bytes(file, stream, limit)
        if content is None:
            return None
        self._note_digest(file, content)
        try:
            value = parse(content)
        except ValueError as problem:
            self._unreadable(file, f"it is not JSON: {problem}")
            return None
        if not isinstance(value, kind):
            self._unreadable(file, f"it holds no {called}")
            return None
        return value

    def _bytes(self, file: str, stream: BinaryIO, limit: int) -> bytes | None:
        try:
            return stream.read(limit)
        except OSError as problem:
            self._unreadable(file, problem.strerror or str(problem))
            return None

    def _note_digest(self, file: str, content: bytes) -> None:
        if len(content) <= DIGEST_LIMIT:
            self.digests[file] = sha256(content)

    def _unreadable(self, file: str, reason: str, told: Callable[..., Diagnostic] = error) -> None:
        hint = "download the file again"
        message = f"cannot read `{file}`: {reason}"
        self.problems.append(told("unreadable-file", message, self.place(file), hint=hint))


def shown(name: str) -> str:
    """`name` with `?` for every character that cannot be shown, as the bytes of a name that is no UTF-8."""
    return "".join(character if character.isprintable() else "?" for character in name)


def parse(content: bytes, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """JSON of bounded depth. Raises ValueError with what is wrong; `pairs` sees each object's members."""
    depth = 0
    for token in _BRACKETS.finditer(content):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token[0], 0)
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=pairs)
    except UnicodeDecodeError as problem:
        raise ValueError(f"byte {content[problem.start]:#04x} at {problem.start} is no UTF-8") from None
