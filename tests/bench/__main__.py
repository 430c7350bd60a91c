"""`make bench`: the figures of this machine, now, beside the goals. It judges nothing: machines differ.

BENCH_MODELS=200 takes so many models in place of the 2,000, for a quick look; docs/performance.md is then left alone.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import bench_check
import bench_compile
import bench_reader
import bench_tables
import page
from bench_table import Row, table
from processes import Launcher

MODELS = 2_000
READER = 5 * MODELS


def main() -> None:
    """Prints each row when it is done, then writes all tables into the page; all else goes to a temporary folder."""
    chosen = os.environ.get("BENCH_MODELS")
    models = int(chosen or MODELS)
    tables: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory(prefix="stowplan-bench-") as name, Launcher() as launcher:
        folder = Path(name)
        for title, rows in {
            "compile": compiling(launcher, folder, models),
            "growth": bench_compile.growth(launcher, folder, models),
            f"reader, {READER:,} models": bench_reader.rows(folder / "build", READER),
            "flag tables": bench_tables.rows(),
            "checking": bench_check.rows(models),
        }.items():
            tables[title] = []
            for line in table(title, _kept(rows, tables[title])):
                print(line, flush=True)
    if chosen is None:
        page.PAGE.write_text(page.with_figures(page.PAGE.read_text("utf-8"), tables), "utf-8")


def compiling(launcher: Launcher, folder: Path, models: int) -> Iterator[Row]:
    """The three sizes."""
    yield from bench_compile.small(launcher, folder)
    yield from bench_compile.middle(launcher, folder)
    yield from bench_compile.large(launcher, folder, models)


def _kept(rows: Iterator[Row], into: list[Row]) -> Iterator[Row]:
    for row in rows:
        into.append(row)
        yield row


if __name__ == "__main__":
    main()
