"""`up`: what is published runs, healthy, once; or it is said at once why not. Against a fake, through real scripts."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from command import stowplan
from e2e.engine import cmdline, environ, free_port, port_is_held, wait_until
from fake_server import Served, child, served

NEVER = ("--timeout", "120")
"""How long a test would take that waits for what never comes."""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, free_port()) as made:
        made.overlay("qwen", "[vllm]\nmax-model-len = 512\n")
        yield made


@contextlib.contextmanager
def in_the_background(project: Served, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """`stowplan ARGUMENTS` while a test does something else."""
    command = [sys.executable, "-m", "stowplan", "-C", str(project.folder), *arguments]
    with child(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        yield running


@contextlib.contextmanager
def stranger(command: Sequence[str], port: int) -> Iterator[int]:
    """A program of someone else that listens on a port; its pid."""
    with child(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        assert wait_until(lambda: port_is_held(port), 30)
        yield process.pid


def port(project: Served, model: str = "qwen") -> int:
    return int(project.row(model)["backend_config"]["port"])


def test_a_server_is_started_detached_and_is_what_was_compiled(project: Served) -> None:
    done = project.run("up", "qwen", *NEVER)
    (pid,) = project.pids()
    row = project.row("qwen")
    assert "qwen/rtx is healthy after " in done.out
    assert f"pid {pid}, generation 1, http://127.0.0.1:{port(project)}/v1" in done.out
    assert cmdline(pid)[1:] == row["backend_config"]["argv"]
    assert environ(pid)["STOWPLAN_LAUNCH"] == row["metadata"]["launch_digest"]
    assert os.getsid(pid) == pid
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
    log = project.folder / "build/.state/log/qwen.rtx.log"
    assert Path(f"/proc/{pid}/fd/1").readlink() == Path(f"/proc/{pid}/fd/2").readlink() == log.resolve()
    assert log.read_text().startswith("=== stowplan up qwen/rtx, generation 1, launch ")


def test_a_server_that_runs_is_left_alone(project: Served) -> None:
    project.run("up", "qwen", *NEVER)
    before = project.pids()
    done = project.run("up", "QWEN", *NEVER)
    assert f"qwen/rtx already runs: pid {before[0]}, generation 1" in done.out
    assert project.pids() == before


def test_a_server_started_by_hand_counts(project: Served) -> None:
    with project.by_hand(project.script("qwen")) as shell:
        assert wait_until(lambda: project.pids() == [shell.pid], 30)
        assert f"already runs: pid {shell.pid}" in project.run("up", "qwen", *NEVER).out
        project.run("down", "qwen")


def test_a_changed_launch_is_restarted(project: Served) -> None:
    project.run("up", "qwen", *NEVER)
    (before,) = project.pids()
    project.overlay("qwen", "[vllm]\nmax-model-len = 256\n")
    refused = stowplan(project.folder, "up", "qwen", "--no-restart")
    assert refused.code == 1
    assert f"qwen/rtx runs an older launch: pid {before}" in refused.err
    assert project.pids() == [before]
    done = project.run("up", "qwen", *NEVER)
    (after,) = project.pids()
    assert f"stopping qwen/rtx: pid {before}" in done.err
    assert after != before
    assert cmdline(after)[1:] == project.row("qwen")["backend_config"]["argv"]


def test_what_is_published_is_started_whatever_the_files_say(project: Served) -> None:
    (project.folder / "models.d/qwen/rtx.toml").write_text("this is no TOML")
    project.run("up", "qwen", *NEVER)
    assert "512" in cmdline(project.pids()[0])


def test_one_at_a_time_stops_the_other_first(project: Served) -> None:
    project.overlay("llama", "")
    project.run("up", "qwen", *NEVER)
    (qwen,) = project.pids()
    done = project.run("up", "llama", *NEVER)
    assert f"stopping qwen/rtx: pid {qwen}" in done.err
    (llama,) = project.pids()
    assert "llama" in cmdline(llama)


def test_servers_that_run_together_leave_each_other_alone(tmp_path: Path) -> None:
    first, last = sorted((free_port(), free_port()))
    with served(tmp_path, first, last_port=last, mode="together") as project:
        project.overlay("qwen", f"port = {first}\n")
        project.overlay("llama", f"port = {last}\n")
        project.run("up", "qwen", *NEVER)
        project.run("up", "llama", *NEVER)
        assert len(project.pids()) == 2
        assert {row["state"] for row in project.status("--check").values()} == {"ok"}


@pytest.mark.parametrize(
    ("logs", "status", "ended", "cause"),
    [
        (
            ["ValueError: No available memory for the cache blocks. Try", "see above"],
            1,
            "exit status 1",
            "no-kv-memory",
        ),
        (["vllm: error: unrecognized arguments: --max-model-length 12"], 2, "exit status 2", "unknown-flag"),
        (["INFO loading"], -signal.SIGKILL, "SIGKILL", "killed"),
        (["a riddle"], 7, "exit status 7", None),
    ],
)
def test_a_death_ends_the_wait_with_its_last_words(
    project: Served, logs: list[str], status: int, ended: str, cause: str | None
) -> None:
    """It takes as long as the timeout where a death goes unseen."""
    lines = [f"  line {n}\twith\u2028odd blanks" for n in range(30)] + logs
    project.behave(logs=lines, dies_with=status)
    done = stowplan(project.folder, "up", "qwen", *NEVER)
    assert done.code == 1
    told = "\n".join(lines[-20:])
    assert f".state/log/qwen.rtx.log:\n{told}\nerror: qwen/rtx " in done.err
    assert ended in done.err
    assert (f"cause: {cause}" in done.err) if cause else ("cause" not in done.err)


def test_missing_weights_are_the_scripts_word(project: Served) -> None:
    (project.prefix.parent / "weights/org/qwen/model.safetensors").unlink()
    done = stowplan(project.folder, "up", "qwen", *NEVER)
    assert done.code == 1
    assert "model.safetensors is missing" in done.err
    assert "qwen/rtx ended with exit status 1; cause: missing-file" in done.err


def test_a_child_that_is_killed_while_it_starts(project: Served, tmp_path: Path) -> None:
    project.behave(waits_for=str(tmp_path / "never"), children=2)
    with in_the_background(project, "up", "qwen", *NEVER) as up:
        assert wait_until(lambda: len(project.pids()) == 3, 30)
        os.kill(min(project.pids()), signal.SIGKILL)
        _, told = up.communicate(timeout=60)
    assert up.returncode == 1
    assert "qwen/rtx was ended by SIGKILL; cause: killed" in told
    assert project.pids() == [], "its children are stopped, too"


@pytest.mark.parametrize("shares", [False, True])
def test_a_port_that_is_anothers_is_never_healthy(project: Served, shares: bool, tmp_path: Path) -> None:
    held = port(project)
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(held)]
    if shares:  # as vLLM does, and answers as it does, to another name
        other = tmp_path / "other/vllm"
        other.parent.mkdir()
        other.write_text((project.prefix / "bin/vllm").read_text())
        (other.parent / "behaviour.json").write_text((project.prefix / "bin/behaviour.json").read_text())
        command = [sys.executable, str(other), "serve", "/m", "--port", str(held), "--served-model-name", "another"]
        command += ["--api-key", "s3cret"]
    program = " ".join(command[:2] if shares else command[:3])
    with stranger(command, held) as pid:
        done = stowplan(project.folder, "up", "qwen", *NEVER)
        assert done.code == 1
        assert f"port {held} of 127.0.0.1 is foreign: pid {pid}, {program}\n" in done.err
        assert "s3cret" not in done.err
        assert Path(f"/proc/{pid}").exists()
        assert project.pids() == []


def test_a_stranger_that_comes_meanwhile_is_seen(project: Served, tmp_path: Path) -> None:
    held, go = port(project), tmp_path / "go"
    other = tmp_path / "other/vllm"
    other.parent.mkdir()
    other.write_text((project.prefix / "bin/vllm").read_text())
    (other.parent / "behaviour.json").write_text((project.prefix / "bin/behaviour.json").read_text())
    project.behave(waits_for=str(go))
    with in_the_background(project, "up", "qwen", *NEVER) as up:
        assert wait_until(lambda: bool(project.pids()) and port_is_held(held), 30)
        with stranger([sys.executable, str(other), "serve", "/m", "--port", str(held)], held) as pid:
            _, told = up.communicate(timeout=60)
            assert up.returncode == 1
            assert f"is foreign: pid {pid}" in told
            assert project.pids() == [], "requests would have gone to either"


def test_a_server_without_our_digest_is_not_ours_to_stop(project: Served) -> None:
    row = project.row("qwen")
    with project.by_hand(*row["backend_config"]["argv"]) as shell:
        assert wait_until(lambda: project.pids() == [shell.pid] and port_is_held(port(project)), 30)
        for verb in ("up", "down"):
            done = stowplan(project.folder, verb, "qwen")
            assert done.code == 1
            assert f"pid {shell.pid} serves qwen, and was not started from a launch of this project" in done.err
        assert shell.poll() is None


def test_late_is_no_failure_of_the_server(project: Served, tmp_path: Path) -> None:
    go = tmp_path / "go"
    project.behave(waits_for=str(go))
    done = stowplan(project.folder, "up", "qwen", "--timeout", "0")
    (pid,) = project.pids()
    assert (done.code, f"qwen/rtx is not healthy after 0 s: pid {pid}" in done.err) == (1, True)
    with in_the_background(project, "up", "qwen", *NEVER) as again:
        go.touch()
        told, _ = again.communicate(timeout=60)
    assert f"already runs: pid {pid}" in told


def test_a_server_of_ours_with_another_name_is_not_healthy(project: Served) -> None:
    project.behave(serves="another")
    done = stowplan(project.folder, "up", "qwen", "--timeout", "1")
    assert (done.code, "qwen/rtx is not healthy after 1 s" in done.err) == (1, True)


def test_one_command_at_a_time_starts_and_stops(project: Served) -> None:
    state = project.folder / "build/.state"
    with (state / "servers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with in_the_background(project, "up", "qwen", *NEVER) as up:
            assert up.stderr is not None
            assert up.stderr.readline() == "waiting for another stowplan that starts or stops servers\n"
            assert project.pids() == []
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert "is healthy" in up.communicate(timeout=60)[0]


def test_two_at_once_start_one(project: Served) -> None:
    with (
        in_the_background(project, "up", "qwen", *NEVER) as one,
        in_the_background(project, "up", "qwen", *NEVER) as two,
    ):
        said = [one.communicate(timeout=60)[0], two.communicate(timeout=60)[0]]
    assert len(project.pids()) == 1
    assert sorted("already runs" in told for told in said) == [False, True]


def test_a_key_is_asked_with(project: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "s3cret")
    project.behave(key="s3cret")
    project.run("up", "qwen", *NEVER)
    monkeypatch.delenv("VLLM_API_KEY")
    assert project.status("--check")["qwen"]["state"] == "ok"


def test_facts_that_the_log_tells_are_kept(project: Served) -> None:
    project.behave(logs=("(Worker) INFO Model loading took 5.21 GiB memory and 3.1 seconds",))
    project.run("up", "qwen", *NEVER)
    project.run("status")
    (line,) = (project.folder / "build/.state/measured.jsonl").read_text().splitlines()
    found = json.loads(line)
    assert (found["weights_gib"], found["loading_seconds"]) == (5.21, 3.1)
    assert found["launch"] == project.row("qwen")["metadata"]["launch_digest"]
    assert (found["engine_version"], found["gpu"]) == ("0.11.0", "NVIDIA GeForce RTX 4080")
    assert found["healthy_after_seconds"] >= 0


@pytest.mark.parametrize(("subject", "said"), [("qwne", "did you mean `qwen`?"), ("qwen/other", "profiles: rtx")])
def test_who_is_meant(project: Served, subject: str, said: str) -> None:
    for verb in ("up", "down", "logs", "status"):
        done = stowplan(project.folder, verb, subject)
        assert done.code == 2
        assert said in done.err


def test_a_model_answers_to_each_of_its_names_and_before_one_that_is_gone(project: Served) -> None:
    gone, base = project.folder / "models.d/gone", project.folder / "models.d/qwen/base.toml"
    gone.mkdir()
    (gone / "base.toml").write_text('aliases = ["shared"]\n')
    project.overlay("gone", "")
    for file in gone.iterdir():
        file.unlink()
    base.write_text('name = "Qwen_(AWQ)"\ndisplay-name = "The Qwen"\naliases = ["shared"]\n')
    project.run("compile")
    for name in ("qwen", "qwen-awq", "the qwen", "Shared", "shared/rtx"):
        assert project.status(name).keys() == {"qwen"}, name
    assert project.status("gone") == {}, "it is known, and does not run"
