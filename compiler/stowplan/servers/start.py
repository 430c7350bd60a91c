"""Starting a server, and waiting until it is healthy or dead.

Healthy is: the process that was started is alive, and who listens on the port is of its family and nobody
else, and it answers with the served name it was compiled with. One of these alone says nothing: a server
that died leaves the port to another, and vLLM shares its port with whoever wants it.
"""

import fcntl
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stowplan.engines.reserved import KEY_VARIABLE, LAUNCH_VARIABLE
from stowplan.servers.find import Sight, survey
from stowplan.servers.health import Answer, ask
from stowplan.servers.log import last_run, opened
from stowplan.servers.ports import Stranger
from stowplan.servers.processes import Process, environ, look
from stowplan.servers.server import Server

_TURN = ".state/servers.lock"
_PREFLIGHT = 60.0
"""Seconds that a script may look at weights, executable and port; on a disk that answers it takes one or two."""
_LOOK = 0.25
"""Seconds between two looks; a death is told by the kernel at once."""
_PATIENCE = 2.0
"""Seconds that an answer may take."""


@dataclass(frozen=True, slots=True)
class Healthy:
    """It serves, `seconds` after the wait began."""

    answer: Answer
    seconds: float


@dataclass(frozen=True, slots=True)
class Died:
    """It ended. `status` is its exit status, the negative number of the signal that ended it, or None where only
    who started it is told.
    """

    status: int | None


@dataclass(frozen=True, slots=True)
class Crowded:
    """Someone else listens on its port."""

    stranger: Stranger


@dataclass(frozen=True, slots=True)
class Late:
    """It is alive, and not healthy in time."""

    seconds: float


Outcome = Healthy | Died | Crowded | Late


@contextmanager
def turn(build: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """One command at a time starts and stops servers of a build; `waiting` is told where another has its turn."""
    file = build / _TURN
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def start(server: Server, log: Path) -> Process:
    """Starts the launch script, in a session of its own and with its words in `log`. Raises OSError."""
    words = opened(log, server)
    try:
        child = subprocess.Popen(
            [server.script],
            env={name: value for name, value in os.environ.items() if name != LAUNCH_VARIABLE},
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(words)
    child.returncode = 0  # nobody waits for it: it outlives this command
    ended = Process(child.pid, 0, os.getpid(), child.pid, child.pid, (), None, is_readable=False)
    return look(child.pid) or ended


def wait_for_launch(process: Process, digest: str) -> bool:
    """Waits until a script has become its server, by which others know it, or has ended; False if it hangs."""
    deadline = time.monotonic() + _PREFLIGHT
    while (now := look(process.pid)) is not None and now.started == process.started and now.launch != digest:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def wait_until_healthy(
    server: Server, process: Process, log: Path, timeout: float, progress: Callable[[str], None]
) -> Outcome:
    """Waits at most `timeout` seconds for a server whose first process is `process`; `progress` hears what goes on."""
    began = time.monotonic()
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return Died(None)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        pause = 0.0
        while not poll.poll(pause * 1000):
            pause = _LOOK
            seconds = time.monotonic() - began
            (sight,) = survey([server])
            if sight.strangers and sight.running:
                return Crowded(sight.strangers[0])
            if (answer := _answer(sight, process)) is not None:
                return Healthy(answer, seconds)
            if seconds > timeout:
                return Late(seconds)
            progress(f"{server.name} starts, {seconds:.0f} s: {_last_word(log)}")
        return Died(_status(process.pid))
    finally:
        os.close(handle)


def _answer(sight: Sight, process: Process) -> Answer | None:
    """What it answers, if it is the one that listens and its name is ours."""
    server = sight.server
    mine = next((running for running in sight.running if running.leader.pid == process.pid), None)
    if mine is None or mine.is_listening is False or len(sight.running) > 1:
        return None
    key = environ(process.pid).get(KEY_VARIABLE) if mine.is_here else None
    answer = ask(server.address, server.port, server.served, key=key, timeout=_PATIENCE)
    return answer if answer is not None and server.served in answer.names else None


def _status(pid: int) -> int | None:
    with suppress(ChildProcessError):
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
        if ended is not None:
            return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
    return None


def _last_word(log: Path) -> str:
    return next((line for line in reversed(last_run(log).splitlines()) if line.strip()), "")
