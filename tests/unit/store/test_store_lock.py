"""One writer at a time."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stowplan.store.errors import LockTimeoutError, StoreError
from stowplan.store.lock import LOCK, locked

Holder = subprocess.Popen[str]

PROGRAM = """
import sys
from pathlib import Path
from stowplan.store.lock import locked
with locked(Path(sys.argv[1]), timeout=None, waiting=print):
    print("held", flush=True)
    sys.stdin.read()
"""


def quiet(message: str) -> None:
    pytest.fail(f"nobody was to wait: {message}")


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return tmp_path / "build"


@pytest.fixture
def holder(build: Path) -> Iterator[Holder]:
    """Another process that holds the lock until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(build)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_free_lock_is_taken_at_once_and_given_back(build: Path) -> None:
    for _ in range(2):
        with locked(build, timeout=0, waiting=quiet):
            assert int((build / LOCK).read_text()) == os.getpid()


def test_it_is_given_back_after_an_error(build: Path) -> None:
    with pytest.raises(KeyboardInterrupt), locked(build, timeout=0, waiting=quiet):
        raise KeyboardInterrupt
    with locked(build, timeout=0, waiting=quiet):
        pass


def test_only_the_state_folder_is_made(build: Path) -> None:
    with locked(build, timeout=0, waiting=quiet):
        assert [path.relative_to(build).as_posix() for path in sorted(build.rglob("*"))] == [".state", ".state/lock"]


def test_past_its_time_the_wait_ends_and_names_the_holder(build: Path, holder: Holder) -> None:
    said: list[str] = []
    with (
        pytest.raises(LockTimeoutError, match=rf"another stowplan \(pid {holder.pid}\) still holds"),
        locked(build, timeout=0.2, waiting=said.append),
    ):
        pytest.fail("two hold it")
    assert said == [f"waiting for another stowplan (pid {holder.pid}) to finish"]


def test_the_wait_ends_when_the_holder_does(build: Path, holder: Holder) -> None:
    def end(_: str) -> None:
        assert holder.stdin is not None
        threading.Timer(0.2, holder.stdin.close).start()

    with locked(build, timeout=None, waiting=end):
        assert holder.wait() == 0


def test_a_killed_holder_leaves_no_lock(build: Path, holder: Holder) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(build, timeout=0, waiting=quiet):
        pass


def test_a_folder_that_is_removed_during_the_wait_is_made_again(build: Path, holder: Holder) -> None:
    with locked(build, timeout=0.2, waiting=lambda _: shutil.rmtree(build)):
        assert int((build / LOCK).read_text()) == os.getpid()
    assert holder.poll() is None


def test_a_place_where_no_lock_can_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "build").touch()
    with (
        pytest.raises(StoreError, match=r"cannot lock `.*/build`: it is not a folder; move away"),
        locked(tmp_path / "build", timeout=0, waiting=quiet),
    ):
        pytest.fail("it is held")
