"""The incident once more, with a real vLLM: every file is right, and the running process has other arguments.

`status` must show it in one screen, whoever started the server, and `up` must put it right.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from command import Done, stowplan
from e2e.cpu_project import CpuProject, fill_in
from e2e.engine import Server, bare_environment, cmdline, port_is_held, processes_of

pytestmark = pytest.mark.engine


@pytest.fixture
def project(tiny_project: CpuProject) -> Iterator[CpuProject]:
    fill_in(tiny_project, "[vllm]\nmax-model-len = 512\n")
    tiny_project.run("compile")
    yield tiny_project
    stowplan(tiny_project.folder, "down", tiny_project.model)


def test_the_incident_replayed(project: CpuProject) -> None:
    up(project)
    first = state(project, "ok", generation=1)
    assert context(project) == 512
    assert cmdline(first)[1:] == project.row["backend_config"]["argv"]

    edit(project, 512, 256)
    drifted = check(project)
    assert drifted.code == 3
    assert f" DRIFT {first} {project.port} 1 " in " ".join(drifted.out.split())
    assert "\n  --max-model-len  running 512  compiled 256\n" in drifted.out
    assert state(project, "DRIFT", generation=1) == first

    up(project)
    second = state(project, "ok", generation=2)
    assert second != first
    assert processes_of(first) == []
    assert (context(project), check(project).code) == (256, 0)

    project.run("rollback")
    assert "\n  --max-model-len  running 256  compiled 512\n" in check(project).out
    up(project)
    assert context(project) == 512
    third = state(project, "ok", generation=1)

    measured = [json.loads(line) for line in (project.folder / "build/.state/measured.jsonl").read_text().splitlines()]
    assert [line["kv_cache_gib"] for line in measured] == [1.0] * 3
    assert all(line["kv_cache_tokens"] > 0 and line["max_concurrency"] > 1 for line in measured)

    project.run("down", project.model)
    assert processes_of(third) == []
    assert not port_is_held(project.port)


def test_a_server_started_by_hand_from_an_old_script_drifts_the_same_way(project: CpuProject) -> None:
    old = project.script.resolve()
    edit(project, 512, 256)
    with Server([old], project.port, project.folder / "server.log", bare_environment()) as server:
        server.wait_until_healthy()
        drifted = check(project)
        assert drifted.code == 3
        assert "\n  --max-model-len  running 512  compiled 256\n" in drifted.out
        assert state(project, "DRIFT", generation=1) == server.pid
        project.run("down", project.model)
        assert processes_of(server.pid) == []


def test_a_flag_that_vllm_does_not_know_is_named(project: CpuProject) -> None:
    """The published script is edited by hand, as nobody should."""
    script = project.script.resolve()
    script.chmod(0o755)
    script.write_text(script.read_text().replace("--max-model-len", "--max-model-length"))
    done = stowplan(project.folder, "up", project.model)
    assert done.code == 1
    assert "vllm: error: unrecognized arguments: --max-model-length" in done.err
    assert f"{project.model}/cpu ended with exit status 2; cause: unknown-flag" in done.err


def up(project: CpuProject) -> None:
    project.run("up", project.model, "--timeout", "180")


def check(project: CpuProject) -> Done:
    return stowplan(project.folder, "status", "--check")


def edit(project: CpuProject, old: int, new: int) -> None:
    text = project.overlay.read_text(encoding="utf-8")
    project.overlay.write_text(text.replace(f"max-model-len = {old}", f"max-model-len = {new}"), encoding="utf-8")
    project.run("compile")


def state(project: CpuProject, expected: str, generation: int) -> int:
    """The pid of the one server, which must stand so and run that generation."""
    (row,) = json.loads(project.run("status", "--format", "json").out)
    assert (row["state"], row["generation"]) == (expected, generation), row
    pid: int = row["pid"]
    return pid


def context(project: CpuProject) -> int:
    """What the server says of its longest context."""
    connection = HTTPConnection("127.0.0.1", project.port, timeout=60)
    connection.request("GET", "/v1/models")
    answer: dict[str, Any] = json.load(connection.getresponse())
    connection.close()
    (model,) = answer["data"]
    return int(model["max_model_len"])
