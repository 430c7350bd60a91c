"""What compile says beside its work: paths from where one is, and a machine whose profile is gone."""

import json
from contextlib import chdir
from pathlib import Path

import pytest
from sound_project import OVERLAY, compiled, with_second_profile

from command import stowplan
from stowplan.cli.console import here

WARNING = "warning: build/active leads to the profile `desk`, which generation {} does not have"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return compiled(tmp_path / "project")


def test_paths_are_told_from_where_one_is(project: Path, tmp_path: Path) -> None:
    lines = {tmp_path: "project/build/current/card/launch/", project: "build/current/card/launch/"}
    for number, (folder, path) in enumerate(lines.items()):
        (project / OVERLAY).write_text(f"[vllm]\nmax-model-len = {1024 + number}\n")
        assert f"  {path}\n" in stowplan(folder, "-C", str(project), "compile").out


def test_a_path_elsewhere_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    with chdir(tmp_path / "inside"):
        assert here(tmp_path / "build") == tmp_path / "build"
        assert here(tmp_path / "inside-out") == tmp_path / "inside-out"
        assert here(Path("../build")) == Path("../build")
        assert here(tmp_path / "inside/build") == Path("build")


def test_a_profile_that_is_gone_is_warned_of(project: Path) -> None:
    """Consumers that follow build/active would find no registry, and nobody would know why."""
    with_second_profile(project)
    assert stowplan(project, "use", "desk").code == 0
    assert "warning" not in stowplan(project, "compile").err
    (project / "profiles/desk.toml").unlink()
    (project / "models.d/llama/desk.toml").unlink()
    done = stowplan(project, "compile")
    assert (done.code, "published generation 3" in done.out) == (0, True)
    assert WARNING.format(3) in done.err
    assert WARNING.format(3) in stowplan(project, "compile").err
    told = json.loads(stowplan(project, "compile", "--format", "json").out)
    assert told["active"] == {"profile": "desk", "built": False}
    assert "warning" not in stowplan(project, "rollback", "2").err
    assert json.loads(stowplan(project, "compile", "--format", "json").out)["active"]["built"] is True
    assert WARNING.format(1) in stowplan(project, "rollback", "1").err


def test_a_machine_without_a_profile_is_not_warned(project: Path) -> None:
    done = stowplan(project, "compile", "--format", "json")
    assert (json.loads(done.out)["active"], "warning" in done.err) == (None, False)


def test_a_generation_of_five_thousand_digits_is_none(project: Path) -> None:
    for command in ("diff", "rollback"):
        done = stowplan(project, command, "9" * 5000)
        assert (done.code, "bug" in done.err) == (2, False)
