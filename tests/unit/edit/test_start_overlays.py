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


def test_a_link_that_leads_nowhere_is_not_written_through(project: Path) -> None:
    (project / "models.d/qwen/a100.toml").symlink_to(project / "elsewhere.toml")
    done = stowplan(project, "new", "-p", "a100")
    assert (done.code, done.out) == (1, "")
    assert "cannot read `models.d/qwen/a100.toml`: it is a link" in done.err
    assert not (project / "elsewhere.toml").exists()


@pytest.mark.parametrize("old", [(), ("--from", "rtx")])
def test_a_model_folder_that_is_a_link_is_refused_and_the_rest_is_started(project: Path, old: tuple[str, ...]) -> None:
    (project / "models.d/qwen").rename(project / "elsewhere")
    (project / "models.d/qwen").symlink_to(project / "elsewhere")
    (project / "models.d/llama").mkdir()
    (project / "models.d/llama/discovered.json").write_bytes(facts("meta/Llama"))
    (project / "models.d/llama/rtx.toml").write_text("port = 24001\n")
    done = stowplan(project, "new", "-p", "a100", *old)
    assert done.code == 1
    assert "cannot read `models.d/qwen`: it is a link; inputs are plain files in plain folders" in done.err
    assert "made models.d/llama/a100.toml" in done.out
    assert not (project / "elsewhere/a100.toml").exists()


def test_from_an_overlay_with_a_byte_order_mark_and_windows_line_ends(project: Path) -> None:
    text = "\ufeffport = 24002\r\n[vllm]\r\nmax-model-len = 4096  # as measured\r\n"
    (project / OVERLAY).write_bytes(text.encode())
    done = stowplan(project, "new", "-p", "a100", "--from", "rtx")
    assert (done.code, done.err) == (0, "")
    assert (project / "models.d/qwen/a100.toml").read_bytes() == b"[vllm]\r\nmax-model-len = 4096  # as measured\r\n"


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


def test_a_new_project_lies_below_the_folder_that_is_named(tmp_path: Path) -> None:
    done = stowplan(tmp_path, "-C", "there", "init", "serving", "-p", "card")
    assert (done.code, done.err) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there/serving/profiles/card.toml").is_file()
    assert stowplan(tmp_path, "-C", "there", "init", "-p", "card").code == 0
    assert (tmp_path / "there/profiles/card.toml").is_file()


@pytest.mark.parametrize("name", ["../outside", "a b", "", ".hidden", "x.tmp", "base", "manifest.json"])
def test_a_new_project_takes_no_profile_that_compile_would_refuse(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    done = stowplan(tmp_path / "in", "init", "-p", name)
    assert done.code == 2
    assert f"`{name}` cannot name a profile: " in done.err
    assert [path.name for path in tmp_path.rglob("*")] == ["in"]


def test_a_new_project_writes_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/card.toml").symlink_to(tmp_path / "elsewhere.toml")
    stowplan(tmp_path, "init", "-p", "card")
    assert not (tmp_path / "elsewhere.toml").exists()
