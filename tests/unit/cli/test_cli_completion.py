"""Completion: models, profiles of a model after a slash, and generations, from the project that is meant."""

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from sound_project import compiled, with_second_profile

from stowplan.cli.main import cli


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_second_profile(compiled(tmp_path_factory.mktemp("completion") / "project"))


def offered(project: Path, line: str) -> list[str]:
    """What is offered for the last word of a line."""
    *words, typed = line.split(" ")
    complete = ShellComplete(cli, {}, "stowplan", "_STOWPLAN_COMPLETE")
    return [item.value for item in complete.get_completions(["-C", str(project), *words], typed)]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("explain ", ["llama", "qwen"]),
        ("explain l", ["llama"]),
        ("explain llama/", ["llama/card", "llama/desk"]),
        ("check llama/d", ["llama/desk"]),
        ("check -p c", ["card"]),
        ("rollback ", ["1", "2"]),
        ("diff 1 ", ["1", "2"]),
        ("diff 2", ["2"]),
    ],
)
def test_what_is_offered(line: str, found: list[str], project: Path) -> None:
    assert offered(project, line) == found


@pytest.mark.parametrize("line", ["explain ", "explain llama/", "rollback "])
def test_nothing_is_offered_where_there_is_no_project(line: str, tmp_path: Path) -> None:
    assert offered(tmp_path, line) == []


def test_no_generation_is_offered_where_none_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "build").mkdir()
    (tmp_path / "build/generations").write_text("")
    assert offered(tmp_path, "rollback ") == []
