"""Whether a process is a server of one launch, by what Linux tells of it (proc(5))."""

import os
from collections.abc import Sequence
from pathlib import Path

PROC = "/proc"

VARIABLE = "STOWPLAN_LAUNCH"
"""In a server's environment: the digest of its launch."""


def runs(pid: int, digest: str, argv: Sequence[str]) -> bool | None:
    """Whether `pid` runs the launch of this digest and `argv`; None if that cannot be told from here.

    Its environment decides. Where that may not be read, or is not there to be read (a program may
    overwrite it with its title), the end of the command line does: an interpreter may stand before it.
    """
    variables = _read(pid, "environ")
    if variables:
        mine = f"{VARIABLE}=".encode()
        return next((word[len(mine) :] for word in variables if word.startswith(mine)), None) == digest.encode()
    words = _read(pid, "cmdline")
    if words is None:
        return None if _exists(pid) else False
    wanted = [os.fsencode(word) for word in argv]
    return words[-len(wanted) :] == wanted


def _read(pid: int, file: str) -> list[bytes] | None:
    """The words of a file below /proc/<pid>, none for a process that has ended; None if it cannot be read."""
    try:
        content = Path(f"{PROC}/{pid}/{file}").read_bytes()
    except OSError:
        return None
    return content.removesuffix(b"\0").split(b"\0") if content else []


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # asks only
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
