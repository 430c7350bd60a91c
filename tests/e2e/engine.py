"""Running real servers in tests: start a launch script or an argv, wait for health, stop it, leave nothing.

A vLLM server is a parent and children that rename themselves, and a SIGTERM while it starts is swallowed:
sent to the parent alone, nothing ends; sent to its group, the parent waits 600 s for its dead engine (vLLM
0.32.0). So every server gets a session of its own, and stopping it is TERM to the group, a grace time, KILL
to the group, and a look at what is left.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

REPOSITORY = Path(__file__).resolve().parents[2]

HEALTHY_WITHIN = 180.0
"""Seconds; a CPU server takes 22-35 on two cores."""

STOPPED_WITHIN = 10.0
"""Seconds between TERM and KILL; a healthy server takes at most 3."""


class ServerError(Exception):
    """A server that died, never answered or left something behind; holds the last lines of its log."""


def engine_environment() -> Path | None:
    """The environment `make test-vllm` sets up (it holds `bin/vllm`), or None where it is not set up."""
    environment = REPOSITORY / ".venv-vllm"
    return environment if (environment / ".ready").exists() else None


def bare_environment() -> dict[str, str]:
    """What any shell has. What a server needs beside it, its launch script must bring."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing holds at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_held(port: int) -> bool:
    """Whether a socket on 127.0.0.1 has the port, listening or only bound, as a vLLM that starts has it.

    Asked by binding it without SO_REUSEADDR, which also fails for the minute that connections closed by a
    stopped server stay in TIME_WAIT. Linux lists those in /proc/net/tcp, but no socket that is merely bound.
    """
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            states = _states_of_sockets_at(port)
            return not states or not states <= _CLOSED_BY_US
        return False


_CLOSED_BY_US = {"04", "05", "06", "0B"}  # FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSING: include/net/tcp_states.h


def _states_of_sockets_at(port: int) -> set[str]:
    rows = (row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return {row[3] for row in rows if row[1].endswith(f":{port:04X}")}


def cmdline(pid: int) -> list[str]:
    """The argv of a running process; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def environ(pid: int) -> dict[str, str]:
    """The variables a running process was started with."""
    variables = Path(f"/proc/{pid}/environ").read_text().split("\0")[:-1]
    return dict(variable.split("=", 1) for variable in variables)


def processes_of(session: int) -> list[int]:
    """The processes of a session (of a `Server`: its leader's pid) that still run; zombies do not."""
    return [pid for entry in Path("/proc").glob("[0-9]*") if _runs_in(session, pid := int(entry.name))]


def _runs_in(session: int, pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    state, _parent, _group, its_session = stat.rpartition(")")[2].split()[:4]  # proc_pid_stat(5)
    return int(its_session) == session and state not in "ZX"


def wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    """Asks again and again until it holds; False once the time has run out."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@dataclass(slots=True)
class Server:
    """A server process with all its children. `with Server(...) as server:` starts it, and leaving stops it.

    argv: a launch script or any command that ends up serving HTTP at 127.0.0.1:port.
    log: where its output goes.
    """

    argv: Sequence[str | Path]
    port: int
    log: Path
    environment: Mapping[str, str] = field(default_factory=bare_environment)
    process: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.argv],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The leader's: the API server, of whose session all its processes are."""
        return self.process.pid

    def wait_until_healthy(self) -> Self:
        """Returns once it answers; raises `ServerError` once it has ended or HEALTHY_WITHIN has passed."""
        if not wait_until(lambda: self._has_ended() or self._answers(), HEALTHY_WITHIN):
            raise self._failed(f"did not answer within {HEALTHY_WITHIN:.0f} s")
        if self._has_ended():
            raise self._failed(f"ended with {self.process.returncode} before it answered")
        return self

    def get(self, path: str) -> Any:
        """The JSON at a path, such as "/v1/models"."""
        return self._ask(urllib.request.Request(self._url(path)))

    def post(self, path: str, body: object) -> Any:
        """The JSON that comes for a JSON body."""
        headers = {"Content-Type": "application/json"}
        return self._ask(urllib.request.Request(self._url(path), json.dumps(body).encode(), headers))

    def stop(self) -> None:
        """Ends all its processes; raises `ServerError` where one is left or the port is still held."""
        for ending in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.pid, ending)
            if wait_until(self._is_gone, STOPPED_WITHIN):
                break
        if left := processes_of(self.pid):
            raise self._failed(f"left processes behind: {left}")
        if port_is_held(self.port):
            raise self._failed(f"stopped, and port {self.port} is still held")

    def _has_ended(self) -> bool:
        return self.process.poll() is not None

    def _is_gone(self) -> bool:
        return self._has_ended() and not processes_of(self.pid)

    def _answers(self) -> bool:
        try:
            self.get("/v1/models")
        except (OSError, ValueError):
            return False
        return True

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @staticmethod
    def _ask(request: urllib.request.Request) -> Any:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=60) as answer:
            return json.load(answer)

    def _failed(self, what: str) -> ServerError:
        words = " ".join(map(str, self.argv))
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])
        return ServerError(f"{words}\n{what}; the end of {self.log}:\n{tail}")
