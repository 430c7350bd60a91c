"""Behaviour as folders: each says in its name what must happen, and holds what makes it happen.

A case is laid over `a-sound-project/`, which is compiled first, so that a case holds only what is
different. Its own files:

- `models.d/`, `profiles/`, `weights/`: laid over the sound project;
- `gone`: paths that are taken away, one a line;
- `command`: what is run, one command a line; without it, `compile`;
- `expected.diag`: all that the last command prints; it its first line is the exit code, digests are blotted out;
- `expected/`: files that `build/current/` must then hold.

Whatever ends with exit code 1 or 2 must leave `current` where it was, and say where and what to do
next. `pytest --snapshot-update tests/cases` writes what is expected anew: look at every line of it.
"""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import Done, stowplan

CASES = Path(__file__).parent
SOUND = CASES / "a-sound-project"
OWN = ("gone", "command", "expected.diag", "expected")


@pytest.mark.parametrize("case", sorted(p.name for p in CASES.iterdir() if p.is_dir() and p.name != "__pycache__"))
def test_case(case: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder, project = CASES / case, tmp_path / "project"
    shutil.copytree(SOUND, project, symlinks=True, ignore=shutil.ignore_patterns(*OWN))
    before = _publish(project)
    shutil.copytree(folder, project, symlinks=True, ignore=shutil.ignore_patterns(*OWN), dirs_exist_ok=True)
    for name in _lines(folder / "gone"):
        path = project / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = Done(0, "", "")
    for command in list(_lines(folder / "command")) or ["compile"]:
        done = stowplan(project, *shlex.split(command))
    printed = f"exit {done.code}\n{done.out}{done.err}".replace(str(project), "PROJECT")
    printed = re.sub(r"\b[0-9a-f]{12}\b", "DIGEST", printed)
    if request.config.getoption("update_snapshots"):
        (folder / "expected.diag").write_text(printed, encoding="utf-8")
    assert printed == (folder / "expected.diag").read_text(encoding="utf-8")
    for expected in sorted((folder / "expected").rglob("*")):
        if expected.is_file():
            made = project / "build/current" / expected.relative_to(folder / "expected")
            if request.config.getoption("update_snapshots"):
                expected.write_bytes(made.read_bytes())
            assert made.read_text(encoding="utf-8") == expected.read_text(encoding="utf-8")
    if done.code in (1, 2):
        assert "Traceback" not in printed
        assert "this is a bug" not in printed
        assert (project / "build/current").readlink() == before


def test_there_are_enough_bad_projects() -> None:
    ends = [path.read_text(encoding="utf-8").split("\n", 1)[0] for path in CASES.glob("*/expected.diag")]
    assert sum(end in ("exit 1", "exit 2") for end in ends) >= 60


def _publish(project: Path) -> Path:
    done = stowplan(project, "compile")
    assert done.code == 0, done.err
    return (project / "build/current").readlink()


def _lines(file: Path) -> Iterator[str]:
    if file.exists():
        yield from filter(None, file.read_text(encoding="utf-8").splitlines())
