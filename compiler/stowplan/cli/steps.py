"""How far a command is, and where its time went.

On a terminal, one line that rewrites itself says what is being done; elsewhere nothing does, unless each step is
asked for (`-v`). At the end there may be a table of times (`--timings`).
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from stowplan.cli.console import progress, remark
from stowplan.pipeline import Step


@contextmanager
def steps(*, verbose: bool, timings: bool) -> Iterator[Step]:
    """What to call at each step; the times are told when the last one is over."""
    now = time.perf_counter()
    begun = [("start", now - _running())]
    with progress() as rewrite:

        def step(name: str, doing: str) -> None:
            begun.append((name, time.perf_counter()))
            if verbose:
                remark(f"{name:<8} {doing}")
            else:
                rewrite(f"{name}: {doing}")

        yield step
    if timings:
        remark(_table([*begun, ("", time.perf_counter())]))


def _table(begun: list[tuple[str, float]]) -> str:
    """The seconds of each step, and its share of all; a name that comes again is one row."""
    spent: dict[str, float] = {}
    for (name, since), (_, until) in pairwise(begun):
        spent[name] = spent.get(name, 0.0) + until - since
    whole = begun[-1][1] - begun[0][1]
    rows = [f"{name:<8} {seconds:8.3f} s {seconds / whole:6.1%}" for name, seconds in spent.items()]
    return "\n".join([*rows, f"{'all':<8} {whole:8.3f} s"])


def _running() -> float:
    """For how many seconds this process runs, to a hundredth: Python's start and the imports are its time, too.

    Source: proc_pid_stat(5), the field `starttime`. Nothing where there is no /proc.
    """
    try:
        ticks = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK"))
    except (OSError, AttributeError):
        return 0.0
