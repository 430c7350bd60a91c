"""One system call of a command made to fail, or the command killed before it, by `strace -e inject`.

Every call by which a program changes a disk is counted in a run that is only watched. As the same command in
the same state makes the same calls, the n-th call of a name is then the one that is wanted.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from torn.commands import ENVIRONMENT, Command, argv, ended, forks
from torn.programs import Program

MUTATING = (
    *("openat", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "syncfs", "flock"),
    *("rename", "renameat", "renameat2", "symlink", "symlinkat", "link", "linkat", "mkdir", "mkdirat"),
    *("unlink", "unlinkat", "rmdir", "chmod", "fchmod", "fchmodat"),
)
"""The calls by which a disk is changed, or a change made to last. Of `openat`, only those that may write count."""
_TRACE = "trace=" + ",".join(f"?{name}" for name in MUTATING)  # ?: some machines have only the calls with -at

FAULTS = {
    "SIGKILL": "signal=SIGKILL",
    **{name: f"error={name}" for name in ("ENOSPC", "EIO", "EACCES", "EROFS")},
}

_CALL = re.compile(r"^(\w+)\((.*)")
_OPENED_TO_WRITE = re.compile(r"O_(WRONLY|RDWR|CREAT)")


@dataclass(frozen=True, slots=True)
class Call:
    """The `nth` call of `name` in a run; `text` is what strace wrote of it."""

    name: str
    nth: int
    text: str

    def __str__(self) -> str:
        return f"{self.name} {self.nth}: {self.text}"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a traced command ended: `code` as `ended` gives it, all that it said, and strace's log."""

    code: int
    said: str
    log: str

    @property
    def calls(self) -> list[Call]:
        """The calls that change a disk, in their order."""
        seen: Counter[str] = Counter()
        found = []
        for line in self.log.splitlines():
            if match := _CALL.match(line):
                name = match[1]
                seen[name] += 1
                if name != "openat" or _OPENED_TO_WRITE.search(line):
                    found.append(Call(name, seen[name], line))
        return found

    @property
    def was_hit(self) -> bool:
        """Whether the injection came to pass."""
        return "(INJECTED)" in self.log or self.code == -9


Trace = Callable[[Path, Command, str | None], Ending]
"""Runs a command in a project under strace, with an injection or with none."""


def injection(call: Call, fault: str) -> str:
    """What strace is told to do `fault` (a key of `FAULTS`) at `call`."""
    return f"inject={call.name}:{FAULTS[fault]}:when={call.nth}"


def trace_forks(program: Program) -> Trace:
    """In a fork of this process, which strace is attached to before it begins."""

    def trace(project: Path, command: Command, inject: str | None) -> Ending:
        with tempfile.TemporaryDirectory() as scratch:
            said, log = Path(scratch, "said"), Path(scratch, "log")
            gate, key = os.pipe()
            child = forks(program, gate)(project, command, said)
            attach = [*_strace(log, inject), "-p", str(child)]
            with subprocess.Popen(attach, stderr=subprocess.PIPE, text=True) as strace:
                assert strace.stderr is not None
                word = strace.stderr.readline()  # "Process 123 attached": from here on it makes no call unseen
                os.write(key, b"!")
                code = ended(child)
            os.close(gate)
            os.close(key)
            assert "attached" in word, word
            return Ending(code, said.read_text(errors="replace"), log.read_text(errors="replace"))

    return trace


def trace_started(project: Path, command: Command, inject: str | None) -> Ending:
    """As a user starts it."""
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch, "log")
        done = subprocess.run(
            [*_strace(log, inject), *argv(project, command)],
            env={**os.environ, **ENVIRONMENT},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Ending(done.returncode, done.stdout, log.read_text(errors="replace"))


@cache
def why_not() -> str | None:
    """Why nothing can be traced here; None if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    attach = ["strace", "-p", str(sleeper.pid)]
    with sleeper, subprocess.Popen(attach, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        word = strace.stderr.readline()
        sleeper.kill()
    return None if "attached" in word else f"this user may not trace: {word.strip()}"


def _strace(log: Path, inject: str | None) -> list[str]:
    """Without -f: git, which a compile asks for the commit, is a process of its own and has calls of its own."""
    return ["strace", "-o", str(log), "-e", _TRACE, *(("-e", inject) if inject else ())]
