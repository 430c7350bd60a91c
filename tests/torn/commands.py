"""Commands as processes of their own, which can be traced, frozen and killed.

A start takes a project, a command and a file for all that it says, and gives a process id. `forks` of this
process, in which everything is imported already, are quick; `started` is what a user starts.
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from torn.programs import Program

Command = tuple[str, ...]
Start = Callable[[Path, Command, Path], int]

ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
"""So that each run of the same command makes the same calls."""


def forks(program: Program, gate: int | None = None) -> Start:
    """Runs `program` in a fork of this process; it waits first, if there is a `gate`, for a byte from that."""

    def forked(project: Path, command: Command, said: Path) -> int:
        child = os.fork()
        if child != 0:
            return child
        code = 70
        try:
            output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            if gate is not None:
                os.read(gate, 1)
            code = program.run(["-C", str(project), *command])
            with contextlib.suppress(OSError):  # what a full disk kept from being said
                sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)

    return forked


def started(project: Path, command: Command, said: Path) -> int:
    """Starts `python -m stowplan`."""
    output = (os.POSIX_SPAWN_OPEN, 1, said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.posix_spawn(
        sys.executable,
        argv(project, command),
        {**os.environ, **ENVIRONMENT},
        file_actions=[output, (os.POSIX_SPAWN_DUP2, 1, 2)],
    )


def argv(project: Path, command: Command) -> list[str]:
    """The command line that runs `command` in a project."""
    return [sys.executable, "-m", "stowplan", "-C", str(project), *command]


def ended(process: int) -> int:
    """Waits for a process. Out: its exit code, or the number of the signal that ended it, negative."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
