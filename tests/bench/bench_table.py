"""What a benchmark gives, and how it is shown: each figure beside its goal."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median

_UNITS = {"s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")), "B": ((1e6, "MB"), (1e3, "kB"))}


@dataclass(frozen=True, slots=True)
class Row:
    """One case: what was measured and what it should be at most, both in `unit` (`s`, `B`); None where none is set.

    A goal that is a ratio is multiplied with its yardstick by whoever makes the row, in the same run.
    """

    case: str
    figure: float
    goal: float | None = None
    unit: str = "s"


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
        goal = "" if row.goal is None else f"≤ {_shown(row.goal, row.unit)}"
        over = "  over" if row.goal is not None and row.figure > row.goal else ""
        yield f"  {row.case:<52} {_shown(row.figure, row.unit):>10}  {goal:>10}{over}".rstrip()


def _shown(figure: float, unit: str) -> str:
    scales = _UNITS[unit]
    scale, name = next((one for one in scales if figure >= one[0]), scales[-1])
    number = figure / scale
    return f"{number:.3g} {name}" if number < 100 else f"{number:.0f} {name}"
