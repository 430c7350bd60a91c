"""The benchmarks run, on a small build; what they measure is no test's business."""

from pathlib import Path

import bench_check
import bench_reader
import bench_tables
from bench_table import Row, table


def test_the_readers_rows(tmp_path: Path) -> None:
    rows = list(bench_reader.rows(tmp_path / "build", 20))
    assert len({row.case for row in rows}) == len(rows)
    assert all(row.figure > 0 for row in rows if row.unit == "s")


def test_the_flag_tables_rows() -> None:
    rows = list(bench_tables.rows())
    assert len({row.case for row in rows}) == len(rows)
    assert all(row.figure > 0 for row in rows)


def test_the_checks_rows() -> None:
    yardstick, check, fits = bench_check.rows(20)
    assert (yardstick.goal, check.goal) == (None, bench_check.SHARE * yardstick.figure)
    assert fits.goal == 100 * bench_check.FIT_SECONDS


def test_a_table_shows_the_figure_beside_its_goal() -> None:
    rows = [Row("open", 0.00031, 0.001), Row("get", 35e-6, 30e-6), Row("json", 0.3), Row("memory", 4096, 1e6, "B")]
    assert [line.split() for line in table("reader", rows)] == [
        ["reader"],
        ["open", "310", "µs", "≤", "1", "ms"],
        ["get", "35", "µs", "≤", "30", "µs", "over"],
        ["json", "300", "ms"],
        ["memory", "4.1", "kB", "≤", "1", "MB"],
    ]
