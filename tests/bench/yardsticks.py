"""What the figures are held against, measured in the same run and by turns with them.

P starts Python and does nothing. M starts it as `python -m` of an empty module, in the environment that Stowplan is
installed in. S asks the file system about each input, file or folder, once. F lists, reads and parses every input once
and writes it all as JSON.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from processes import Launcher, Ran

_STAT = """\
import os, sys, time
paths = [folder + "/" + name for top in sys.argv[1:] for folder, _, files in os.walk(top) for name in [".", *files]]
start = time.perf_counter()
list(map(os.stat, paths))
print(time.perf_counter() - start)
"""

_PARSE = """\
import json, os, sys, tomllib
found = {}
for top in sys.argv[1:]:
    for folder, _, names in os.walk(top):
        for name in names:
            path = folder + "/" + name
            with open(path, "rb") as file:
                found[path] = tomllib.load(file) if name.endswith(".toml") else json.load(file)
with open(os.devnull, "w") as file:
    file.write(json.dumps(found))
"""

_IMPORTS = """\
import tomllib, json, hashlib, click, jinja2, deepmerge
from pydantic import BaseModel
class Model(BaseModel):
    name: str
"""

INPUTS = ("models.d", "profiles")


@dataclass(frozen=True, slots=True)
class Yardstick:
    """One in seconds, by its letter; a figure may be allowed that many times of it above `start` (M + 1.4 S)."""

    letter: str
    seconds: float
    start: "Yardstick | None" = None

    def times(self, factor: float) -> float:
        """`factor` times this, in seconds."""
        return (self.start.seconds if self.start else 0.0) + factor * self.seconds

    def of(self, seconds: float) -> str:
        """`seconds` in these, in words: `9.3 P`."""
        return self.said((seconds - (self.start.seconds if self.start else 0.0)) / self.seconds)

    def said(self, factor: float) -> str:
        """`factor` times this, in words: `14 P`."""
        start = f"{self.start.letter} {'-' if factor < 0 else '+'} " if self.start else ""
        size = abs(factor) if start else factor
        return f"{start}{f'{size:,.0f}' if size >= 100 else f'{size:.3g}'} {self.letter}"


def measures(launcher: Launcher, folder: Path, project: Path) -> dict[str, Callable[[], Ran]]:
    """P, M, S and F as measures, on that project; M's empty module and the other scripts are written to `folder`."""
    (folder / "empty.py").touch()
    for name, script in {"stat.txt": _STAT, "parse.txt": _PARSE, "imports.txt": _IMPORTS}.items():
        (folder / name).write_text(script)
    run = partial(launcher.run, sys.executable, cwd=folder)
    tops = [project / name for name in INPUTS]

    def stat() -> Ran:
        seconds = float(run("-I", "-S", folder / "stat.txt", *tops).said)
        return Ran(seconds, seconds, 0)

    return {
        "P": partial(run, "-I", "-S", "-c", "pass"),
        "M": partial(run, "-m", "empty"),
        "S": stat,
        "F": partial(run, "-I", "-S", folder / "parse.txt", *tops),
        "I": partial(run, folder / "imports.txt"),
    }
