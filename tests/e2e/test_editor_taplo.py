"""Editors with Taplo (Even Better TOML), the real one: its linter over what was compiled."""

import os
import re
import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path

import pytest

from command import stowplan
from stowplan.read.profile import VARIABLE

REPOSITORY = Path(__file__).resolve().parents[2]
TAPLO = Path(sysconfig.get_path("scripts"), "taplo")
PROFILES = sorted(path.stem for path in (REPOSITORY / "profiles").glob("*.toml"))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's own configuration, compiled."""
    project = tmp_path_factory.mktemp("editor") / "project"
    for part in ("models.d", "profiles"):
        shutil.copytree(REPOSITORY / part, project / part)
    shutil.copy(REPOSITORY / ".taplo.toml", project)
    assert stowplan(project, "compile").code == 0
    return project


def use(project: Path, profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert stowplan(project, "use", profile).code == 0


def lint(project: Path, *files: str) -> tuple[int, set[tuple[str, int, int]], str]:
    """Taplo's exit code, where it finds something, and all it says."""
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(project)}
    done = subprocess.run(
        [TAPLO, "check", "--colors", "never", *files],
        cwd=project,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = done.stdout + done.stderr
    places = re.findall(rf"┌─ {re.escape(str(project))}/(.+):(\d+):(\d+)$", said, re.MULTILINE)
    return done.returncode, {(file, int(line), int(column)) for file, line, column in places}, said


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_right_is_not_marked(profile: str, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(own, profile, monkeypatch)
    files = [str(path) for path in (*own.glob(f"models.d/*/{profile}.toml"), *own.glob("models.d/*/base.toml"))]
    code, found, said = lint(own, *files, str(own / f"profiles/{profile}.toml"))
    assert (code, found) == (0, set()), said


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        ("models.d/m/rtx-6000-pro-96g.toml", '[vllm]\nkv-cache-dtype = "fp9"\n', (2, 18)),
        ("models.d/m/rtx-6000-pro-96g.toml", '[vllm]\nquantization = "awk"\n', (2, 16)),
        ("models.d/m/rtx-6000-pro-96g.toml", "[vllm]\ngpu-memory-utilization = 1.5\n", (2, 26)),
        ("models.d/m/rtx-6000-pro-96g.toml", "[vllm]\nmax_model_len = 1\n", (2, 1)),
        ("models.d/m/rtx-6000-pro-96g.toml", 'name = "only in base.toml"\n', (1, 1)),
        ("models.d/m/base.toml", 'status = "stub"\n', (1, 1)),
        ("profiles/m.toml", "gpus = 2\n", (1, 1)),
    ],
)
def test_what_is_wrong_is_marked(
    file: str, text: str, place: tuple[int, int], own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the settings alone: no file here names its schema. A key too many marks its whole table, so not only it."""
    use(own, "rtx-6000-pro-96g", monkeypatch)
    path = own / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    try:
        code, found, said = lint(own, str(path))
    finally:
        path.unlink()
    assert code == 1, said
    assert (file, *place) in found


def test_names_of_any_capitals_are_not_marked(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(own, "rtx-6000-pro-96g", monkeypatch)
    path = own / "models.d/m/rtx-6000-pro-96g.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text('[vllm]\nquantization = "AWQ"\nmoe-backend = "Flashinfer-Cutlass"\n', "utf-8")
    code, found, said = lint(own, str(path))
    path.unlink()
    assert (code, found) == (0, set()), said


def test_a_new_project_brings_the_settings(tmp_path: Path) -> None:
    assert stowplan(tmp_path, "init", "-p", "card").code == 0
    ours, made = (tomllib.loads((folder / ".taplo.toml").read_text("utf-8")) for folder in (REPOSITORY, tmp_path))
    assert made == {"rule": ours["rule"]}
    assert stowplan(tmp_path, "compile").code == 0
    assert stowplan(tmp_path, "use", "card").code == 0
    assert lint(tmp_path)[:2] == (0, set())
