"""No process gets a signal but the one that was identified, by start time and launch digest."""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from server_cases import made, row

from fake_server import child
from stowplan.servers.find import Running
from stowplan.servers.processes import Process, look
from stowplan.servers.stop import NotStoppedError, stop, tell

NOBODY = 65534
DIGEST = "a" * 64
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that carries a launch digest."""
    with child(["sleep", "600"], env=os.environ | {"STOWPLAN_LAUNCH": DIGEST}) as process:
        yield process


def seen(pid: int) -> Process:
    found = look(pid)
    assert found is not None
    return found


def running(leader: Process) -> Running:
    (server,) = made([row()])
    return Running(server, leader, (leader,), is_listening=True)


def test_the_one_that_was_identified_is_told(sleeper: "subprocess.Popen[bytes]") -> None:
    handle = tell(seen(sleeper.pid), signal.SIGTERM)
    assert handle is not None
    os.close(handle)
    assert sleeper.wait(30) == -signal.SIGTERM


@pytest.mark.parametrize("change", [{"started": 1}, {"launch": "b" * 64}])
def test_another_one_with_its_pid_is_not(sleeper: "subprocess.Popen[bytes]", change: dict[str, int | str]) -> None:
    """What was recorded is the process that had the pid before: it has ended, and the pid was used again."""
    before = dataclasses.replace(seen(sleeper.pid), **change)  # type: ignore[arg-type]
    assert tell(before, signal.SIGKILL) is None
    if "started" in change:
        assert stop(running(before), grace=0) is False, "it is gone, so there is nothing left to stop"
    assert sleeper.poll() is None


def test_one_that_has_ended_is_not(sleeper: "subprocess.Popen[bytes]") -> None:
    before = seen(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert tell(before, signal.SIGTERM) is None, "a zombie"
    sleeper.wait()
    assert tell(before, signal.SIGTERM) is None


def test_one_without_a_digest_is_not_ours_to_stop() -> None:
    with child(["sleep", "600"]) as process:
        with pytest.raises(NotStoppedError, match=f"pid {process.pid} was not started from a launch of this project"):
            stop(running(seen(process.pid)), grace=0)
        assert process.poll() is None


def test_one_of_another_projects_launches_is_not_ours_to_stop() -> None:
    """Whatever its arguments say: it has a digest, but none that its subject has or had here."""
    with child(["sleep", "600"], env=os.environ | {"STOWPLAN_LAUNCH": "b" * 64}) as process:
        with pytest.raises(NotStoppedError, match=f"pid {process.pid} was not started from a launch of this project"):
            stop(running(seen(process.pid)), grace=0)
        assert process.poll() is None


def test_one_that_does_not_end_is_killed_after_its_grace() -> None:
    command = [sys.executable, "-c", STUBBORN]
    environment = os.environ | {"STOWPLAN_LAUNCH": DIGEST}
    with child(command, env=environment, stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout is not None
        assert stubborn.stdout.readline() == b"ready\n"
        assert stop(running(seen(stubborn.pid)), grace=0.1) is True
        assert stubborn.wait(30) == -signal.SIGKILL


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_users_server_is_only_named(sleeper: "subprocess.Popen[bytes]") -> None:
    leader = seen(sleeper.pid)
    reader, writer = os.pipe()
    if (fork := os.fork()) == 0:
        try:
            os.setuid(NOBODY)
            tell(dataclasses.replace(leader, launch=None), signal.SIGKILL)
        except NotStoppedError as problem:
            os.write(writer, str(problem).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as told:  # noqa: PTH123
        assert told.read() == f"pid {sleeper.pid} belongs to another user, who alone may stop it"
    os.waitpid(fork, 0)
    assert sleeper.poll() is None
