"""The stamp: whether anything was touched since a compile last gave its answer.

The law: what a compile answers follows from the files it read, from the folders it looked for them in, from what
is published, from Stowplan itself, and from what it was asked. Where all of these are as they were, so is the
answer, and nothing is read. "As it was" means, of a file or a folder, its modification and change times, size and
inode: so a file that appears or goes is seen by its folder. Where an input's numbers differ, or it was written in
the very tick of the clock in which the stamp was begun (and maybe again in the same one), its content counts: of a file
its bytes, of a folder the names in it. Files of Stowplan, and what is published, count by their numbers alone.

This is all that runs where nothing changed, so it imports next to nothing. A stamp is written by `store/stamp.py`; one
that is torn, of another format or another Python is none.
"""

import os
import sys
from marshal import loads

FRESH = ".state/fresh"
FORMAT = 1
State = tuple[int, int, int, int]
"""Modification and change time in nanoseconds, size in bytes, inode; all zero for what is not there."""
NOTHING: State = (0, 0, 0, 0)


class Stamp:
    """What a stamp holds; paths of inputs, of `guarded` and of links are relative to the project, or absolute.

    `asked` are the options, `begun` when the stamp was begun, by the file system's clock (ns). `inputs`, `states`
    and `digests` (sha256, 32 bytes each) belong together; so do `guarded` and `guarded_states`. `links` are paths
    and targets. `answer` is what is said on stdout, and on stderr, plain and coloured.
    """

    __slots__ = (
        "answer",
        "asked",
        "begun",
        "digests",
        "guarded",
        "guarded_states",
        "inputs",
        "links",
        "states",
    )

    def __init__(
        self,
        answer: tuple[str, str, str],
        asked: tuple[str, ...],
        begun: int,
        digests: bytes,
        guarded: list[str],
        guarded_states: list[State],
        inputs: list[str],
        links: list[tuple[str, str]],
        states: list[State],
    ) -> None:
        self.answer = answer
        self.asked = asked
        self.begun = begun
        self.digests = digests
        self.guarded = guarded
        self.guarded_states = guarded_states
        self.inputs = inputs
        self.links = links
        self.states = states


def header() -> bytes:
    """What a stamp begins with: others cannot be read here."""
    return f"stowplan {FORMAT} {sys.version}\n".encode()


def read(build: str) -> Stamp | None:
    """The stamp of that build folder; None where there is none that can be read."""
    from zlib import crc32

    try:
        with open(f"{build}/{FRESH}", "rb") as file:  # noqa: PTH123
            content = file.read()
    except OSError:
        return None
    begin = header()
    body = memoryview(content)[len(begin) + 4 :]
    if not content.startswith(begin) or crc32(body) != int.from_bytes(content[len(begin) : len(begin) + 4], "big"):
        return None
    return Stamp(*loads(body))


def state(path: str) -> State:
    """The numbers of what is at `path` itself, be it a link."""
    try:
        found = os.lstat(path)
    except OSError:
        return NOTHING
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def touched(stamp: Stamp) -> list[int] | None:
    """Which of the inputs may not be what they were, by number, seen from the project's folder.

    None where something else is not: what is published, or Stowplan.
    """
    for link, target in stamp.links:
        try:
            if os.readlink(link) != target:  # noqa: PTH115
                return None
        except OSError:
            return None
    if [state(path) for path in stamp.guarded] != stamp.guarded_states:
        return None
    begun, lstat = stamp.begun, os.lstat
    found = []
    for number, (path, known) in enumerate(zip(stamp.inputs, stamp.states, strict=True)):
        try:
            now = lstat(path)
            if (now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_ino) == known and known[1] < begun > known[0]:
                continue
        except OSError:
            if known == NOTHING:
                continue
        found.append(number)
    return found


def same_content(stamp: Stamp, numbers: list[int]) -> bool:
    """Whether the inputs of these numbers hold what they held. What they are now is noted in `stamp.states`."""
    for number in numbers:
        path, known = stamp.inputs[number], stamp.states[number]
        stamp.states[number] = state(path)
        if _digest(path, known[2]) != stamp.digests[32 * number : 32 * number + 32]:
            return False
    return True


def names(listed: list[str]) -> bytes:
    """The content of a folder: what is in it, by name."""
    return "\0".join(sorted(listed)).encode(errors="surrogateescape")


def _digest(path: str, size: int) -> bytes:
    """The sha256 of a file of that many bytes, or of the names in a folder; of anything else, what no input has."""
    from hashlib import sha256

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        found = os.fstat(descriptor)
        if found.st_mode & 0o170000 == 0o040000:
            return sha256(names(os.listdir(descriptor))).digest()  # noqa: PTH208
        if found.st_mode & 0o170000 != 0o100000 or found.st_size != size:
            return b""
        return sha256(os.read(descriptor, size)).digest()
    except OSError:
        return b""
    finally:
        os.close(descriptor)
