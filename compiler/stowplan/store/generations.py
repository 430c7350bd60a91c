"""Which build has which number, and what happened when.

The law: `generations/<n>` is a link that is made once, by a step that fails where the name is taken, and
never changed; so a number, once it names a build, names no other. What happened is one line each of
`generations/log.jsonl`, which is only ever added to. A line that a crash cut off counts as not written:
the next one begins on a line of its own, and readers pass over the stump, as over whatever else is no such line.
Published numbers only rise from line to line, so the end of the log tells the highest, however long the log is.

    generations/41 -> ../store/<digest of a root object>
    current -> generations/41
"""

import errno
import json
import os
import pwd
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stowplan.store.disk import make_folder, sync, write_all
from stowplan.store.errors import NoGenerationError, StoreError, told
from stowplan.words.digest import canonical_json

GENERATIONS = "generations"
LOG = "generations/log.jsonl"
CURRENT = "current"

Action = Literal["publish", "rollback"]

_NUMBER = re.compile(r"[1-9][0-9]*")
_BLOCK = 1 << 16
"""Bytes of the log that are read at once, from its end."""
_FEW = 20
"""Up to so many generations are listed one by one."""
_TO_GENERATION = re.compile(rf"{GENERATIONS}/({_NUMBER.pattern})")
_TO_OBJECT = re.compile(r"\.\./store/([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Generation:
    """A line of the log: when a generation was published or rolled back to, by whom, at which git commit.

    `time` is UTC, in ISO 8601 to the second. `changed` names the subjects whose launch is another than
    before, `models` is how many models the build has (None where the line does not say); only a publish
    looks into these. An `action` of None stands for a generation the log does not
    know, since publishing it was broken off: it has a number and a digest, and nothing else.
    """

    number: int
    digest: str
    action: Action | None = None
    time: str | None = None
    who: str | None = None
    commit: str | None = None
    changed: tuple[str, ...] = ()
    models: int | None = None


def current(build: Path) -> int | None:
    """The number of the current generation; None before the first. Raises `StoreError`."""
    link = build / CURRENT
    with told("read", link):
        if not link.is_symlink() and not link.exists():
            return None
        match = _TO_GENERATION.fullmatch(str(link.readlink())) if link.is_symlink() else None
    if match is None:
        raise StoreError(f"`{link}` is no link to a generation; move it away, then run `stowplan compile`")
    return int(match[1])


def numbers(build: Path) -> list[int]:
    """Every number that is taken in `generations/`, lowest first. Raises `StoreError`."""
    folder = build / GENERATIONS
    with told("read", folder):
        names = os.listdir(folder) if folder.exists() else []  # noqa: PTH208
    return sorted(int(name) for name in names if _NUMBER.fullmatch(name))


def digest_of(build: Path, number: int) -> str | None:
    """The digest of the root object that generation `number` names; None if nothing of that name leads to one."""
    link = f"{build}/{GENERATIONS}/{number}"
    with told("read", Path(link)):
        try:
            match = _TO_OBJECT.fullmatch(os.readlink(link))  # noqa: PTH115
        except OSError as problem:
            if problem.errno not in (errno.ENOENT, errno.EINVAL):
                raise
            return None
    return match[1] if match else None


def digest_of_generation(build: Path, number: int) -> str:
    """As `digest_of`. Raises `NoGenerationError` if there is none."""
    if (digest := digest_of(build, number)) is None:
        raise NoGenerationError(f"there is no generation {number}; there are: {_listed(list(digests(build)))}")
    return digest


def newest(build: Path) -> int | None:
    """The highest number there is; None before the first generation. Raises `StoreError`."""
    return next((number for number in reversed(numbers(build)) if digest_of(build, number)), None)


def find(build: Path, root_digest: str) -> int | None:
    """The newest generation whose root object has this digest; None if there is none. Raises `StoreError`."""
    return next((number for number in reversed(numbers(build)) if digest_of(build, number) == root_digest), None)


def digests(build: Path) -> dict[int, str]:
    """Number → digest of the root object, of every generation, in the order of their numbers."""
    return {number: digest for number in numbers(build) if (digest := digest_of(build, number)) is not None}


def history(build: Path) -> list[Generation]:
    """What happened, oldest first. A generation that the log does not know stands before the next number's."""
    known, lines = digests(build), events(build)
    unlogged = sorted(known.keys() - {line.number for line in lines if line.action == "publish"})
    told_of: list[Generation] = []
    for line in lines:
        while line.action == "publish" and unlogged and unlogged[0] < line.number:
            number = unlogged.pop(0)
            told_of.append(Generation(number, known[number]))
        told_of.append(line)
    return told_of + [Generation(number, known[number]) for number in unlogged]


def events(build: Path) -> list[Generation]:
    """The lines of the log, oldest first. Raises `StoreError`."""
    return list(newest_first(build))[::-1]


def newest_first(build: Path) -> Iterator[Generation]:
    """The lines of the log from its end; only as much of it is read as is asked for. Raises `StoreError`."""
    for line in _lines_backwards(build / LOG):
        if (event := event_of(line)) is not None:
            yield event


def recent(build: Path) -> list[Generation]:
    """The end of the log, newest first: back to the newest published generation that is there, which is the last."""
    found: list[Generation] = []
    for line in newest_first(build):
        found.append(line)
        if line.action == "publish" and digest_of(build, line.number) is not None:
            break
    return found


def add(build: Path, number: int, digest: str) -> None:
    """Makes `generations/<number>`, durably. An existing one is an error, never replaced."""
    folder = build / GENERATIONS
    with told("write", folder):
        make_folder(folder)
        (folder / str(number)).symlink_to(f"../store/{digest}")
        sync(folder)


def record(build: Path, event: Generation) -> None:
    """Adds `event` to the log, durably, with the time and the user's name of now."""
    line: dict[str, Any] = {
        "number": event.number,
        "digest": event.digest,
        "action": event.action,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "who": _who(),
        "commit": event.commit,
    }
    if event.action == "publish":
        line["changed"] = list(event.changed)
    if event.models is not None:
        line["models"] = event.models
    path = build / LOG
    with told("write", path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            write_all(descriptor, (b"\n" if torn else b"") + canonical_json(line) + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync(path.parent)


def _lines_backwards(log: Path) -> Iterator[bytes]:
    with told("read", log):
        if not log.exists():
            return
        with log.open("rb") as stream:
            begin, rest = stream.seek(0, os.SEEK_END), b""
            while begin > 0:
                end, begin = begin, max(0, begin - _BLOCK)
                stream.seek(begin)
                rest, *lines = (stream.read(end - begin) + rest).split(b"\n")
                yield from reversed(lines)
            yield rest


def _listed(known: list[int]) -> str:
    """All of them if they are few, else how many."""
    if len(known) > _FEW:
        return f"{len(known)}, from {known[0]} to {known[-1]}"
    return ", ".join(map(str, known)) or "none yet"


def event_of(line: bytes) -> Generation | None:
    """What a line of the log says; None if it is no such line."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or isinstance(found.get("number"), bool):
        return None
    match {"time": None, "who": None, "commit": None, "changed": [], "models": None, **found}:
        case {
            "number": int(number),
            "digest": str(digest),
            "action": "publish" | "rollback" as action,
            "time": str() | None as when,
            "who": str() | None as who,
            "commit": str() | None as commit,
            "changed": [*changed],
            "models": int() | None as models,
        } if all(isinstance(subject, str) for subject in changed):
            return Generation(number, digest, action, when, who, commit, tuple(changed), models)
    return None


def _who() -> str:
    """The name of the user this runs as, or the number of one without a name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
