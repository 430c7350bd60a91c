"""`down`: a server ends with its children, and nothing else does."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import stowplan
from e2e.engine import free_port, port_is_held, wait_until
from fake_server import Served, child, served


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, free_port()) as made:
        made.overlay("qwen", "")
        yield made


def port(project: Served) -> int:
    return int(project.row("qwen")["backend_config"]["port"])


def test_a_server_ends_and_its_port_is_free(project: Served) -> None:
    project.run("up", "qwen")
    (pid,) = project.pids()
    assert f"stopping qwen/rtx: pid {pid}\n" == project.run("down", "qwen").err
    assert project.pids() == []
    assert not port_is_held(port(project))
    assert project.run("down", "qwen").out == "qwen/rtx does not run\n"


def test_what_does_not_end_is_killed_with_its_children(project: Served) -> None:
    project.behave(ignores_term=True, children=2)
    project.run("up", "qwen")
    assert len(project.pids()) == 3
    assert "killed, since it went on for 0.1 s" in project.run("down", "qwen", "--grace", "0.1").err
    assert project.pids() == []


def test_a_server_that_starts_is_stopped_too(project: Served, tmp_path: Path) -> None:
    project.behave(ignores_term=True, waits_for=str(tmp_path / "never"), children=1)
    assert stowplan(project.folder, "up", "qwen", "--timeout", "0").code == 1
    project.run("down", "qwen", "--grace", "0.1")
    assert project.pids() == []


def test_children_whose_parent_was_killed(project: Served) -> None:
    project.behave(children=2)
    project.run("up", "qwen")
    os.kill(min(project.pids()), 9)
    assert wait_until(lambda: len(project.pids()) == 2, 30)
    project.run("down", "qwen")
    assert project.pids() == []


def test_the_shell_a_server_was_started_in_is_left_alone(project: Served) -> None:
    """Started by hand it leads no session, and no group either: this process and a neighbour are in both."""
    with child(["sleep", "600"]) as neighbour, project.by_hand(project.script("qwen")) as shell:
        assert wait_until(lambda: project.pids() == [shell.pid], 30)
        assert os.getpgid(shell.pid) == os.getpgid(neighbour.pid)
        project.run("down", "qwen")
        assert shell.wait(30) == -15
        assert neighbour.poll() is None


def test_an_older_launch_is_stopped_by_the_name_of_its_subject(project: Served) -> None:
    project.run("up", "qwen")
    project.overlay("qwen", "[vllm]\nmax-model-len = 256\n")
    project.run("down", "qwen")
    assert project.pids() == []


def test_an_older_launch_is_known_by_its_digest_alone(project: Served) -> None:
    """It answered to another name, so no argument tells whose it was."""
    project.run("up", "qwen")
    (before,) = project.pids()
    project.overlay("qwen", 'served-name = "another"\n')
    status = project.status()["qwen"]
    assert (status["state"], status["pid"], status["generation"]) == ("DRIFT", before, 1)
    project.run("up", "qwen")
    assert before not in project.pids()


def test_a_child_that_wrote_a_title_over_its_arguments(project: Served) -> None:
    """As those of vLLM do; here its parent is gone, too."""
    digest = project.row("qwen")["metadata"]["launch_digest"]
    with project.by_hand("sleep", "600", environment=os.environ | {"STOWPLAN_LAUNCH": digest}) as orphan:
        assert wait_until(lambda: project.status()["qwen"]["pid"] == orphan.pid, 30)
        project.run("down", "qwen")
        assert orphan.wait(30) == -15


def test_a_model_that_is_gone_can_still_be_stopped(project: Served) -> None:
    project.run("up", "qwen")
    project.overlay("llama", "")
    (project.folder / "models.d/qwen/rtx.toml").unlink()
    project.run("compile")
    assert project.status()["qwen"]["state"] == "DRIFT"
    refused = stowplan(project.folder, "up", "qwen")
    assert (refused.code, "`qwen/rtx` is no longer compiled" in refused.err) == (2, True)
    project.run("down", "qwen")
    assert project.pids() == []
    assert project.status().keys() == {"llama"}
