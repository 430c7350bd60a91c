"""Why a server ended, as far as its log tells: a small table of what vLLM and others print, with where that was read.

A log's last lines are often not the reason ("Engine core initialization failed. See root cause above."), so
the whole log of a start is looked through, for the first row of the table that stands anywhere in it.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause: its name, what it means, what to do, and the line of the log that told it, None for a signal's."""

    name: str
    means: str
    do: str
    line: str | None = None

    @property
    def told(self) -> tuple[tuple[str, str], ...]:
        """What there is to say of it, each with its heading."""
        line = () if self.line is None else (("the log says", self.line),)
        return (*line, ("that means", self.means), ("help", self.do))


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    patterns: tuple[re.Pattern[str], ...]
    signals: tuple[int, ...]
    means: str
    do: str


def cause(log: str, status: int | None) -> Cause | None:
    """The cause that the log of one start and its exit status tell; None where the table knows none.

    `status` is negative for a signal, as subprocess has it.
    """
    for row in _table():
        for pattern in row.patterns:
            if (match := pattern.search(log)) is not None:
                return Cause(row.name, row.means, row.do, _line(log, match.start()))
    for row in _table():
        if status is not None and -status in row.signals:
            return Cause(row.name, row.means, row.do)
    return None


def _line(log: str, at: int) -> str:
    return log[log.rfind("\n", 0, at) + 1 :].partition("\n")[0].strip()


@cache
def _table() -> tuple[_Row, ...]:
    content = json.loads(files("stowplan.servers").joinpath("causes.json").read_text("utf-8"))
    return tuple(
        _Row(
            row["cause"],
            tuple(re.compile(text["pattern"]) for text in row.get("log", ())),
            tuple(row.get("signals", ())),
            row["means"],
            row["do"],
        )
        for row in content
    )
