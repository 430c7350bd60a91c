"""Which build has which number, and what happened when.

The law: `generations/<n>` is a link that is made once, by a step that fails where the name is taken, and
never changed; so a number, once it names a build, names no other. What happened is one line each of
`generations/log.jsonl`, which is only ever added to. A line that a crash cut off counts as not written:
the next one begins on a line of its own, and readers pass over the stump, as over whatever else is no such line.

    generations/41 -> ../store/<digest of a root object>
    current -> generations/41
"""

import json
import os
import pwd
import re
import time
from collections.abc import Sequence
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
_TO_GENERATION = re.compile(rf"{GENERATIONS}/({_NUMBER.pattern})")
_TO_OBJECT = re.compile(r"\.\./store/([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Generation:
    """A line of the log: when a generation was published or rolled back to, by whom, at which git commit.

    `time` is UTC, in ISO 8601 to the second. `changed` names the subjects whose launch is another than
    before; only a publish looks into that. An `action` of None stands for a generation the log does not
    know, since publishing it was broken off: it has a number and a digest, and nothing else.
    """

    number: int
    digest: str
    action: Action | None = None
    time: str | None = None
    who: str | None = None
    commit: str | None = None
    changed: tuple[str, ...] = ()


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


def newest(build: Path) -> int | None:
    """The highest number there is; None before the first generation. Raises `StoreError`."""
    return max(digests(build), default=None)


def digest_of_generation(build: Path, number: int) -> str:
    """The digest of the root object of generation `number`. Raises `NoGenerationError` if there is none."""
    known = digests(build)
    if number not in known:
        listed = ", ".join(str(n) for n in known) or "none yet"
        raise NoGenerationError(f"there is no generation {number}; there are: {listed}")
    return known[number]


def find(build: Path, root_digest: str) -> int | None:
    """The newest generation whose root object has this digest; None if there is none. Raises `StoreError`."""
    return max((number for number, digest in digests(build).items() if digest == root_digest), default=None)


def digests(build: Path) -> dict[int, str]:
    """Number → digest of the root object, of every generation, in the order of their numbers."""
    links = {number: build / GENERATIONS / str(number) for number in _numbers(build)}
    with told("read", build / GENERATIONS):
        targets = {number: str(link.readlink()) for number, link in links.items() if link.is_symlink()}
    return {number: match[1] for number, target in targets.items() if (match := _TO_OBJECT.fullmatch(target))}


def history(build: Path) -> list[Generation]:
    """What happened, oldest first. A generation that the log does not know stands before the next number's."""
    known, lines = digests(build), events(build)
    unlogged = sorted(known.keys() - published(lines))
    told_of: list[Generation] = []
    for line in lines:
        while line.action == "publish" and unlogged and unlogged[0] < line.number:
            number = unlogged.pop(0)
            told_of.append(Generation(number, known[number]))
        told_of.append(line)
    return told_of + [Generation(number, known[number]) for number in unlogged]


def events(build: Path) -> list[Generation]:
    """The lines of the log. Raises `StoreError`."""
    path = build / LOG
    with told("read", path):
        content = path.read_bytes() if path.exists() else b""
    return [event for line in content.split(b"\n") if (event := _event(line)) is not None]


def published(lines: Sequence[Generation]) -> set[int]:
    """The numbers of the generations that the log knows."""
    return {line.number for line in lines if line.action == "publish"}


def unused_number(build: Path, lines: Sequence[Generation]) -> int:
    """A number above every one that was ever given, whether its link is still there or only its line."""
    return 1 + max((*_numbers(build), *(line.number for line in lines)), default=0)


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


def _numbers(build: Path) -> list[int]:
    folder = build / GENERATIONS
    with told("read", folder):
        names = os.listdir(folder) if folder.exists() else []  # noqa: PTH208
    return sorted(int(name) for name in names if _NUMBER.fullmatch(name))


def _event(line: bytes) -> Generation | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or isinstance(found.get("number"), bool):
        return None
    match {"time": None, "who": None, "commit": None, "changed": [], **found}:
        case {
            "number": int(number),
            "digest": str(digest),
            "action": "publish" | "rollback" as action,
            "time": str() | None as when,
            "who": str() | None as who,
            "commit": str() | None as commit,
            "changed": [*changed],
        } if all(isinstance(subject, str) for subject in changed):
            return Generation(number, digest, action, when, who, commit, tuple(changed))
    return None


def _who() -> str:
    """The name of the user this runs as, or the number of one without a name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
