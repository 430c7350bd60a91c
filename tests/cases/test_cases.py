"""Behaviour as folders: each says in its name what must happen, and holds what makes it happen.

A case is laid over `a-sound-project/`, which was compiled before, so that a case holds only what is
different. Its own files:

- `gone`: paths that are taken away first, one a line;
- `models.d/`, `profiles/`, `weights/`, `build/`: laid over the sound project; in a profile `@PROJECT@`
  stands for the project's absolute path;
- `command`: what is run, one command a line as in a shell; without it, `compile`;
- `later/`: laid over the project before the last command;
- `expected.diag`: all that the last command prints, its exit code first; digests and times are blotted out;
- `expected/`: files that the project must then hold.

Whatever ends with exit code 1 or 2 must leave `current` where it was. `pytest --snapshot-update
tests/cases` writes what is expected anew: look at every line of it.
"""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from command import stowplan
from stowplan.read.profile import VARIABLE
from stowplan.report.catalogue import rules
from stowplan.words.version import STOWPLAN

CASES = Path(__file__).parent
SOUND = CASES / "a-sound-project"
OWN = ("gone", "command", "later", "expected", "expected.diag")
NAMES = sorted(path.name for path in CASES.iterdir() if path.is_dir() and path.name not in ("__pycache__", SOUND.name))
TOLD = re.compile(r"^(?:error|warning|note)\[([a-z0-9-]+)\].*\n( *--> )?", re.MULTILINE)
"""A problem as text: its kind, and whether a place follows."""


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sound project, compiled."""
    project = tmp_path_factory.mktemp("sound") / "project"
    _lay(SOUND, project)
    done = stowplan(project, "compile")
    assert done.code == 0, done.err
    return project


@pytest.mark.parametrize("case", NAMES)
def test_case(
    case: str, sound: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    folder, project = CASES / case, tmp_path / "project"
    shutil.copytree(sound, project, symlinks=True)
    for name in _lines(folder / "gone"):
        _take_away(project / name)
    _lay(folder, project)
    *before, last = _lines(folder / "command") or ["compile"]
    for command in before:
        stowplan(project, *shlex.split(command))
    _lay(folder / "later", project)
    current = _current(project)
    done = stowplan(project, *shlex.split(last))
    printed = _blotted(f"exit {done.code}\n{done.out}{done.err}", project)
    if request.config.getoption("update_snapshots"):
        _write_anew(folder, project, printed)
    assert printed == _expected(folder)
    for file in _files(folder / "expected"):
        assert (project / file).read_text(encoding="utf-8") == (folder / "expected" / file).read_text(encoding="utf-8")
    assert "Traceback" not in printed
    assert "this is a bug" not in printed
    if done.code in (1, 2):
        assert _current(project) == current


def test_there_are_enough_bad_projects() -> None:
    ends = [_expected(CASES / case).split("\n", 1)[0] for case in NAMES]
    assert sum(end in ("exit 1", "exit 2") for end in ends) >= 130


def test_every_problem_says_where_it_is() -> None:
    asked = {"no-models", "outside-roots"}  # what is wrong with a path on the command line, or on this machine
    for case in NAMES:
        assert {kind for kind, place in TOLD.findall(_expected(CASES / case)) if not place} <= asked, case


def test_every_kind_of_problem_has_a_case() -> None:
    told = {kind for case in NAMES for kind, _ in TOLD.findall(_expected(CASES / case))}
    assert told == {rule.id for rule in rules()}


def _lay(folder: Path, project: Path) -> None:
    """Copies what a case's folder holds for the project, if there is such a folder."""
    if folder.is_dir():
        shutil.copytree(
            folder,
            project,
            symlinks=True,
            ignore=lambda path, _: OWN if Path(path) == folder else (),
            dirs_exist_ok=True,
        )
    for profile in (project / "profiles").glob("*.toml"):
        if b"@PROJECT@" in (content := profile.read_bytes()):
            profile.write_bytes(content.replace(b"@PROJECT@", bytes(project)))


def _take_away(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _current(project: Path) -> str | None:
    link = project / "build/current"
    return str(link.readlink()) if link.is_symlink() else None


def _blotted(printed: str, project: Path) -> str:
    """Without what is another on each run or with each release."""
    printed = printed.replace(str(project), "PROJECT").replace(f"this is {STOWPLAN}", "this is VERSION")
    printed = re.sub(r"\b[0-9a-f]{12}\b", "DIGEST", printed)
    return re.sub(r"\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", "TIME", printed)


def _expected(folder: Path) -> str:
    return (folder / "expected.diag").read_text(encoding="utf-8")


def _files(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]


def _write_anew(folder: Path, project: Path, printed: str) -> None:
    (folder / "expected.diag").write_text(printed, encoding="utf-8")
    for file in _files(folder / "expected"):
        (folder / "expected" / file).write_bytes((project / file).read_bytes())
