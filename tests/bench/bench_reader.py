"""The reader's figures on one large build: open, look up, stay current, follow."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench_build import PROFILE, build_of, entries, put
from bench_table import Row, seconds, typical

from stowplan.read import Registry, Snapshot
from stowplan.store.disk import swap_link
from stowplan.store.publish import use

_MEMORY = """
import sys
from pathlib import Path
from stowplan.read import Registry

def private():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_", "Swap:")))

before = private()
snapshot = Registry(sys.argv[1], sys.argv[2]).snapshot()
print(private() - before)
"""


def rows(folder: Path, count: int) -> Iterator[Row]:
    """The reader's cases on `count` models, in a build that is written to `folder`."""
    cold, warm = entries(count, {"temperature": 0.2}), entries(count, {"temperature": 0.7})
    first, second = put(folder, build_of(cold)), put(folder, build_of(warm))
    registry = Registry(folder, PROFILE)
    snapshot = registry.snapshot()
    names = [entry.name for entry in cold]
    aliases = [entry.aliases[1] for entry in cold]

    yield Row("read it all with json.loads, for comparison", seconds(lambda: _all(snapshot.path)))
    yield Row("open", typical(lambda: Registry(folder, PROFILE).snapshot(), calls=20), 1e-3)
    yield Row("first get by name, just opened", _just_opened(folder, names), 30e-6)
    yield Row("first get by name", _each(snapshot, names), 30e-6)
    yield Row("first get by alias", _each(snapshot, aliases), 30e-6)
    yield Row("get again", typical(lambda: snapshot.get(names[0]), calls=10_000), 1e-6)
    yield Row("is it still current? profile named", typical(registry.snapshot, calls=10_000), 4e-6)
    use(folder, PROFILE)
    yield Row("is it still current? profile by `active`", typical(Registry(folder).snapshot, calls=10_000), 4e-6)
    yield Row("hot reload", _reload(folder, registry, first, second), 5e-3)
    yield Row("a subscriber sees a new generation", _latency(folder, registry, first, second), 1.0)
    grown = subprocess.run([sys.executable, "-c", _MEMORY, folder, PROFILE], check=True, capture_output=True)
    yield Row("private memory of opening", float(grown.stdout), 1e6, "B")


def _all(profile: Path) -> object:
    return json.loads((profile / "model_registry.json").read_bytes())


def _just_opened(folder: Path, names: list[str]) -> float:
    """With what the kernel does when a map is touched for the first time."""
    opened = ((Registry(folder, PROFILE).snapshot(), name) for name in names[:: max(1, len(names) // 500)])
    return median(seconds(lambda: snapshot.get(name)) for snapshot, name in opened)  # noqa: B023 - called at once


def _each(snapshot: Snapshot, names: list[str]) -> float:
    return median(seconds(lambda: snapshot.get(name)) for name in names)  # noqa: B023 - called at once


def _reload(folder: Path, registry: Registry, first: int, second: int) -> float:
    figures = []
    for number in (first, second) * 20:
        swap_link(folder / "current", f"generations/{number}")
        figures.append(seconds(registry.snapshot))
        assert registry.snapshot().generation == number
    return median(figures)


def _latency(folder: Path, registry: Registry, first: int, second: int) -> float:
    """The longest of some, since that is what one has to reckon with."""
    seen: dict[int, float] = {}
    came = threading.Event()

    def note(snapshot: Snapshot) -> None:
        seen[snapshot.generation] = time.perf_counter()
        came.set()

    figures = []
    with registry.subscribe(note):
        came.wait()
        for number in (first, second) * 3:
            came.clear()
            swap_link(folder / "current", f"generations/{number}")
            swapped = time.perf_counter()
            came.wait()
            figures.append(seen[number] - swapped)
    return max(figures)
