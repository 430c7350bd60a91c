"""`compile` where nothing changed: it says what a whole compile would, imports next to nothing, sees every change."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from sound_project import OVERLAY, compiled, with_second_profile

from command import Done, stowplan
from stowplan.cli.quick import answer
from stowplan.store import fresh
from stowplan.store.fresh import FRESH

FACTS = "models.d/llama/discovered.json"
ALLOWED = {"stowplan", "stowplan.cli", "stowplan.cli.colour", "stowplan.cli.quick", "stowplan.store"} | {
    "stowplan.store.fresh",
    "gc",
    "marshal",
    "zlib",
}
"""What may be imported beyond what an interpreter has."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that was compiled, all of its files a little older than that."""
    project = compiled(tmp_path / "project")
    settle(project)
    assert stowplan(project, "compile").code == 0
    return project


def settle(project: Path) -> None:
    """Waits until what is written next is younger than what is there, by the file system's own clock."""
    newest = max(path.lstat().st_ctime_ns for path in project.rglob("*"))
    probe = project / "build/.state/probe"
    while True:
        probe.write_bytes(b"")
        if probe.stat().st_ctime_ns > newest:
            return
        time.sleep(0.001)


def quick(project: Path, *arguments: str) -> Done | None:
    """What the short way answers; None where it leaves that to the long one."""
    out, err = StringIO(), StringIO()
    with chdir(project), redirect_stdout(out), redirect_stderr(err):
        answered = answer(list(arguments))
    assert answered or (out.getvalue(), err.getvalue()) == ("", "")
    return Done(0, out.getvalue(), err.getvalue()) if answered else None


def test_it_answers_as_a_whole_compile_would(project: Path) -> None:
    said = stowplan(project, "compile")
    assert said.out.startswith("up to date: generation 1 (")
    assert quick(project, "compile") == said


def test_right_after_a_publication_it_says_up_to_date(project: Path) -> None:
    (project / OVERLAY).write_text("[vllm]\nmax-model-len = 1024\n")
    settle(project)
    assert "published generation 2" in stowplan(project, "compile").out
    answered = quick(project, "compile")
    assert answered is not None
    assert answered.out.startswith("up to date: generation 2 (")
    assert answered == stowplan(project, "compile")


def test_warnings_are_told_again(project: Path) -> None:
    (project / OVERLAY).write_text("[vllm]\nmax-model-len = 1024\n[env]\nVLLM_NO_SUCH_THING = '1'\n")
    settle(project)
    said = stowplan(project, "compile")
    assert "warning[" in said.err
    again = quick(project, "compile")
    assert again is not None
    assert again.err == said.err
    assert again == stowplan(project, "compile")


def test_other_questions_are_not_its_business(project: Path) -> None:
    for arguments in (
        (),
        ("check",),
        ("compile", "--format", "json"),
        ("compile", "--check"),
        ("-C",),
        ("compile", "x"),
    ):
        assert quick(project, *arguments) is None
    assert quick(project, "compile", "--strict") is None
    assert stowplan(project, "compile", "--strict").code == 0
    assert quick(project, "compile", "--strict") is not None
    assert quick(project, "compile") is None


def test_the_project_may_be_named(project: Path, tmp_path: Path) -> None:
    assert quick(tmp_path, "-C", "project", "compile") == quick(project, "compile")
    assert quick(tmp_path, "compile") is None
    assert quick(tmp_path, "-C", "nowhere", "compile") is None


