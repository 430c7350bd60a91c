"""The benchmarks run, on a small size; what they measure is no test's business."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import bench_check
import bench_compile
import bench_reader
import bench_tables
import page
import pytest
import workload
from bench_table import Row, markdown, table
from changes import Changes
from processes import FailedError, Launcher, Ran, in_turns
from yardsticks import Yardstick

from stowplan.pipeline import compile_tree
from stowplan.store import generations


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    with Launcher() as small:
        yield small


def test_the_workload_compiles_without_a_word(tmp_path: Path) -> None:
    workload.write(tmp_path, 60, len(workload.CARDS))
    compiled = compile_tree(tmp_path)
    assert compiled.diagnostics == ()
    assert compiled.entries is not None
    assert [len(entries) for entries in compiled.entries.values()] == [60] * len(workload.CARDS)


def test_the_workload_is_always_the_same_and_grows_by_more_of_it() -> None:
    small, large = dict(workload.files(5, 2)), dict(workload.files(9, 2))
    assert small == dict(workload.files(5, 2))
    models = {name: content for name, content in small.items() if name.startswith("models.d/")}
    assert models.items() <= large.items()
    overlays = [content for name, content in large.items() if name.endswith("-80g.toml")]
    assert len(set(overlays)) == len(overlays)


def test_the_workload_is_written_by_one_command_and_never_over_anything(tmp_path: Path) -> None:
    command = [sys.executable, workload.__file__, str(tmp_path / "made"), "3", "2"]
    subprocess.run(command, check=True)
    assert len(list((tmp_path / "made").glob("models.d/*/discovered.json"))) == 3
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 1
    assert "is not empty" in again.stderr
    assert subprocess.run([*command[:2], "", "3", "2"], capture_output=True).returncode == 1
    assert subprocess.run([*command[:3], "3", "99"], capture_output=True).returncode == 1


def test_each_change_changes_what_it_says(tmp_path: Path) -> None:
    workload.write(tmp_path, 3, 2)
    changes = Changes(tmp_path)

    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in sorted(tmp_path.rglob("*.*")) if path.is_file()}

    before = content()
    for keeps in (changes.nothing, changes.no_build, changes.all_times, changes.all_files):
        keeps()
        assert content() == before
    for change in (changes.one_overlay, changes.one_profile) * 8:
        change()
        differs = [path for path, text in content().items() if text != before[path]]
        assert len(differs) == 1
        assert compile_tree(tmp_path).diagnostics == ()
        before = content()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's figures are Linux's")
def test_the_compilers_rows(tmp_path: Path, launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_compile, "SHORT", 1)
    monkeypatch.setattr(bench_compile, "LONG", 1)
    rows = list(bench_compile.large(launcher, tmp_path, 4))
    assert len({row.case for row in rows}) == len(rows)
    assert all(row.figure > 0 for row in rows if "flush" not in row.case)
    by_case = {row.case.strip(): row for row in rows}
    edits = 2 + 2 * ("the device flush" in by_case) + 1 + 2 * (shutil.which("git") is not None)
    assert len(generations.digests(tmp_path / "4x5" / "build")) == 1 + edits, "a compile for each edit, and no other"


def test_a_process_is_measured_with_its_children_and_apart_from_the_benchmark(
    tmp_path: Path, launcher: Launcher
) -> None:
    held = bytearray(300 << 20)
    alone = launcher.run(sys.executable, "-I", "-S", "-c", "pass", cwd=tmp_path)
    assert alone.memory < 100e6 < len(held)
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = bytearray(200 << 20)'])"
    assert launcher.run(sys.executable, "-c", child, cwd=tmp_path).memory > 200e6
    assert alone.cpu > 0
    with pytest.raises(FailedError, match="ended with 3:\nno"):
        launcher.run(sys.executable, "-c", "print('no'); raise SystemExit(3)", cwd=tmp_path)


def test_measures_take_turns() -> None:
    order: list[str] = []

    def measure(name: str, *walls: float) -> Callable[[], Ran]:
        left = list(walls)

        def ran() -> Ran:
            order.append(name)
            return Ran(left.pop(), 0, 0)

        return ran

    found = in_turns(3, {"a": measure("a", 1, 9, 2), "b": measure("b", 5, 5, 5)})
    assert order == ["a", "b"] * 3
    assert found["a"].wall == 2


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
    start = Yardstick("M", 0.01)
    rows = [
        Row("open", 0.00031, 0.001),
        Row("get", 35e-6, 30e-6),
        Row("json", 0.3),
        Row("memory", 4096, 1e6, "B"),
        Row.against("cold", 0.5, Yardstick("F", 0.5), 1.3),
        Row.against("same", 0.02, Yardstick("S", 0.01, start), 0.5),
        Row.against("first", 0.02, start),
    ]
    assert [line.split() for line in table("reader", rows)] == [
        ["reader"],
        ["open", "310", "µs", "≤", "1", "ms"],
        ["get", "35", "µs", "≤", "30", "µs", "over"],
        ["json", "300", "ms"],
        ["memory", "4.1", "kB", "≤", "1", "MB"],
        ["cold", "500", "ms", "≤", "650", "ms", "1", "F", "of", "1.3", "F"],
        ["same", "20", "ms", "≤", "15", "ms", "M", "+", "1", "S", "of", "M", "+", "0.5", "S", "over"],
        ["first", "20", "ms", "2", "M"],
    ]
    assert list(markdown(rows))[4:8] == [
        "| json | 300 ms |  |  |  |",
        "| memory | 4.1 kB | ≤ 1 MB |  | yes |",
        "| cold | 500 ms | ≤ 1.3 F | 1 F | yes |",
        "| same | 20 ms | ≤ M + 0.5 S | M + 1 S | no |",
    ]


def test_figures_are_written_between_the_pages_marks() -> None:
    text = page.PAGE.read_text("utf-8")
    once = page.with_figures(text, {"compile": [Row("cold", 1.0)]})
    assert "### compile" in once
    assert page.with_figures(once, {"compile": [Row("cold", 1.0)]}) == once
    assert once.startswith(text.partition(page.START)[0])
    with pytest.raises(ValueError, match="no marks"):
        page.with_figures("a page", {})
