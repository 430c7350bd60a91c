"""action.yml and .pre-commit-hooks.yaml: well-formed, and their steps run as a runner would run them."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sources import sources

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = Path(sysconfig.get_path("scripts"))
SITE = Path(sysconfig.get_path("purelib"))
MISTAKE = {"models.d/qwen/rtx.toml": "# the first line\n[vllm]\nmax_model_length = 4096\n"}
STUB = {"models.d/qwen/rtx.toml": 'status = "stub"\n'}


def read(name: str) -> Any:
    return YAML(typ="safe").load(REPOSITORY / name)


def laid(folder: Path, files: dict[str, str] | None = None) -> Path:
    """A small project in `folder`."""
    for file, content in sources(files).items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
    return folder


def step(name: str) -> str:
    """The script of one of the action's steps."""
    (found,) = (step for step in read("action.yml")["runs"]["steps"] if step["name"] == name)
    script: str = found["run"]
    return script


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script as the runner runs `shell: bash` (actions/runner, ScriptHandlerHelpers.cs)."""
    file = folder / "step.sh"
    file.write_text(script, "utf-8")
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(file)]
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True)


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The runner's folder, with this Stowplan where the step before puts it."""
    folder = tmp_path / "runner temp"
    (folder / "stowplan/bin").mkdir(parents=True)
    (folder / "stowplan/bin/stowplan").symlink_to(SCRIPTS / "stowplan")
    return folder


def check(folder: Path, temporary: Path, directory: str = ".", strict: str = "false") -> tuple[int, str]:
    done = run(step("Check"), folder, RUNNER_TEMP=str(temporary), DIRECTORY=directory, STRICT=strict)
    return done.returncode, done.stdout