def _edit(project: Path) -> None:
    """Another value of the same length, the file's times as they were."""
    path = project / OVERLAY
    before = path.stat()
    text = path.read_text()
    assert "4096" in text
    path.write_text(text.replace("4096", "2048"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace_by_link(project: Path) -> None:
    path = project / OVERLAY
    path.rename(project / "elsewhere.toml")
    path.symlink_to(project / "elsewhere.toml")


def _swap(project: Path) -> None:
    """Another file under its name, of the same length and time."""
    path, other = project / OVERLAY, project / "other.toml"
    shutil.copy2(path, other)
    other.write_text(path.read_text().replace("4096", "2048"))
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


def _damage_stamp(project: Path) -> None:
    path = project / "build" / FRESH
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)


CHANGES: dict[str, Callable[[Path], object]] = {
    "an edit": _edit,
    "another file under a name": _swap,
    "a link in place of a file": _replace_by_link,
    "a file that goes": lambda project: (project / OVERLAY).unlink(),
    "a file that appears": lambda project: shutil.copy(project / OVERLAY, project / "models.d/llama/other.toml"),
    "a file renamed": lambda project: (project / OVERLAY).rename(project / "models.d/llama/disk.toml"),
    "a model that appears": lambda project: shutil.copytree(project / "models.d/llama", project / "models.d/twin"),
    "a model that goes": lambda project: shutil.rmtree(project / "models.d/llama"),
    "a profile": lambda project: (project / "profiles/card.toml").write_text("[gpu]\n"),
    "a folder of tables": lambda project: (project / "engines/vllm").mkdir(parents=True),
    "a torn stamp": lambda project: os.truncate(project / "build" / FRESH, 400),
    "an empty stamp": lambda project: os.truncate(project / "build" / FRESH, 0),
    "a flipped bit": _damage_stamp,
    "no stamp": lambda project: (project / "build" / FRESH).unlink(),
    "no current": lambda project: (project / "build/current").unlink(),
    "no store": lambda project: (project / "build/store").rename(project / "build/elsewhere"),
    "another machine's profile": lambda project: stowplan(project, "use", "card"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changed_is_left_to_a_whole_compile(project: Path, change: str) -> None:
    CHANGES[change](project)
    assert quick(project, "compile") is None


def test_a_rollback_is_seen(project: Path) -> None:
    with_second_profile(project)
    stowplan(project, "rollback")
    assert quick(project, "compile") is None
    said = stowplan(project, "compile")
    assert said.out == "rolled back to 1; inputs are generation 2\n"
    assert quick(project, "compile") in (None, said)


def test_a_fresh_checkout_counts_by_content(project: Path) -> None:
    """New files with new times and the old bytes; what was read again is not read a third time."""
    said = stowplan(project, "compile")
    for folder in ("models.d", "profiles"):
        (project / folder).rename(project / "old")
        shutil.copytree(project / "old", project / folder)
        shutil.rmtree(project / "old")
    settle(project)
    before = (project / "build" / FRESH).read_bytes()
    assert quick(project, "compile") == said
    renewed = (project / "build" / FRESH).read_bytes()
    assert renewed != before
    assert quick(project, "compile") == said
    assert (project / "build" / FRESH).read_bytes() == renewed


def test_a_file_as_young_as_the_stamp_is_read_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two writes in one tick of the clock leave the same times: here the clock stands still."""
    path = project / OVERLAY
    (project / FACTS).touch()
    stowplan(project, "compile")
    state = path.stat()
    real = os.lstat

    def still(name: str | Path) -> os.stat_result:
        """The numbers of the overlay as they were, whatever is written."""
        found = real(name)
        return state if found.st_ino == state.st_ino else found

    stamp = _stamp(project)
    stamp.begun = state.st_mtime_ns  # it was begun in that very tick
    path.write_text(path.read_text().replace("4096", "2048"))
    monkeypatch.setattr(os, "lstat", still)
    with chdir(project):
        touched = fresh.touched(stamp)
        assert touched is not None
        assert OVERLAY in [stamp.inputs[number] for number in touched]
        assert not fresh.same_content(stamp, touched)


def _stamp(project: Path) -> fresh.Stamp:
    found = fresh.read(str(project / "build"))
    assert found is not None
    return found


def test_it_imports_next_to_nothing(project: Path) -> None:
    """In a process of its own, beyond what an interpreter has that runs an empty module."""
    program = "import sys; from {module} import answer; answer({arguments}); print('|', *sys.modules)"
    imported = [
        set(_run(project, program.format(module="stowplan.cli.quick", arguments=["compile"])).split("|")[1].split()),
        set(_run(project, "import sys; print('|', *sys.modules)").split("|")[1].split()),
    ]
    assert imported[0] - imported[1] <= ALLOWED
    assert "up to date" in _run(
        project, "from stowplan.__main__ import main; import sys; sys.argv[1:] = ['compile']; main()"
    )


def _run(project: Path, program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], cwd=project, capture_output=True, text=True, check=True
    ).stdout
