"""A real vLLM ends when told to, at any moment of its life, and leaves neither process nor port behind."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from e2e.engine import Server, cmdline, free_port, port_is_held, processes_of, wait_until

pytestmark = pytest.mark.engine


@pytest.fixture
def server(vllm: Path, tiny: Path, tmp_path: Path) -> Server:
    port = free_port()
    where = ["--host", "127.0.0.1", "--port", str(port)]
    small = ["--max-model-len", "256", "--max-num-seqs", "4", "--enforce-eager"]
    argv = [str(vllm), "serve", str(tiny), *where, *small, "--served-model-name", "tiny"]
    return Server(argv, port, tmp_path / "vllm.log")


def test_stopped_while_it_starts(server: Server) -> None:
    with server:
        assert wait_until(lambda: port_is_held(server.port), 60), "vLLM binds its port first"
        assert wait_until(lambda: len(processes_of(server.pid)) > 1, 60), "then it starts its engine"
        server.stop()
        assert processes_of(server.pid) == []
        assert not port_is_held(server.port)


def test_a_leader_told_alone_while_it_starts_goes_on(server: Server) -> None:
    """Why stopping takes more than one signal to one process; a vLLM that obeys is good news."""
    with server:
        assert wait_until(lambda: len(processes_of(server.pid)) > 1, 60)
        os.kill(server.pid, signal.SIGTERM)
        time.sleep(3)
        assert server.process.poll() is None
        assert port_is_held(server.port)


def test_stopped_when_healthy(server: Server) -> None:
    with server:
        server.wait_until_healthy()
        assert [model["id"] for model in server.get("/v1/models")["data"]] == ["tiny"]
        answer = server.post("/v1/completions", {"model": "tiny", "prompt": "the quick", "max_tokens": 2})
        assert answer["usage"]["completion_tokens"] <= 2

        python, *argv = cmdline(server.pid)
        assert Path(python).name.startswith("python")
        assert argv == server.argv

        server.stop()
        assert server.process.returncode == 0, "ended by itself, not killed"
        assert processes_of(server.pid) == []
        assert not port_is_held(server.port)
