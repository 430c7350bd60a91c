"""`stowplan compile` as a whole process, on projects of three sizes: what it takes, in yardsticks of the same run."""

import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import workload
import yardsticks
from bench_table import Row
from changes import Changes
from processes import Launcher, Ran, in_turns
from yardsticks import Yardstick

MEMORY = 150e6
"""Bytes that the largest process of a cold compile may take."""
LINEAR = 1.1
"""What each of the last overlays may cost, measured by each of the first."""
_MERGE = Path(__file__).with_name("merge.nix")
SHORT, LONG = 15, 5
"""How often a case is measured that takes a blink, and one that takes seconds."""


class Bench:
    """One workload and what is measured on it; built once, in `folder`/MODELSxPROFILES."""

    def __init__(self, launcher: Launcher, folder: Path, models: int, profiles: int) -> None:
        self.project = folder / f"{models}x{profiles}"
        self.subjects = models * profiles
        self.shape = f"{models:,} models on {profiles} profiles"
        self._launcher, self._folder = launcher, folder
        workload.write(self.project, models, profiles)
        self.changes = Changes(self.project)
        self._sticks = yardsticks.measures(launcher, folder, self.project)

    def settled(self) -> None:
        """Compiles until nothing is left to do: the second time, no file is as young as the stamp."""
        for _ in range(2):
            self.compiled(self.changes.nothing)
            time.sleep(0.1)

    def compiled(self, change: Callable[[], None], *before: str | Path) -> Ran:
        """`change`, then one measured compile; `before` goes in front of it (strace ...)."""
        change()
        stowplan = (sys.executable, "-m", "stowplan", "-C", self.project, "compile")
        return self._launcher.run(*before, *stowplan, cwd=self._folder)

    def by_script(self) -> Ran:
        """The same by the console script, where nothing changed."""
        script = Path(sys.executable).with_name("stowplan")
        return self._launcher.run(script, "-C", self.project, "compile", cwd=self._folder)

    def flushes(self, change: Callable[[], None]) -> Ran:
        """How long such a compile waits for the device: its calls of fsync and the like, as strace clocks them."""
        log = self._folder / "strace.txt"
        calls = "trace=fsync,fdatasync,syncfs,sync"
        self.compiled(change, "strace", "-f", "--seccomp-bpf", "-T", "-e", calls, "-o", log)
        waited = sum(map(float, re.findall(r"<([0-9.]+)>$", log.read_text(), re.MULTILINE)))
        return Ran(waited, 0, 0)

    def git(self, *arguments: str) -> Ran:
        """`git` in the project."""
        return self._launcher.run("git", "-C", self.project, *arguments, cwd=self._folder)

    def merged_by_nix(self) -> Ran:
        """The layers of every subject laid over one another by Nix, and written as JSON."""
        nix = ("nix-instantiate", "--eval", "--strict", "--json", "--arg", "project", self.project, _MERGE)
        return self._launcher.run(*nix, cwd=self._folder)

    def measured(
        self, samples: int, letters: str, measures: Mapping[str, Callable[[], Ran]]
    ) -> tuple[dict[str, Ran], dict[str, Yardstick]]:
        """The measures and the yardsticks of those letters, by turns."""
        found = in_turns(samples, {**{letter: self._sticks[letter] for letter in letters}, **measures})
        return found, {letter: Yardstick(letter, found[letter].wall) for letter in letters}


def small(launcher: Launcher, folder: Path) -> Iterator[Row]:
    """16 models on 2 profiles."""
    bench = Bench(launcher, folder, 16, 2)
    bench.settled()
    nothing = partial(bench.compiled, bench.changes.nothing)
    ran, by = bench.measured(2 * SHORT, "PM", {"nothing": nothing, "script": bench.by_script})
    yield Row.against(f"nothing changed, {bench.shape}", ran["nothing"].wall, by["M"], 1.2)
    yield Row.against("  by the console script (`stowplan`)", ran["script"].wall, by["M"])
    ran, by = bench.measured(
        SHORT,
        "PI",
        {
            "overlay": partial(bench.compiled, bench.changes.one_overlay),
            "cold": partial(bench.compiled, bench.changes.no_build),
        },
    )
    yield Row.against(f"one overlay changed, {bench.shape}", ran["overlay"].wall, by["P"])
    yield Row.against(f"cold, {bench.shape}", ran["cold"].wall, by["I"], 1.6)


def middle(launcher: Launcher, folder: Path) -> Iterator[Row]:
    """200 models on 4 profiles."""
    bench = Bench(launcher, folder, 200, 4)
    ran, by = bench.measured(LONG, "F", {"cold": partial(bench.compiled, bench.changes.no_build)})
    yield Row.against(f"cold, {bench.shape}", ran["cold"].wall, by["F"])
    bench.settled()
    ran, by = bench.measured(SHORT, "MS", {"nothing": partial(bench.compiled, bench.changes.nothing)})
    yield Row.against(f"nothing changed, {bench.shape}", ran["nothing"].wall, _stats(by))


