"""Collecting garbage: generations that nobody needs any more, and then what no generation leads to.

The law: a generation that is there is whole. So a generation's name goes first, for good, and only then what it
alone led to; and an object loses its name by a rename, for good, before anything in it is removed. A crash after
any step leaves objects without a generation, or trees with the temporary names that the next publish sweeps.

A generation stays if it is one of the newest, current, pinned, in use by a running server, or was current not long
ago. Whatever was current, or written, within the grace time stays in any case: a reader or a starting server may
have followed a link to it a moment ago and hold it still. Numbers are never used again: the log remembers them.

Who calls this holds the lock: so what is there without a name yet is a dead writer's.
"""

import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from stowplan.store import generations
from stowplan.store.disk import sync
from stowplan.store.errors import told
from stowplan.store.generations import GENERATIONS
from stowplan.store.layout import DAMAGED, STORE, TEMPORARY, is_digest
from stowplan.store.objects import sweep
from stowplan.store.pins import pins
from stowplan.store.publish import ACTIVE
from stowplan.store.verify import profiles_of

KEEP = 10
OLDER_THAN = 30 * 86400.0
GRACE = 600.0
"""Seconds. Long enough for a server to read, while it starts, what its script named."""

_BLOCK = 512
"""Bytes of a unit of st_blocks (stat(2))."""
_NAMES_GENERATION = re.compile(rf"(?:\./)?{GENERATIONS}/([1-9][0-9]*)(?:/.*)?")


class Why(StrEnum):
    """Why a generation stays; of several reasons the first of these is told."""

    CURRENT = "current"
    PINNED = "pinned"
    RUNS = "in use by a running server"
    NEWEST = "among the newest"
    FRESH = "current within the grace time"
    YOUNG = "young"


@dataclass(frozen=True, slots=True)
class Policy:
    """What may go: all but the newest `keep` generations (1 at least) that were not current for `older_than` seconds.

    Nothing goes that was current or written less than `grace` seconds ago.
    """

    keep: int = KEEP
    older_than: float = OLDER_THAN
    grace: float = GRACE


@dataclass(frozen=True, slots=True)
class Garbage:
    """What can go, and which generations stay for what reason.

    `objects`, `damaged` (put aside) and `leftovers` (of a broken-off command) are paths in the store. `bytes` is what
    all of them take on the disk and nothing else shares.
    """

    generations: tuple[int, ...]
    kept: Mapping[int, Why]
    objects: tuple[Path, ...]
    damaged: tuple[Path, ...]
    leftovers: tuple[Path, ...]
    bytes: int


def garbage(build: Path, policy: Policy, in_use: Collection[int], now: float) -> Garbage:
    """What a collection would remove. `in_use` are generations of running servers; `now` is in seconds since 1970.

    Raises `StoreError`, and ValueError if the policy would keep none.
    """
    if policy.keep < 1:
        raise ValueError("the newest generation always stays")
    digests = generations.digests(build)
    kept = _kept(build, list(digests), policy, in_use, now)
    reachable = _reachable(build, {digests[number] for number in kept})
    objects, damaged, leftovers = list[Path](), list[Path](), list[Path]()
    with told("read", build / STORE):
        for path in sorted((build / STORE).iterdir()) if (build / STORE).exists() else ():
            age = now - _touched(path)
            if path.name.startswith(TEMPORARY):
                leftovers.append(path)
            elif path.name.startswith(DAMAGED) and age >= max(policy.older_than, policy.grace):
                damaged.append(path)
            elif is_digest(path.name) and path.name not in reachable and age >= policy.grace:
                objects.append(path)
        size = _freed([*objects, *damaged, *leftovers])
    gone = tuple(number for number in digests if number not in kept)
    return Garbage(gone, kept, tuple(objects), tuple(damaged), tuple(leftovers), size)


def collect(build: Path, found: Garbage) -> None:
    """Removes what was found, under the same lock as it was found. Raises `StoreError`."""
    sweep(build)
    folder, store = build / GENERATIONS, build / STORE
    with told("collect", store):
        for number in found.generations:
            (folder / str(number)).unlink()
        if found.generations:
            sync(folder)
        for place in (*found.objects, *found.damaged):
            place.rename(store / f"{TEMPORARY}{os.getpid()}-{place.name}")
        if found.objects or found.damaged:
            sync(store)
    sweep(build)


def _kept(build: Path, numbers: list[int], policy: Policy, in_use: Collection[int], now: float) -> dict[int, Why]:
    """The generations that stay, by number, each with its reason."""
    ages = _ages(build, numbers, now)
    pinned = set(pins(build).values())
    newest = set(numbers[-policy.keep :])
    rules: Mapping[Why, Collection[int | None]] = {
        Why.CURRENT: {generations.current(build), _active(build)},
        Why.PINNED: pinned,
        Why.RUNS: set(in_use),
        Why.NEWEST: newest,
        Why.FRESH: {number for number in numbers if ages[number] < policy.grace},
        Why.YOUNG: {number for number in numbers if ages[number] < policy.older_than},
    }
    reasons = {number: next((why for why, those in rules.items() if number in those), None) for number in numbers}
    return {number: why for number, why in reasons.items() if why is not None}


def _active(build: Path) -> int | None:
    """The generation that `active` leads to past `current`, as a person may have made it."""
    link = build / ACTIVE
    with told("read", link):
        match = _NAMES_GENERATION.fullmatch(str(link.readlink())) if link.is_symlink() else None
    return int(match[1]) if match else None


def _ages(build: Path, numbers: Iterable[int], now: float) -> dict[int, float]:
    """For how many seconds each generation was not current. The link itself is that old at most."""
    ended: dict[int, float] = {}
    last: int | None = None
    for line in generations.events(build):
        when = _seconds(line.time)
        for number in (last, line.number):
            if number is not None and when is not None:
                ended[number] = max(when, ended.get(number, 0))
        last = line.number
    with told("read", build / GENERATIONS):
        made = {number: (build / GENERATIONS / str(number)).lstat().st_mtime for number in numbers}
    return {number: now - max(when, ended.get(number, 0)) for number, when in made.items()}


def _seconds(when: str | None) -> float | None:
    try:
        return datetime.fromisoformat(when).timestamp() if when else None
    except ValueError:
        return None


def _reachable(build: Path, roots: Iterable[str]) -> set[str]:
    return {digest for root in roots for digest in (root, *profiles_of(build, root).values())}


def _touched(path: Path) -> float:
    """When a thing in the store was written, or got its name."""
    state = path.lstat()
    return max(state.st_mtime, state.st_ctime)


def _freed(trees: Iterable[Path]) -> int:
    """The bytes on the disk that are free once all of `trees` are gone: a file with another name elsewhere stays."""
    seen: Counter[tuple[int, int]] = Counter()
    sizes: dict[tuple[int, int], tuple[int, int]] = {}
    waiting = list(trees)
    while waiting:
        path = waiting.pop()
        state = path.lstat()
        name, is_folder = (state.st_dev, state.st_ino), stat.S_ISDIR(state.st_mode)
        seen[name] += 1
        sizes[name] = (1 if is_folder else state.st_nlink, state.st_blocks * _BLOCK)
        waiting += path.iterdir() if is_folder else ()
    return sum(size for name, (links, size) in sizes.items() if seen[name] >= links)
