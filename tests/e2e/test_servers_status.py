"""`status`: what runs against what was compiled, whoever started it. Against a fake, through real scripts."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command import Done, stowplan
from e2e.engine import free_port, port_is_held, wait_until
from fake_server import Served, child, served

NOBODY = 65534


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, free_port()) as made:
        made.overlay("qwen", "[vllm]\nmax-model-len = 512\n")
        yield made


def port(project: Served) -> int:
    return int(project.row("qwen")["backend_config"]["port"])


def differences(status: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {each["what"]: (each["running"], each["compiled"]) for each in status["differences"]}


def check(project: Served) -> Done:
    return stowplan(project.folder, "status", "--check")


def test_down(project: Served) -> None:
    done = check(project)
    assert done.code == 0
    head, row = done.out.splitlines()
    assert head.split() == ["MODEL", "STATE", "PID", "PORT", "GENERATION", "UP"]
    assert row.split() == ["qwen", "down", "-", str(port(project)), "-", "-"]


def test_starting(project: Served, tmp_path: Path) -> None:
    project.behave(waits_for=str(tmp_path / "never"))
    stowplan(project.folder, "up", "qwen", "--timeout", "0")
    assert project.status("--check")["qwen"]["state"] == "starting"


def test_ok(project: Served) -> None:
    project.run("up", "qwen")
    (pid,) = project.pids()
    status = project.status("--check")["qwen"]
    assert status.pop("uptime_seconds") >= 0
    digest = project.row("qwen")["metadata"]["launch_digest"]
    assert status == {
        "model": "qwen",
        "profile": "rtx",
        "state": "ok",
        "pid": pid,
        "port": port(project),
        "generation": 1,
        "compiled_generation": 1,
        "launch": digest,
        "compiled_launch": digest,
        "differences": [],
        "note": None,
    }


def test_drift_is_shown_value_by_value(project: Served) -> None:
    project.overlay("qwen", '[vllm]\nmax-model-len = 512\nenforce-eager = true\n[env]\nA = "1"\nB = "same"\n')
    project.run("up", "qwen")
    (pid,) = project.pids()
    project.overlay("qwen", '[vllm]\nmax-model-len = 256\nseed = 7\n[env]\nB = "same"\nC = "é"\n')
    done = check(project)
    assert done.code == 3
    _, row, *lines = done.out.splitlines()
    assert row.split()[:5] == ["qwen", "DRIFT", str(pid), str(port(project)), "2"]
    assert lines == [
        "  --enforce-eager  running present  compiled absent",
        "  --max-model-len  running 512  compiled 256",
        "  --seed  running absent  compiled 7",
        "  A  running 1  compiled absent",
        "  C  running absent  compiled é",
    ]
    assert all(len(line) <= 80 for line in done.out.splitlines())
    assert differences(project.status()["qwen"])["--enforce-eager"] == ("", None)


def test_a_server_started_by_hand_from_an_older_script_drifts_the_same_way(project: Served) -> None:
    project.overlay("qwen", "[vllm]\nmax-model-len = 256\n")
    with project.by_hand(project.script("qwen", "1")) as shell:
        assert wait_until(lambda: project.pids() == [shell.pid], 30)
        status = project.status()["qwen"]
        assert (status["state"], status["pid"], status["generation"]) == ("DRIFT", shell.pid, 1)
        assert differences(status) == {"--max-model-len": ("512", "256")}
        assert check(project).code == 3


def test_after_a_rollback_what_ran_before_drifts(project: Served) -> None:
    project.overlay("qwen", "[vllm]\nmax-model-len = 256\n")
    project.run("up", "qwen")
    project.run("rollback")
    status = project.status()["qwen"]
    assert (status["state"], status["generation"], status["compiled_generation"]) == ("DRIFT", 2, 1)


def test_a_generation_that_changes_no_launch_is_no_drift(project: Served) -> None:
    project.run("up", "qwen")
    project.overlay("qwen", "[vllm]\nmax-model-len = 512\n[sampling]\ntemperature = 0.2\n")
    status = project.status("--check")["qwen"]
    assert (status["state"], status["generation"]) == ("ok", 2)


def test_a_launch_that_differs_in_what_no_argument_tells(project: Served) -> None:
    """The weights, say: their digest is part of the launch."""
    project.run("up", "qwen")
    facts = project.folder / "models.d/qwen/discovered.json"
    (project.folder / "models.d/qwen/base.toml").write_text('[correct]\nbecause = "a test"\nlicense = "mit"\n')
    project.run("compile")
    assert project.status()["qwen"]["state"] == "ok"
    assert facts.exists()
    profile = project.folder / "profiles/rtx.toml"
    profile.write_text(profile.read_text().replace('["VLLM_API_KEY"]', '["VLLM_API_KEY", "HF_TOKEN"]'))
    project.run("compile")
    status = project.status()["qwen"]
    assert status["state"] == "DRIFT"
    assert differences(status) == {"launch": (status["launch"][:12], status["compiled_launch"][:12])}


@pytest.mark.parametrize(
    ("behaviour", "what", "running"),
    [
        ({"context": 99}, "--max-model-len", "99"),
        ({"serves": "another"}, "--served-model-name", "another"),
        ({"version": "0.11.1+cu129"}, "version", "0.11.1+cu129"),
    ],
)
def test_a_server_that_says_otherwise_drifts_whatever_its_arguments(
    project: Served, behaviour: dict[str, Any], what: str, running: str
) -> None:
    project.behave(**behaviour)
    with project.by_hand(project.script("qwen")) as shell:
        assert wait_until(lambda: project.pids() == [shell.pid] and port_is_held(port(project)), 30)
        assert wait_until(lambda: project.status()["qwen"]["state"] != "starting", 30)
        status = project.status()["qwen"]
        assert (status["state"], differences(status)[what][0]) == ("DRIFT", running)


def test_a_server_that_no_script_started_drifts_and_its_secrets_are_not_shown(project: Served) -> None:
    argv = project.row("qwen")["backend_config"]["argv"]
    argv = [word.replace("512", "128") for word in argv] + ["--api-key", "s3cret"]
    environment = dict(os.environ) | {"VLLM_USE_V1": "s3cret", "VLLM_API_KEY": "s3cret"}
    with project.by_hand(*argv, environment=environment) as shell:
        assert wait_until(lambda: project.pids() == [shell.pid] and port_is_held(port(project)), 30)
        status = project.status()["qwen"]
        assert (status["state"], status["pid"], status["generation"]) == ("DRIFT", shell.pid, None)
        assert differences(status) == {
            "--api-key": ("", None),
            "--max-model-len": ("128", "512"),
            "VLLM_USE_V1": ("", None),
        }
        assert "s3cret" not in check(project).out


def test_foreign(project: Served) -> None:
    held = port(project)
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(held)]
    with child(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as other:
        assert wait_until(lambda: port_is_held(held), 30)
        done = check(project)
        assert done.code == 3
        assert done.out.splitlines()[1].split()[:3] == ["qwen", "foreign", "-"]
        assert f"\n  port {held} is another's: pid {other.pid}, {sys.executable} -m http.server\n" in done.out


def test_a_shared_port_is_foreign_to_none_of_those_that_share_it(project: Served) -> None:
    project.overlay("llama", "")
    project.run("up", "qwen")
    assert {model: row["state"] for model, row in project.status("--check").items()} == {"llama": "down", "qwen": "ok"}


IN_A_NETWORK_OF_ITS_OWN = """
import fcntl, os, socket, struct, sys
with socket.socket() as any:  # loopback is down in a new network
    fcntl.ioctl(any, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP: netdevice(7)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_container_that_shares_proc_and_has_its_port_forwarded(project: Served, tmp_path: Path) -> None:
    """Who listens on the host's port is then a forwarder, which is no stranger."""
    unshare = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this user or kernel makes no namespaces")
    forwarder = disguised(project, tmp_path)
    inside = [*unshare, sys.executable, "-c", IN_A_NETWORK_OF_ITS_OWN, project.script("qwen")]
    with project.by_hand(*inside) as container:
        assert wait_until(lambda: len(project.pids()) == 1, 30)
        assert wait_until(lambda: (project.status()["qwen"]["note"] or "").startswith("listens"), 30)
        with project.by_hand(sys.executable, forwarder) as host:
            assert wait_until(lambda: port_is_held(port(project)), 30)
            assert wait_until(lambda: project.status()["qwen"]["state"] == "ok", 30)
            assert project.status("--check")["qwen"]["pid"] == project.pids()[0]
            project.run("down", "qwen", "--grace", "0.1")  # the first process of a PID namespace ignores TERM
            assert container.wait(30) != 0
            assert host.poll() is None


def disguised(project: Served, folder: Path) -> Path:
    """A program that serves as the fake does and whose command line does not say so."""
    file = folder / "disguised"
    program = (project.prefix / "bin/vllm").read_text().partition("\n")[2]
    file.write_text(f"import sys\nsys.argv = {project.row('qwen')['backend_config']['argv']!r}\n{program}")
    return file


@pytest.fixture
def open_project() -> Iterator[Served]:
    """A project in a folder that everyone may read."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        with served(Path(name), free_port()) as made:
            made.overlay("qwen", "[vllm]\nmax-model-len = 512\n")
            yield made


def as_nobody(project: Served, *arguments: str) -> Done:
    """`stowplan ARGUMENTS` in a child that has become another user; what it imports is imported before."""
    stowplan(project.folder, "status")
    reader, writer = os.pipe()
    if (fork := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            done = stowplan(project.folder, *arguments)
            os.write(writer, json.dumps([done.code, done.out, done.err]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as told:  # noqa: PTH123
        said = told.read()
    os.waitpid(fork, 0)
    code, out, err = json.loads(said)
    return Done(code, out, err)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_unreadable_is_judged_by_what_may_be_seen(open_project: Served) -> None:
    project = open_project
    project.run("up", "qwen")
    (pid,) = project.pids()
    done = as_nobody(project, "status", "--check")
    assert done.code == 0, done.err
    _, row, note = done.out.splitlines()
    assert row.split()[:5] == ["qwen", "unreadable", str(pid), str(port(project)), "?"]
    assert note == "  its environment may not be read: judged by its arguments and answers"
    assert as_nobody(project, "down", "qwen").code == 2, "it may not even take its turn"

    project.overlay("qwen", "[vllm]\nmax-model-len = 256\n")
    drifted = as_nobody(project, "status", "--check")
    assert (drifted.code, drifted.out.splitlines()[-1]) == (3, "  --max-model-len  running 512  compiled 256")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_process_that_cannot_be_seen_at_all_is_judged_by_its_answers(open_project: Served, tmp_path: Path) -> None:
    """As in another PID namespace: its command line says nothing of it."""
    project = open_project
    project.behave(context=99)
    with project.by_hand(sys.executable, disguised(project, tmp_path)):
        assert wait_until(lambda: port_is_held(port(project)), 30)
        done = as_nobody(project, "status", "--check")
        assert done.code == 3
        _, row, note, line = done.out.splitlines()
        assert row.split()[:3] == ["qwen", "DRIFT", "-"]
        assert note == "  answers as qwen; the process that does may not be read"
        assert line == "  --max-model-len  running 99  compiled 512"


def test_watch_goes_on(project: Served) -> None:
    command = [sys.executable, "-m", "stowplan", "-C", str(project.folder), "status", "--watch"]
    with child(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        seen = [watch.stdout.readline() for _ in range(4)]
    assert re.fullmatch(r"(MODEL .*\nqwen +down .*\n){2}", "".join(seen))
