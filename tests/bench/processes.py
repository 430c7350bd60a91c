"""Whole processes, measured one after the other: how long, how much CPU, how much memory the largest of them took.

A small process of its own starts them. What Linux counts as a process's largest memory begins with that of the one it
was forked from, so nothing below some 15 MB could be seen, and nothing at all beside a benchmark that holds a build.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Ran:
    """What a process took, its children included: seconds of wall and CPU, bytes of the largest one; what it said."""

    wall: float
    cpu: float
    memory: float
    said: str = ""


class FailedError(Exception):
    """A command that is measured failed: its figures would be those of something else."""


class Launcher:
    """Runs commands from a small process; use it in a `with`."""

    def __init__(self) -> None:
        small = [sys.executable, "-I", "-S", __file__]
        self._process = subprocess.Popen(small, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, *command: str | Path, cwd: Path) -> Ran:
        """Runs `command` to its end, without any PYTHON... variable. Raises FailedError where it does not exit 0."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        asked = {"command": list(map(str, command)), "cwd": str(cwd), "environment": environment}
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        if answer["status"] != 0:
            raise FailedError(f"{' '.join(asked['command'])}\nended with {answer['status']}:\n{answer['said']}")
        return Ran(answer["wall"], answer["cpu"], answer["memory"], answer["said"])


def in_turns(samples: int, measures: Mapping[str, Callable[[], Ran]]) -> dict[str, Ran]:
    """The median of `samples` of each measure. They take turns: what slows the machine for a while slows them all."""
    ran: dict[str, list[Ran]] = {name: [] for name in measures}
    for _ in range(samples):
        for name, measure in measures.items():
            ran[name].append(measure())
    return {
        name: Ran(median(r.wall for r in each), median(r.cpu for r in each), median(r.memory for r in each))
        for name, each in ran.items()
    }


def _serve() -> None:
    """The small process: a command a line in, its figures a line out."""
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryFile() as output:
            print(json.dumps(_measured(asked["command"], asked["cwd"], asked["environment"], output)), flush=True)


def _measured(command: list[str], cwd: str, environment: Mapping[str, str], output: Any) -> dict[str, Any]:
    os.chdir(cwd)
    into = [(os.POSIX_SPAWN_DUP2, output.fileno(), number) for number in (1, 2)]
    nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    start = time.perf_counter()
    process = os.posix_spawnp(command[0], command, environment, file_actions=[nothing, *into])
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - start
    output.seek(0)
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss * 1024,
        "status": os.waitstatus_to_exitcode(status),
        "said": output.read(10_000).decode(errors="replace"),
    }


if __name__ == "__main__":
    _serve()
