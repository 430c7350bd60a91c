"""What happens to a project between two compiles."""

import os
import re
import shutil
import time
from itertools import count
from pathlib import Path

from yardsticks import INPUTS

_SHARE = re.compile(r"(?<=gpu-memory-utilization = )([0-9.]+)")


class Changes:
    """Makes changes to a workload's files, another one each time."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._overlays = sorted(path for path in project.glob("models.d/*/*.toml") if path.name != "base.toml")
        self._profile = min(project.glob("profiles/*.toml"))
        self._turns = count(1)

    def nothing(self) -> None:
        """Leaves all as it is."""

    def no_build(self) -> None:
        """There was never a compile."""
        shutil.rmtree(self._project / "build", ignore_errors=True)

    def all_times(self) -> None:
        """Every file and folder has another time and the same content."""
        now = time.time_ns() - next(self._turns) * 1_000_000_000
        for top in INPUTS:
            for folder, _, names in os.walk(self._project / top):
                for name in (".", *names):
                    os.utime(f"{folder}/{name}", ns=(now, now))

    def all_files(self) -> None:
        """Every file is another with the same content, as in a fresh checkout beside which the build was kept."""
        for top in INPUTS:
            path = self._project / top
            shutil.copytree(path, path.with_name(f"{top}.new"))
            shutil.rmtree(path)
            path.with_name(f"{top}.new").rename(path)

    def one_overlay(self) -> None:
        """One overlay says something else; its launch changes with it."""
        turn = next(self._turns)
        path = self._overlays[turn * 7919 % len(self._overlays)]
        before, value, after = _SHARE.split(path.read_text())
        path.write_text(f"{before}{float(value[:4]) + (1 + turn % 9) / 1000:.3f}{after}")

    def one_profile(self) -> None:
        """A profile's engine is installed elsewhere: each of its launches changes."""
        text = self._profile.read_text()
        before = next(line for line in text.splitlines() if line.startswith("executable = "))
        self._profile.write_text(text.replace(before, f'executable = "/opt/turn-{next(self._turns)}/bin/vllm"'))
