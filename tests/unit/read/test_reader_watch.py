"""subscribe, watch and changes: the newest, once, whatever becomes of the build or of the callback."""

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from reader_cases import a_build, put, wait_until

from stowplan.read import Registry, Snapshot, Subscription, reader
from stowplan.store.publish import rollback

Delivered = list[int]


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return tmp_path / "build"


@pytest.fixture
def registry(build: Path) -> Registry:
    put(build, a_build(1))
    return Registry(build, "rtx")


def into(delivered: Delivered) -> Callable[[Snapshot], None]:
    return lambda snapshot: delivered.append(snapshot.generation)


def has_ended(subscription: Subscription) -> bool:
    return not subscription._thread.is_alive()


def test_a_subscriber_gets_what_is_and_then_what_comes(build: Path, registry: Registry) -> None:
    delivered: Delivered = []
    with registry.subscribe(into(delivered)):
        wait_until(lambda: delivered == [1])
        put(build, a_build(2))
        wait_until(lambda: delivered == [1, 2])
        rollback(build, None, commit=None)
        wait_until(lambda: delivered == [1, 2, 1])


def test_nothing_is_delivered_twice_in_a_row(build: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where a reader beside it made the current generation anew. Tried: compared by identity."""
    monkeypatch.setattr(reader, "PAUSE", 0.0)
    watch = registry.watch()
    assert next(watch).generation == 1
    put(build, a_build(2))
    registry.snapshot()
    rollback(build, None, commit=None)
    assert registry.snapshot().generation == 1
    assert watch.poll() is None


def test_generations_in_between_may_be_passed_over(build: Path, registry: Registry) -> None:
    delivered: Delivered = []
    free = threading.Event()

    def slow(snapshot: Snapshot) -> None:
        delivered.append(snapshot.generation)
        free.wait()

    with registry.subscribe(slow):
        wait_until(lambda: delivered == [1])
        for mark in (2, 3, 4):
            put(build, a_build(mark))
        free.set()
        wait_until(lambda: delivered == [1, 4])


def test_a_callback_that_fails_is_logged_and_called_again(
    build: Path, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    delivered: Delivered = []

    def failing(snapshot: Snapshot) -> None:
        delivered.append(snapshot.generation)
        raise RuntimeError("the consumer's own mistake")

    with caplog.at_level(logging.ERROR), registry.subscribe(failing):
        wait_until(lambda: delivered == [1])
        put(build, a_build(2))
        wait_until(lambda: delivered == [1, 2])
        wait_until(lambda: len(caplog.records) == 2)
    assert [record.getMessage() for record in caplog.records] == [
        "the callback for generation 1 failed",
        "the callback for generation 2 failed",
    ]
    assert "the consumer's own mistake" in caplog.text


def test_a_subscriber_may_be_there_before_the_build(build: Path, caplog: pytest.LogCaptureFixture) -> None:
    delivered: Delivered = []
    with caplog.at_level(logging.WARNING), Registry(build, "rtx").subscribe(into(delivered)):
        wait_until(lambda: caplog.records)
        put(build, a_build(1))
        wait_until(lambda: delivered == [1])
    (record,) = caplog.records
    assert record.getMessage() == f"there is no build at `{build}`; run `stowplan compile`; waiting for it"


def test_a_subscriber_outlives_the_folder(build: Path, registry: Registry) -> None:
    delivered: Delivered = []
    with registry.subscribe(into(delivered)):
        wait_until(lambda: delivered == [1])
        build.rename(build.with_name("away"))
        wait_until(lambda: registry.problem is not None)
        build.with_name("away").rename(build)
        wait_until(lambda: registry.problem is None)
        put(build, a_build(2))
        wait_until(lambda: delivered == [1, 2])


def test_close_ends_the_thread_from_anywhere(build: Path, registry: Registry) -> None:
    delivered: Delivered = []
    known = threading.Event()

    def once(snapshot: Snapshot) -> None:
        delivered.append(snapshot.generation)
        known.wait()
        subscription.close()

    subscription = registry.subscribe(once)
    known.set()
    wait_until(lambda: has_ended(subscription))
    put(build, a_build(2))
    assert delivered == [1]
    other = registry.subscribe(into(delivered))
    wait_until(lambda: delivered == [1, 2])
    other.close()
    wait_until(lambda: has_ended(other))


def test_a_loop_waits_for_the_next_and_ends_when_it_is_closed(build: Path, registry: Registry) -> None:
    watch = registry.watch()
    delivered: Delivered = []

    def loop() -> None:
        delivered.extend(snapshot.generation for snapshot in watch)
        delivered.append(0)

    thread = threading.Thread(target=loop)
    thread.start()
    put(build, a_build(2))
    watch.close()
    thread.join(10)
    assert not thread.is_alive()
    assert delivered[-1] == 0


def test_asyncio_gets_the_same_and_is_not_blocked(build: Path, registry: Registry) -> None:
    async def consume() -> Delivered:
        delivered: Delivered = []
        async for snapshot in registry.changes():
            delivered.append(snapshot.generation)
            if snapshot.generation == 2:
                return delivered
        raise AssertionError

    async def beside() -> Delivered:
        waiting = asyncio.create_task(consume())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        put(build, a_build(2))
        return await asyncio.wait_for(waiting, 10)

    assert asyncio.run(beside()) == [1, 2]


def test_many_threads_may_share_a_registry(build: Path, registry: Registry) -> None:
    """Each sees only whole generations, and none goes back."""
    problems: list[BaseException] = []
    ended = threading.Event()

    def read() -> None:
        last = 0
        try:
            while not ended.is_set():
                snapshot = registry.snapshot()
                assert snapshot.get("qwen").sampling["mark"] == snapshot.generation
                assert snapshot.generation >= last
                last = snapshot.generation
        except BaseException as problem:
            problems.append(problem)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for thread in readers:
        thread.start()
    for mark in range(2, 40):
        put(build, a_build(mark))
    ended.set()
    for thread in readers:
        thread.join()
    assert problems == []
