"""How a build becomes current: publish, rollback, and which profile this machine uses.

The law: `current` moves last, by one rename, onto a generation that is whole and durable by then. The
order is: profile objects, root object, `generations/<n>`, a line in the log, `current`. A crash after any
step leaves `current` on the whole generation it was on, and the next publish goes on from what is there:

- objects without a generation wait in the store, to be used when the same build is published;
- a generation without its line, or one whose line is the last and that is not current, was broken off.
  If the same build is published next, that generation is finished under its number. If another is, it
  keeps its number and its build, and the other gets the next number;
- a rollback writes its line first. So a line of a rollback after that of the newest generation means a
  person chose: unchanged inputs then leave `current` alone, which they do not after a crash.

Who calls any of these holds the lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from stowplan.nouns.artifact import Build
from stowplan.store import generations, objects
from stowplan.store.disk import make_folder, swap_link
from stowplan.store.errors import DamagedGenerationError, NoGenerationError, told
from stowplan.store.generations import CURRENT, Generation
from stowplan.store.verify import build_differences

ACTIVE = "active"
_SHOWN = 3


class What(StrEnum):
    """What became of a publish."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What publishing did. `current` is the generation that is current now, `newest` the newest published one.

    `changed` names the subjects whose launch is another than before; it is empty unless something was published.
    """

    what: What
    current: int
    newest: int
    changed: tuple[str, ...] = ()


def publish(
    build: Path, new: Build, *, commit: str | None, changed: Sequence[str], models: int | None = None
) -> Outcome:
    """Makes `new` current, unless it is, or someone rolled back from it. Raises `StoreError`.

    `commit`, `changed` and the number of `models` go into the log. Objects that are no longer whole are written anew
    in any case.
    """
    digest, now, recent = new.root.digest, generations.current(build), generations.recent(build)
    logged = [line.number for line in recent if line.action == "publish"]
    newest = logged[-1] if logged and generations.digest_of(build, logged[-1]) is not None else 0
    was_rolled_back = bool(recent) and recent[0].action == "rollback"
    objects.sweep(build)
    for profile, obj in new.profiles.items():
        objects.write(build, obj, like=build / CURRENT / profile)
    objects.write(build, new.root)
    if now is not None and generations.digest_of(build, now) == digest:
        return Outcome(What.UNCHANGED, now, newest)
    if now is not None and was_rolled_back and newest and generations.digest_of(build, newest) == digest:
        return Outcome(What.ROLLED_BACK, now, newest)
    highest, number = max(logged, default=0), generations.newest(build) or 0
    is_logged = number == highest
    if number < highest or generations.digest_of(build, number) != digest or (is_logged and was_rolled_back):
        number, is_logged = 1 + max(highest, *generations.numbers(build), 0), False
        generations.add(build, number, digest)
    if not is_logged:
        line = Generation(number, digest, "publish", commit=commit, changed=tuple(changed), models=models)
        generations.record(build, line)
    _point(build / CURRENT, f"{generations.GENERATIONS}/{number}")
    return Outcome(What.PUBLISHED, number, number, tuple(changed))


def rollback(build: Path, to: int | None, *, commit: str | None) -> int:
    """Makes generation `to` current; None means the one before the current. Out: its number.

    `commit` goes into the log. Raises `NoGenerationError`, `DamagedGenerationError`, `StoreError`.
    """
    number = _before(build) if to is None else to
    digest = generations.digest_of_generation(build, number)
    damage = build_differences(build, digest)
    if damage:
        listed = "; ".join(damage[:_SHOWN]) + (f"; and {len(damage) - _SHOWN} more" if len(damage) > _SHOWN else "")
        hint = "check out the commit it was compiled from and run `stowplan compile`: that writes it anew"
        raise DamagedGenerationError(f"generation {number} is damaged ({listed}); {hint}")
    generations.record(build, Generation(number, digest, "rollback", commit=commit))
    _point(build / CURRENT, f"{generations.GENERATIONS}/{number}")
    return number


def use(build: Path, profile: str) -> None:
    """Makes `profile` the one that `active` leads to, on this machine alone. Raises `StoreError`."""
    if profile in ("", ".", "..") or "/" in profile or "\0" in profile:
        raise ValueError(f"{profile!r} is no profile's name")
    with told("write", build):
        make_folder(build)
    _point(build / ACTIVE, f"{CURRENT}/{profile}")


def _before(build: Path) -> int:
    now = generations.current(build)
    if now is None:
        raise NoGenerationError("there is no generation yet; run `stowplan compile`")
    for line in generations.newest_first(build):
        if line.action == "publish" and line.number < now and generations.digest_of(build, line.number) is not None:
            return line.number
    raise NoGenerationError(f"there is no generation before {now}, the current one")


def _point(link: Path, target: str) -> None:
    with told("write", link):
        swap_link(link, target)
