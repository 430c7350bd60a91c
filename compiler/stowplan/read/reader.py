"""The registry as a consumer follows it: always what `current` leads to, and nothing read twice.

The law: what a caller gets was current when it asked. Each call reads the links that move (`current`,
and `active` where that chose the profile). The whole way to the store is gone anew when one of them says
something else, and five times a second, since a build folder that was removed and made again counts its
generations from 1 again. File times are never looked at.
"""

import os
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from time import monotonic

from stowplan.read.format import UnreadableBuildError, check_format
from stowplan.read.mapped import Mapped
from stowplan.read.place import ACTIVE, CURRENT, Place, locate
from stowplan.read.profile import VARIABLE, ProfileNotChosenError
from stowplan.read.snapshot import Snapshot
from stowplan.read.watch import LOGGER, PAUSE, Subscription, Watch, changes

_readlink = os.readlink


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was read last, what the links said then, and up to when it is enough to ask them (monotonic seconds)."""

    current: str
    active: str | None
    until: float
    snapshot: Snapshot


class Registry:
    """The registry in the folder `build_dir`, for one profile. Any number of threads may share one.

    The profile is `profile`, else $STOWPLAN_PROFILE as it is now, else the one `build/active` leads to, else the
    only one there is. Nothing is read before it is asked for, so the first build may come later.
    """

    def __init__(self, build_dir: str | os.PathLike[str], profile: str | None = None) -> None:
        self._build = os.path.abspath(build_dir)  # noqa: PTH100 - links stay: they may be made to lead elsewhere
        self._named = profile
        self._environment = os.environ.get(VARIABLE)
        self._current = f"{self._build}/{CURRENT}"
        self._active = f"{self._build}/{ACTIVE}"
        self._seen: _Seen | None = None
        self._problem: str | None = None
        self._lock = threading.Lock()

    def snapshot(self) -> Snapshot:
        """The current generation; the very same object while that stays.

        If it can no longer be read, the last one that could be, and `problem` says why. If none ever
        could, raises UnreadableBuildError or ProfileNotChosenError.
        """
        seen = self._seen
        try:
            if (
                seen is not None
                and monotonic() < seen.until
                and _readlink(self._current) == seen.current
                and (seen.active is None or _readlink(self._active) == seen.active)
            ):
                return seen.snapshot
        except OSError:
            pass  # which one, and why, is said below
        return self._look()

    @property
    def problem(self) -> str | None:
        """Why the last `snapshot` gave an older generation than may be current, or none; None if all was well."""
        return self._problem

    def watch(self) -> Watch:
        """An iterator that waits: the snapshot of now, then each newer one. Before the first build it waits, too."""
        return Watch(self.snapshot)

    def subscribe(self, callback: Callable[[Snapshot], object]) -> Subscription:
        """Calls `callback` from a thread of its own: with the snapshot of now, then with each newer one.

        The first call may come before this returns. What `callback` raises is logged, and the thread goes on.
        """
        return Subscription(self.watch(), callback)

    def changes(self) -> AsyncIterator[Snapshot]:
        """As `watch`, for asyncio: `async for snapshot in registry.changes()`."""
        return changes(self.watch())

    def _look(self) -> Snapshot:
        with self._lock:
            seen = self._seen
            last = None if seen is None else seen.snapshot
            try:
                place, snapshot = self._read(last)
            except (UnreadableBuildError, ProfileNotChosenError) as problem:
                self._keep(str(problem), seen)
                if last is None:
                    raise
                return last
            self._seen = _Seen(place.current, place.active, monotonic() + PAUSE, snapshot)
            self._problem = None
            return snapshot

    def _read(self, last: Snapshot | None) -> tuple[Place, Snapshot]:
        """The current snapshot, which is `last` if that still holds, and its place."""
        reading = None if last is None else last.profile
        place: Place | None = None
        while True:
            said = _said(self._current)
            before, place = place, None
            try:
                place = locate(self._build, self._named, self._environment, reading)
                return place, _snapshot(place, last)
            except (UnreadableBuildError, ProfileNotChosenError):
                # else it may have been removed while we came to it, and another is current
                if place == before and _said(self._current) == said:
                    raise

    def _keep(self, problem: str, seen: _Seen | None) -> None:
        told, self._problem = self._problem, problem
        if seen is not None:
            self._seen = replace(seen, until=0.0)  # look again each time
            if problem != told:
                import logging

                kept = seen.snapshot.generation
                logging.getLogger(LOGGER).warning("%s; generation %d stays in use", problem, kept)


def _said(link: str) -> str | None:
    """Where a link leads; None if it is none, for a reason that `locate` says."""
    try:
        return _readlink(link)
    except OSError:
        return None


def _snapshot(place: Place, last: Snapshot | None) -> Snapshot:
    """The snapshot at `place`, made of as much of `last` as holds there. Raises UnreadableBuildError."""
    same = last is not None and last.path == place.folder
    if last is not None and same and (last.generation, last.profile) == (place.generation, place.profile):
        return last
    check_format(place.root)
    check_format(place.folder)
    mapped = last._mapped if last is not None and same else Mapped(place.folder)
    return Snapshot(place.generation, place.profile, place.folder.name, place.folder, mapped)
