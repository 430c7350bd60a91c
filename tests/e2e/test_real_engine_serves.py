"""From a folder of weights to a real vLLM that serves with exactly the arguments that TOML asked for."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from e2e.cpu_project import STRAY, CpuProject, discovered, fill_in
from e2e.engine import Server, cmdline, environ, free_port, port_is_held, processes_of

pytestmark = pytest.mark.engine


def test_an_embedding_model_from_its_folder_to_its_vectors(vllm: Path, minilm: Path, tmp_path: Path) -> None:
    project = discovered(tmp_path / "project", vllm, minilm.parent, free_port())
    assert "stub-unedited" in project.run("compile").err
    assert not project.script.exists()

    fill_in(project, '[vllm]\nmax-model-len = 256\nrunner = "pooling"\n')
    project.run("compile", "--strict")
    assert project.row["capabilities"]["embedding"]
    with project.server() as server:
        server.wait_until_healthy()
        answer = server.post("/v1/embeddings", {"model": project.row["served_model_id"], "input": ["a", "b c"]})
        assert [len(item["embedding"]) for item in answer["data"]] == [384, 384]


def test_a_server_has_the_arguments_of_the_toml_and_after_an_edit_the_new_ones(tiny_project: CpuProject) -> None:
    project = tiny_project
    fill_in(project, 'served-name = "the tiny one"\n[vllm]\nmax-model-len = 256\nseed = 7\n')
    project.run("compile")
    with project.server() as server:
        server.wait_until_healthy()
        assert_runs_as_compiled(server, project, 256)
        first = project.row["metadata"]["launch_digest"]

        taken = check(project)
        assert taken.returncode == 1
        assert f"port {project.port} of 127.0.0.1 is taken" in taken.stderr

        server.stop()
        assert server.process.returncode == 0, "ended by itself, not killed"
        assert processes_of(server.pid) == []
        assert not port_is_held(project.port)

    overlay = project.overlay.read_text(encoding="utf-8")
    project.overlay.write_text(overlay.replace("max-model-len = 256", "max-model-len = 512"), encoding="utf-8")
    told = project.run("diff").out
    assert f"{project.model}/cpu  needs a restart\n  - --max-model-len 256\n  + --max-model-len 512\n" in told
    project.run("compile")
    assert project.row["metadata"]["launch_digest"] != first
    with project.server() as server:
        server.wait_until_healthy()
        assert_runs_as_compiled(server, project, 512)


def test_a_script_asked_to_check_says_that_all_is_there_or_what_is_not(tiny_project: CpuProject) -> None:
    fill_in(tiny_project, "[vllm]\nmax-model-len = 256\n")
    tiny_project.run("compile")
    fine = check(tiny_project)
    assert (fine.returncode, fine.stderr) == (0, "")
    assert "all that tiny needs is there" in fine.stdout
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", tiny_project.port))  # bound and not listening, as a vLLM that starts
        taken = check(tiny_project)
        assert taken.returncode == 1
        assert f"port {tiny_project.port} of 127.0.0.1 is taken" in taken.stderr


def assert_runs_as_compiled(server: Server, project: CpuProject, context: int) -> None:
    """The running process is the registry's launch, token for token, and says so itself."""
    row = project.row
    (model,) = server.get("/v1/models")["data"]
    assert (model["id"], model["max_model_len"]) == (row["served_model_id"], context)
    assert model["root"] == row["backend_config"]["model_path"]
    interpreter, *argv = cmdline(server.pid)
    assert Path(interpreter).name.startswith("python")
    assert argv == row["backend_config"]["argv"]
    running = environ(server.pid)
    assert running["STOWPLAN_LAUNCH"] == row["metadata"]["launch_digest"]
    assert running.keys().isdisjoint(STRAY)
    assert running.items() >= row["backend_config"]["env"].items()


def check(project: CpuProject) -> subprocess.CompletedProcess[str]:
    """What the launch script finds missing."""
    return subprocess.run([project.script, "--check"], capture_output=True, text=True, timeout=60, check=False)
