"""The tables of docs/performance.md, written by `make bench` between two marks."""

import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench_table import Row, markdown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
START, END = "<!-- figures: `make bench` writes what is below -->", "<!-- end of the figures -->"


def machine() -> str:
    """The machine in words."""
    cores = len(os.sched_getaffinity(0))
    return f"{cores} core{'s' if cores != 1 else ''}, {platform.system()}, Python {platform.python_version()}"


def with_figures(page: str, tables: Mapping[str, Iterable[Row]]) -> str:
    """`page` with those tables, by title, between its marks. Raises ValueError where it has none."""
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError("the page has no marks to write between")
    lines = [f"Measured on {machine()}; medians of whole runs."]
    for title, rows in tables.items():
        lines += ["", f"### {title}", "", *markdown(rows)]
    return f"{before}{START}\n\n" + "\n".join(lines) + f"\n\n{END}{after}"
