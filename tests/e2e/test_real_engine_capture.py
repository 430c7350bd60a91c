"""The committed table of vLLM 0.32.0 is what that very version says of itself, each time it is asked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from command import stowplan
from e2e.engine import REPOSITORY
from stowplan.engines.flags import table_source

pytestmark = pytest.mark.engine
VERSION = "0.32.0"


@pytest.fixture
def project(vllm: Path, tmp_path: Path) -> Path:
    """A project that pins the real engine, where it is here."""
    shutil.copytree(REPOSITORY / "tests/cases/a-sound-project", tmp_path / "project")
    (profile,) = (tmp_path / "project/profiles").glob("*.toml")
    text = profile.read_text("utf-8")
    start, end = text.index("[engine.vllm]"), text.index("[", text.index("[engine.vllm]") + 1)
    engine = f'[engine.vllm]\nversion = "{VERSION}"\nexecutable = "{vllm}"\n\n'
    profile.write_text(text[:start] + engine + text[end:], "utf-8")
    return tmp_path / "project"


def test_captured_again_it_is_the_same_byte_for_byte(project: Path, tmp_path: Path) -> None:
    done = stowplan(project, "engine", "capture", "vllm", VERSION, "--output", str(tmp_path / "out"))
    assert done.code == 0, done.err
    assert (tmp_path / f"out/vllm/{VERSION}.json").read_bytes() == table_source("vllm", VERSION)


def test_and_once_more_so_that_the_project_needs_no_copy(project: Path, vllm: Path) -> None:
    python = str(vllm.with_name("python"))
    done = stowplan(project, "engine", "capture", "vllm", VERSION, "--python", python)
    assert (done.code, done.out.split(":")[0]) == (0, "not written"), done.out + done.err
    assert not (project / "engines").exists()