def large(launcher: Launcher, folder: Path, models: int) -> Iterator[Row]:
    """So many models on 5 profiles: 2,000 are the 10,000 overlays that the goals speak of."""
    bench = Bench(launcher, folder, models, 5)
    changes = bench.changes
    of = f"{bench.subjects:,} overlays"

    cold: dict[str, Callable[[], Ran]] = {"cold": partial(bench.compiled, changes.no_build)}
    if shutil.which("nix-instantiate"):
        cold["nix"] = bench.merged_by_nix
    ran, by = bench.measured(LONG, "F", cold)
    yield Row.against(f"cold, {of}", ran["cold"].wall, by["F"], 1.3)
    if "nix" in ran:
        nix = Yardstick("nix", ran["nix"].wall)
        yield Row.against("  nix, which merges the same files and does nothing else", nix.seconds, by["F"])
        yield Row.against("  held against nix", ran["cold"].wall, nix, 0.75)
    yield Row.against("  its CPU time, of all processes", ran["cold"].cpu, by["F"])
    yield Row("  memory of its largest process", ran["cold"].memory, MEMORY, "B")

    bench.settled()
    ran, by = bench.measured(SHORT, "PMS", {"nothing": partial(bench.compiled, changes.nothing)})
    yield Row.against(f"nothing changed, {of}", ran["nothing"].wall, _stats(by), 1.4)
    yield from by_content(bench, of)
    yield from one_changed(bench, of)
    yield from in_a_repository(bench, of)


def by_content(bench: Bench, of: str) -> Iterator[Row]:
    """Nothing changed but what a stamp is made of."""
    changes = bench.changes
    touched = {"times": partial(bench.compiled, changes.all_times), "files": partial(bench.compiled, changes.all_files)}
    ran, by = bench.measured(LONG, "F", touched)
    yield Row.against(f"nothing changed but all times, {of}", ran["times"].wall, by["F"], 0.3)
    yield Row.against("  a fresh checkout beside the old build", ran["files"].wall, by["F"], 0.3)


def one_changed(bench: Bench, of: str) -> Iterator[Row]:
    """One file changed; what the device takes is told apart where strace is there to clock it."""
    changes = bench.changes
    bench.settled()
    overlay = {"overlay": partial(bench.compiled, changes.one_overlay)}
    if shutil.which("strace"):
        overlay["flush"] = partial(bench.flushes, changes.one_overlay)
    ran, by = bench.measured(2 * LONG, "P", overlay)
    flush = ran["flush"].wall if "flush" in ran else 0.0
    apart = ", device flush apart" if flush else ""
    yield Row.against(f"one overlay changed of {of}{apart}", ran["overlay"].wall - flush, by["P"], 14)
    if flush:
        yield Row.against("  the device flush", flush, by["P"])
    ran, by = bench.measured(LONG, "F", {"profile": partial(bench.compiled, changes.one_profile)})
    yield Row.against(f"one profile changed of {of}", ran["profile"].wall, by["F"])


def in_a_repository(bench: Bench, of: str) -> Iterator[Row]:
    """`git status` on the same tree, and what an edit takes where it is a repository."""
    if not shutil.which("git"):
        return
    (bench.project / ".gitignore").write_text("build/\n")
    author = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgsign=false")
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "the workload"], ["status"]):
        bench.git(*command)
    bench.settled()
    both = {
        "git": partial(bench.git, "status", "--porcelain"),
        "nothing": partial(bench.compiled, bench.changes.nothing),
    }
    ran, by = bench.measured(SHORT, "P", both)
    yield Row.against(f"`git status`, {of}, for comparison", ran["git"].wall, by["P"])
    yield Row.against("  nothing changed, on the same tree", ran["nothing"].wall, by["P"])
    ran, by = bench.measured(2 * LONG, "P", {"overlay": partial(bench.compiled, bench.changes.one_overlay)})
    yield Row.against("  one overlay changed in a git repository, flush included", ran["overlay"].wall, by["P"])


def growth(launcher: Launcher, folder: Path, models: int) -> Iterator[Row]:
    """Cold compiles from a tenth to twice as many models: is the cost of an overlay the same at every size?"""
    walls = {}
    for size in (models // 10, models // 5, models // 2, models, 2 * models):
        bench = Bench(launcher, folder / "growth", size, 5)
        ran, _ = bench.measured(LONG, "", {"cold": partial(bench.compiled, bench.changes.no_build)})
        walls[bench.subjects] = ran["cold"].wall
        yield Row(f"cold, for each of {bench.subjects:,} overlays", ran["cold"].wall / bench.subjects)
        shutil.rmtree(bench.project)
    first, *_, half, last = walls
    early = (walls[half] - walls[first]) / (half - first)
    late = (walls[last] - walls[half]) / (last - half)
    yield Row(f"  each of the last {last - half:,}, of each of the first", late / early, LINEAR, "")


def _stats(by: Mapping[str, Yardstick]) -> Yardstick:
    return Yardstick("S", by["S"].seconds, by["M"])
