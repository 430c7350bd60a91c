"""The example consumer: it finds a server by name or role, and a compile counts from the next request on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from command import stowplan
from e2e.engine import free_port, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
FORWARDER = REPOSITORY / "examples/forwarder/forwarder.py"
OVERLAY = """\
engine = "external"
port = {port}
served-name = "upstream-{port}"

[external]
backend = "vllm"
model = "whatever"
"""


class Upstream(BaseHTTPRequestHandler):
    """Says who it is and what it was sent."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = json.dumps({"port": self.server.server_address[1], "path": self.path, "got": body}).encode()
        self.send_response(418 if body.get("fail") else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def upstream(handler: type[BaseHTTPRequestHandler] = Upstream) -> Iterator[int]:
    """A server to forward to; its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(REPOSITORY / "tests/cases/a-sound-project", tmp_path / "project")
    return tmp_path / "project"


def point(project: Path, port: int) -> None:
    """Let the model `llama` be the server at a port, and publish that."""
    (project / "models.d/llama/card.toml").write_text(OVERLAY.format(port=port))
    done = stowplan(project, "compile")
    assert done.code == 0, done.err


@pytest.fixture
def forwarder(project: Path) -> Iterator[str]:
    """The example, started as its own process before there is a build."""
    port = free_port()
    process = subprocess.Popen([sys.executable, FORWARDER, project / "build", "--port", str(port)])
    address = f"http://127.0.0.1:{port}"
    try:
        assert wait_until(lambda: process.poll() is not None or answers(address), 60)
        yield address
    finally:
        process.terminate()
        process.wait()


def answers(address: str) -> bool:
    with suppress(OSError):
        ask(f"{address}/nothing")
        return True
    return False


def ask(url: str, body: Any = None) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as problem:
        return problem.code, json.load(problem)


def chat(address: str, model: str, **more: Any) -> tuple[int, Any]:
    return ask(f"{address}/v1/chat/completions", {"model": model, "messages": [], **more})


def test_a_request_goes_to_the_server_and_names_the_model_as_it_does(project: Path, forwarder: str) -> None:
    with upstream() as port:
        point(project, port)
        status, answer = chat(forwarder, "LLAMA 3.1 8b instruct BF16", stream=False)
    assert status == 200
    assert answer["port"] == port
    assert answer["path"] == "/v1/chat/completions"
    assert answer["got"] == {"model": f"upstream-{port}", "messages": [], "stream": False}


def test_before_there_is_a_build_it_says_so(forwarder: str) -> None:
    for status, answer in (chat(forwarder, "llama"), ask(f"{forwarder}/v1/models")):
        assert status == 503
        assert "stowplan compile" in answer["error"]["message"]


def test_a_role_stands_for_the_model_that_is_preferred(project: Path, forwarder: str) -> None:
    with upstream() as port:
        point(project, port)
        assert chat(forwarder, "role:summary")[1]["port"] == port
        assert chat(forwarder, "role:juggling")[0] == 404


def test_a_compile_counts_from_the_next_request_on(project: Path, forwarder: str) -> None:
    with upstream() as first, upstream() as second:
        for port in (first, second, first):
            point(project, port)
            assert chat(forwarder, "llama")[1]["port"] == port
        assert stowplan(project, "rollback").code == 0
        assert chat(forwarder, "llama")[1]["port"] == second


def test_what_goes_wrong_is_said_in_the_shape_clients_read(project: Path, forwarder: str) -> None:
    with upstream() as port:
        point(project, port)
        assert chat(forwarder, "llama", fail=True)[0] == 418
        status, answer = chat(forwarder, "lama")
        assert status == 404
        assert "llama" in answer["error"]["message"]
        assert ask(f"{forwarder}/v1/completions", ["no object"])[0] == 400
    assert chat(forwarder, "llama")[0] == 502
    names = [model["id"] for model in ask(f"{forwarder}/v1/models")[1]["data"]]
    assert names == ["llama-3.1-8b-instruct_(BF16)", "qwen2.5-vl-7b-instruct_(AWQ)"]


def test_a_stream_comes_as_it_is_sent(project: Path, forwarder: str) -> None:
    """Fails if events are gathered: the second is sent only when the client has got the first."""
    heard = threading.Event()

    class Stream(Upstream):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.event("data: 1\n")
            if heard.wait(10):
                self.event("data: 2\n")
            self.event("")

        def event(self, text: str) -> None:
            self.wfile.write(f"{len(text):x}\r\n{text}\r\n".encode())

    with upstream(Stream) as port:
        point(project, port)
        body = json.dumps({"model": "llama", "stream": True}).encode()
        with urllib.request.urlopen(f"{forwarder}/v1/chat/completions", body, timeout=60) as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            assert answer.readline() == b"data: 1\n"
            heard.set()
            assert answer.read() == b"data: 2\n"


@pytest.mark.parametrize(("length", "status"), [("-1", 400), ("abc", 400), (str((64 << 20) + 1), 413)])
def test_a_length_that_cannot_be_is_refused_at_once(forwarder: str, length: str, status: int) -> None:
    """Fails if what follows is read all the same: nothing does."""
    with closing(HTTPConnection(forwarder.removeprefix("http://"), timeout=10)) as connection:
        connection.putrequest("POST", "/v1/chat/completions")
        connection.putheader("Content-Length", length)
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == status
        assert json.load(answer)["error"]["code"] == status
