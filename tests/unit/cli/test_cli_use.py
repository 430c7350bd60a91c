"""use: this machine's choice, made while nobody else changes the build."""

import os
import subprocess
import sys
from pathlib import Path

from command import stowplan
from sources import sources
from stowplan.store.lock import locked


def test_use_waits_for_who_changes_the_build(tmp_path: Path) -> None:
    for name, content in sources().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert stowplan(tmp_path, "compile").code == 0
    command = [sys.executable, "-m", "stowplan", "use", "rtx"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with (
        locked(tmp_path / "build", timeout=0, waiting=print),
        subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stderr is not None
        told = process.stderr.readline()
        made = (tmp_path / "build/active").is_symlink()
        process.kill()
    assert told == f"waiting for another stowplan (pid {os.getpid()}) to finish\n"
    assert not made
    assert stowplan(tmp_path, "use", "rtx").code == 0
    assert str((tmp_path / "build/active").readlink()) == "current/rtx"
