"""What /proc says of running processes (proc(5)). They come and go while one looks: gone is None, never an error.

A process is known by its pid and its start time together: pids are used again, that pair is not.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stowplan.engines.reserved import LAUNCH_VARIABLE

PROC = Path("/proc")
_NAMED = LAUNCH_VARIABLE.encode() + b"="
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """A process that runs. `started` is in clock ticks since the machine started.

    `launch` is the launch digest it was started with; None where it has none, or where its environment may
    not be read (another user's), which `is_readable` tells.
    """

    pid: int
    started: int
    parent: int
    group: int
    session: int
    argv: tuple[str, ...]
    launch: str | None
    is_readable: bool

    @property
    def program(self) -> str:
        """What runs, without its arguments, which may be secret: the program, and the script or module it reads."""
        match self.argv:
            case (program, "-m", module, *_):
                return f"{program} -m {module}"
            case (program, script, *_) if not script.startswith("-"):
                return f"{program} {script}"
            case (program, *_):
                return program
        return "no command line"

    @property
    def uptime(self) -> float:
        """Seconds since it was started."""
        return float((PROC / "uptime").read_text().split()[0]) - self.started / _TICKS


Processes = Mapping[int, Process]
"""By pid."""


def processes() -> dict[int, Process]:
    """Every process that can be seen, but for this one and those above it: none of them is a server."""
    found = {process.pid: process for entry in os.listdir(PROC) if entry.isdecimal() and (process := look(int(entry)))}  # noqa: PTH208
    for pid in [os.getpid(), *(process.pid for process in ancestors(os.getpid(), found))]:
        found.pop(pid, None)
    return found


def look(pid: int) -> Process | None:
    """What runs under `pid` now; None if nothing does. A zombie runs no more."""
    fields = _stat(pid)
    if fields is None or fields[0] in "ZX":
        return None
    try:
        environment, is_readable = (PROC / str(pid) / "environ").read_bytes(), True
    except OSError:
        environment, is_readable = b"", False
    return Process(
        pid=pid,
        started=int(fields[19]),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        argv=tuple(_strings(pid, "cmdline")),
        launch=_launch(environment),
        is_readable=is_readable,
    )


def environ(pid: int) -> dict[str, str]:
    """The variables that a process was started with; empty where they may not be read."""
    return dict(text.split("=", 1) for text in _strings(pid, "environ") if "=" in text)


def ancestors(pid: int, among: Processes) -> Iterator[Process]:
    """The processes above `pid`, nearest first."""
    seen = {pid}
    here = among.get(pid)
    while here is not None and here.parent not in seen:
        seen.add(here.parent)
        here = among.get(here.parent)
        if here is not None:
            yield here


def family(leader: Process, among: Processes) -> tuple[Process, ...]:
    """`leader` and all that belong to it: its descendants, and the session it leads if it leads one.

    A script that was started in someone's shell leads none. Its group may hold the others of a pipeline.
    """
    return (
        leader,
        *(
            process
            for process in among.values()
            if process.pid != leader.pid
            and (
                leader.pid == process.session or any(above.pid == leader.pid for above in ancestors(process.pid, among))
            )
        ),
    )


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name, which may hold anything: state first, start time at 19."""
    try:
        return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


def _strings(pid: int, file: str) -> list[str]:
    try:
        content = (PROC / str(pid) / file).read_bytes()
    except OSError:
        return []
    return [os.fsdecode(text) for text in content.removesuffix(b"\0").split(b"\0")] if content else []


def _launch(environment: bytes) -> str | None:
    for variable in environment.split(b"\0"):
        if variable.startswith(_NAMED):
            return os.fsdecode(variable[len(_NAMED) :])
    return None
