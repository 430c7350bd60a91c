"""new and init: files are started, never touched again, and a new card takes over what can hold there."""

import tomllib
from pathlib import Path

import pytest

from command import stowplan
from sources import BASE, FACTS, OVERLAY, PROFILE, PROFILE_TEXT, facts

OTHER = PROFILE_TEXT.replace("24001-24010", "25001-25010").replace("[engine.vllm]", '[engine.next]\nkind = "vllm"')


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        PROFILE: PROFILE_TEXT,
        "profiles/a100.toml": OTHER,
        FACTS: facts(),
        BASE: "",
        OVERLAY: 'engine = "vllm"  # the old one\nport = 24002\n\n[vllm]\nmax-model-len = 4096  # as measured\n',
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return tmp_path


def test_from_an_old_card_keeps_comments_and_leaves_out_what_cannot_hold(project: Path) -> None:
    done = stowplan(project, "new", "-p", "a100", "--from", "rtx")
    assert done.code == 0, done.err
    text = (project / "models.d/qwen/a100.toml").read_text()
    assert text.strip() == "[vllm]\nmax-model-len = 4096  # as measured"
    assert "without `port = 24002`, which a100 has not" in done.out
    assert 'without `engine = "vllm"`, which a100 has not' in done.out
    assert stowplan(project, "check").code == 0


def test_without_an_old_card_a_stub_is_made(project: Path) -> None:
    assert stowplan(project, "new", "qwen", "-p", "a100").code == 0
    assert tomllib.loads((project / "models.d/qwen/a100.toml").read_text()) == {"status": "stub"}


def test_what_is_there_is_never_touched(project: Path) -> None:
    (project / "models.d/qwen/a100.toml").write_text("# mine\n")
    done = stowplan(project, "new", "-p", "a100", "--from", "rtx")
    assert done.out == "nothing to start: every model has an overlay for a100\n"
    assert (project / "models.d/qwen/a100.toml").read_text() == "# mine\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("new", "-p", "h100"), "the profile `h100`, which does not exist; profiles: a100, rtx"),
        (("new", "-p", "a100", "--from", "h100"), "there is no profile `h100` to start from"),
        (("new", "qwem", "-p", "a100"), "no model is called `qwem`; did you mean `qwen`?"),
    ],
)
def test_what_is_not_there_is_said(project: Path, arguments: tuple[str, ...], said: str) -> None:
    done = stowplan(project, *arguments)
    assert done.code == 2
    assert said in done.err
    assert not (project / "models.d/qwen/a100.toml").exists()


def test_a_new_project_compiles_as_it_is(tmp_path: Path) -> None:
    assert stowplan(tmp_path, "init", "serving", "-p", "card").code == 0
    assert stowplan(tmp_path / "serving", "compile", "--strict").code == 0
    before = {p: p.read_bytes() for p in (tmp_path / "serving").rglob("*") if p.is_file()}
    again = stowplan(tmp_path, "init", "serving", "-p", "card")
    assert "everything was there already" in again.out
    assert all(path.read_bytes() == content for path, content in before.items())