class TestAction:
    def test_it_has_the_form_of_an_action(self) -> None:
        command = [SCRIPTS / "check-jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml"]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_what_callers_say_reaches_no_script_as_text(self) -> None:
        scripts = [step["run"] for step in read("action.yml")["runs"]["steps"] if "run" in step]
        assert len(scripts) == 2
        assert not any("${{" in script for script in scripts)

    @pytest.mark.parametrize("name", ["Install Stowplan", "Check"])
    def test_its_scripts_are_sound_bash(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "step.sh").write_text(f"#!/usr/bin/env bash\n{step(name)}", "utf-8")
        done = subprocess.run([SCRIPTS / "shellcheck", tmp_path / "step.sh"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout

    def test_a_sound_project_passes(self, tmp_path: Path, temporary: Path) -> None:
        assert check(laid(tmp_path / "workspace"), temporary) == (0, "")

    def test_a_mistake_is_marked_at_its_line_and_fails_the_job(self, tmp_path: Path, temporary: Path) -> None:
        code, out = check(laid(tmp_path / "workspace", MISTAKE), temporary)
        assert code == 1
        assert out.startswith("::error file=models.d/qwen/rtx.toml,line=3,col=1,title=unknown-flag::`max_model_length`")

    @pytest.mark.parametrize("directory", ["sub/serving", "./sub/serving/"])
    def test_files_are_named_from_the_workspace(self, directory: str, tmp_path: Path, temporary: Path) -> None:
        laid(tmp_path / "workspace/sub/serving", MISTAKE)
        code, out = check(tmp_path / "workspace", temporary, directory)
        assert code == 1
        assert out.startswith("::error file=sub/serving/models.d/qwen/rtx.toml,line=3,")

    def test_a_folder_with_any_name_is_a_folder(self, tmp_path: Path, temporary: Path) -> None:
        name = "a 100%,b:c%2C; $(touch ran) `touch ran` & \\t"
        laid(tmp_path / "workspace" / name, MISTAKE)
        code, out = check(tmp_path / "workspace", temporary, name)
        assert code == 1
        (file,) = re.findall(r"file=([^,]*),", out)
        for sign, code_of_it in ((":", "%3A"), (",", "%2C"), ("%", "%25")):  # as the runner reads it
            file = file.replace(code_of_it, sign)
        assert file == f"{name}/models.d/qwen/rtx.toml"
        assert not list(tmp_path.rglob("ran"))

    def test_strict_takes_warnings_for_errors(self, tmp_path: Path, temporary: Path) -> None:
        workspace = laid(tmp_path / "workspace", STUB)
        assert check(workspace, temporary)[0] == 0
        code, out = check(workspace, temporary, strict="true")
        assert (code, out.split(" ")[0]) == (1, "::error")
        code, out = check(workspace, temporary, strict="yes")
        assert (code, out) == (2, "::error title=stowplan::the input strict is true or false\n")

    def test_a_folder_without_a_project_fails_the_job(self, tmp_path: Path, temporary: Path) -> None:
        (tmp_path / "workspace").mkdir()
        assert check(tmp_path / "workspace", temporary)[0] == 2

    def test_it_installs_the_checkout_that_it_is_part_of(self, tmp_path: Path) -> None:
        """With what is installed here in place of a package index."""
        action, temporary, packages = tmp_path / "the action", tmp_path / "temp", tmp_path / "packages"
        for folder in (action, temporary, packages):
            folder.mkdir()
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(REPOSITORY / name, action)
        shutil.copytree(REPOSITORY / "compiler", action / "compiler", ignore=shutil.ignore_patterns("__pycache__"))
        for package in SITE.iterdir():
            if not package.name.startswith(("stowplan", "_", "pip")) and package.suffix != ".pth":
                (packages / package.name).symlink_to(package)
        offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PYTHONPATH": str(packages)}
        places = {"PYTHON": sys.executable, "RUNNER_TEMP": str(temporary), "GITHUB_ACTION_PATH": str(action)}
        done = run(step("Install Stowplan"), tmp_path, **offline, **places)
        assert done.returncode == 0, done.stderr
        program = temporary / "stowplan/bin/stowplan"
        told = subprocess.run(
            [program, "-C", laid(tmp_path / "project", MISTAKE), "check", "--format", "json"],
            env={"PYTHONPATH": str(packages)},
            capture_output=True,
            text=True,
        )
        assert told.returncode == 1, told.stderr
        assert [problem["id"] for problem in json.loads(told.stdout)["diagnostics"]] == ["unknown-flag"]


HOOKS = {hook["id"]: hook for hook in read(".pre-commit-hooks.yaml")}
KEYS = {"id", "name", "entry", "language", "description", "files", "pass_filenames", "require_serial"}
"""Those of a hook that are used here (pre-commit 4, clientlib.py)."""


class TestPreCommit:
    def test_the_hooks(self) -> None:
        assert sorted(HOOKS) == ["stowplan-check", "stowplan-fmt-safe"]
        assert all(hook.keys() <= KEYS for hook in HOOKS.values())

    @pytest.mark.parametrize("hook", HOOKS)
    @pytest.mark.parametrize(
        ("file", "is_looked_at"),
        [
            ("models.d/qwen/discovered.json", True),
            ("models.d/qwen/rtx.toml", True),
            ("profiles/rtx.toml", True),
            ("engines/vllm/0.33.1.json", True),
            ("docs/profiles/rtx.toml", False),
            ("models.dx/rtx.toml", False),
            ("README.md", False),
        ],
    )
    def test_what_they_look_at(self, hook: str, file: str, is_looked_at: bool) -> None:
        assert bool(re.search(HOOKS[hook]["files"], file)) is is_looked_at

    def test_check_says_what_is_wrong_and_changes_nothing(self, tmp_path: Path) -> None:
        project = laid(tmp_path, MISTAKE)
        before = contents(project)
        done = hooked("stowplan-check", project)
        assert done.returncode == 1
        assert "`max_model_length` is not a flag of `vllm serve`" in done.stdout + done.stderr
        assert contents(project) == before

    def test_fix_rewrites_what_has_one_meaning_and_keeps_comments(self, tmp_path: Path) -> None:
        text = "# ours\n[vllm]\nmax_model_len = 4096  # as measured\n"
        project = laid(tmp_path, {"models.d/qwen/rtx.toml": text})
        hooked("stowplan-fmt-safe", project)
        mended = text.replace("max_model_len", "max-model-len")
        assert (project / "models.d/qwen/rtx.toml").read_text() == mended
        assert hooked("stowplan-check", project).returncode == 0
        before = contents(project)
        assert hooked("stowplan-fmt-safe", project).returncode == 0
        assert contents(project) == before


def hooked(hook: str, project: Path) -> subprocess.CompletedProcess[str]:
    """A hook's entry as pre-commit runs it: in the repository's root, without file names."""
    program, *arguments = shlex.split(HOOKS[hook]["entry"])
    assert HOOKS[hook]["pass_filenames"] is False
    return subprocess.run([SCRIPTS / program, *arguments], cwd=project, capture_output=True, text=True)


def contents(project: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
