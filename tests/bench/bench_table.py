"""What a benchmark gives, and how it is shown: each figure beside its goal."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Self

from yardsticks import Yardstick

_UNITS = {"s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")), "B": ((1e6, "MB"), (1e3, "kB")), "": ((1.0, ""),)}


@dataclass(frozen=True, slots=True)
class Row:
    """One case: what was measured and what it should be at most, both in `unit` (`s`, `B`, or none); None where none is
    set.

    A goal that is a ratio is multiplied with its yardstick by whoever makes the row, in the same run; `ratio` and
    `allowed` then say figure and goal in yardsticks.
    """

    case: str
    figure: float
    goal: float | None = None
    unit: str = "s"
    ratio: str = ""
    allowed: str = ""

    @classmethod
    def against(cls, case: str, seconds: float, yardstick: Yardstick, most: float | None = None) -> Self:
        """A case held against a yardstick, which it may take `most` times."""
        ratio = yardstick.of(seconds)
        if most is None:
            return cls(case, seconds, ratio=ratio)
        return cls(case, seconds, yardstick.times(most), ratio=ratio, allowed=yardstick.said(most))

    @property
    def verdict(self) -> str:
        """Whether the goal is met, in a word; nothing where there is none."""
        return "" if self.goal is None else "yes" if self.figure <= self.goal else "no"


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes, timed once."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def typical(work: Callable[[], object], *, calls: int, samples: int = 15) -> float:
    """How long one call takes: the median of `samples`, each the mean of `calls` in a row."""
    turns = range(calls)

    def sample() -> None:
        for _ in turns:
            work()

    return median(seconds(sample) for _ in range(samples)) / calls


def table(title: str, rows: Iterable[Row]) -> Iterator[str]:
    """The rows as lines of text; a figure over its goal is marked."""
    yield title
    for row in rows:
        goal = "" if row.goal is None else f"≤ {shown(row.goal, row.unit)}"
        ratio = f"  {row.ratio}{f' of {row.allowed}' if row.allowed else ''}" if row.ratio else ""
        over = "  over" if row.verdict == "no" else ""
        yield f"  {row.case:<52} {shown(row.figure, row.unit):>10}  {goal:>10}{ratio}{over}".rstrip()


def markdown(rows: Iterable[Row]) -> Iterator[str]:
    """The same as a table of a page."""
    yield "| case | measured | goal | ratio | met |"
    yield "|---|---:|---:|---:|---|"
    for row in rows:
        bound = "" if row.goal is None else f"≤ {row.allowed or shown(row.goal, row.unit)}"
        yield f"| {row.case.strip()} | {shown(row.figure, row.unit)} | {bound} | {row.ratio} | {row.verdict} |"


def shown(figure: float, unit: str) -> str:
    """A figure with its unit, in three digits."""
    scales = _UNITS[unit]
    scale, name = next((one for one in scales if figure >= one[0]), scales[-1])
    number = figure / scale
    return (f"{number:.3g} {name}" if number < 100 else f"{number:.0f} {name}").rstrip()
