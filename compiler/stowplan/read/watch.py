"""Waiting for the next generation, in a loop, in a thread of its own, or in asyncio.

The newest is what counts: generations that came and went between two looks are passed over, and none is
delivered twice in a row. The links are looked at five times a second: events of the file system do not
cross mounts.
"""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType

from stowplan.read.format import UnreadableBuildError
from stowplan.read.profile import ProfileNotChosenError
from stowplan.read.snapshot import Snapshot

PAUSE = 0.2
"""Seconds between two looks."""

LOGGER = "stowplan.read"


class Watch(Iterator[Snapshot]):
    """The snapshot of now, then each newer one as it comes; waits between them, until `close`."""

    def __init__(self, read: Callable[[], Snapshot]) -> None:
        self._read = read
        self._last: Snapshot | None = None
        self._problem: str | None = None
        self._closed = threading.Event()

    def __next__(self) -> Snapshot:
        while not self._closed.is_set():
            news = self.poll()
            if news is not None:
                return news
            self._closed.wait(PAUSE)
        raise StopIteration

    def poll(self) -> Snapshot | None:
        """The newest snapshot if it was not delivered yet; None if it was, and before the first build."""
        try:
            snapshot = self._read()
        except (UnreadableBuildError, ProfileNotChosenError) as problem:
            self._wait_for_build(str(problem))
            return None
        if snapshot == self._last:
            return None
        self._last = snapshot
        return snapshot

    def close(self) -> None:
        """Ends the iteration, at once, from any thread."""
        self._closed.set()

    def _wait_for_build(self, problem: str) -> None:
        if problem != self._problem:
            import logging

            self._problem = problem
            logging.getLogger(LOGGER).warning("%s; waiting for it", problem)


class Subscription:
    """A thread that calls back with each snapshot; it ends with `close`, with a `with` block, or the program."""

    def __init__(self, watch: Watch, callback: Callable[[Snapshot], object]) -> None:
        self._watch = watch
        self._callback = callback
        self._thread = threading.Thread(target=self._run, name="stowplan-subscription", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No call begins any more; one that has begun ends in its own time."""
        self._watch.close()

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        for snapshot in self._watch:
            try:
                self._callback(snapshot)
            except Exception:
                import logging

                generation = snapshot.generation
                logging.getLogger(LOGGER).exception("the callback for generation %d failed", generation)


async def changes(watch: Watch) -> AsyncIterator[Snapshot]:
    """What `watch` delivers, without blocking the event loop; a look takes microseconds, a new build some more."""
    import asyncio

    while True:
        news = watch.poll()
        if news is not None:
            yield news
        else:
            await asyncio.sleep(PAUSE)
