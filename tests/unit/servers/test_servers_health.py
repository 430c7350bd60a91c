"""What a server says of itself, and how little is believed of one that says nonsense."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from e2e.engine import free_port
from stowplan.servers import health
from stowplan.servers.health import Answer, ask

Pages = dict[str, tuple[int, bytes]]
MODELS = {"data": [{"id": "lora"}, {"id": "qwen", "max_model_len": 512, "root": "/w/qwen"}]}


@pytest.fixture
def serve() -> Iterator[Callable[[Pages], int]]:
    """Serves pages; other paths are 404. Every Authorization that came is kept in `keys`."""
    running: list[ThreadingHTTPServer] = []

    def started(pages: Pages) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                KEYS.append((self.path, self.headers["Authorization"]))
                status, body = pages.get(self.path, (404, b"{}"))
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        running.append(server)
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        return server.server_port

    KEYS.clear()
    yield started
    for server in running:
        server.shutdown()
        server.server_close()


KEYS: list[tuple[str, str | None]] = []


def page(content: object) -> tuple[int, bytes]:
    return 200, json.dumps(content).encode()


def test_an_answer(serve: Callable[[Pages], int]) -> None:
    port = serve({"/v1/models": page(MODELS), "/version": page({"version": "0.32.0+cpu"})})
    answer = ask("127.0.0.1", port, "qwen", key="s3cret")
    assert answer == Answer(("lora", "qwen"), 512, "/w/qwen", "0.32.0+cpu")
    assert KEYS == [("/v1/models", "Bearer s3cret"), ("/version", None)]


def test_proxies_are_not_for_a_server_on_this_machine(
    serve: Callable[[Pages], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert ask("127.0.0.1", serve({"/v1/models": page(MODELS)}), "qwen") == Answer(("lora", "qwen"), 512, "/w/qwen")


def test_redirections_are_not_followed(serve: Callable[[Pages], int]) -> None:
    port = serve({"/v1/models": (302, b""), "/elsewhere": page(MODELS)})
    assert ask("127.0.0.1", port, "qwen", key="s3cret") == Answer()
    assert "/elsewhere" not in [path for path, _ in KEYS]


def test_one_that_wants_a_key(serve: Callable[[Pages], int]) -> None:
    assert ask("127.0.0.1", serve({"/v1/models": (401, page(MODELS)[1])}), "qwen") == Answer(wants_key=True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"[" * 100_000,
        b"[]",
        b'{"data": 1}',
        b'{"data": [1, {"id": 2}, {"name": "qwen"}]}',
        b'{"data": [{"id": "qwen"}]}' + b" " * health.LARGEST + b"]",
    ],
)
def test_nonsense_is_no_answer(serve: Callable[[Pages], int], body: bytes) -> None:
    assert ask("127.0.0.1", serve({"/v1/models": (200, body), "/version": (200, body)}), "qwen") == Answer()


@pytest.mark.parametrize("value", ["512", None, 1.5, {}])
def test_a_value_of_another_type_is_not_believed(serve: Callable[[Pages], int], value: object) -> None:
    models = {"data": [{"id": "qwen", "max_model_len": value, "root": 7}]}
    assert ask("127.0.0.1", serve({"/v1/models": page(models)}), "qwen") == Answer(("qwen",))


def test_nobody_answers() -> None:
    assert ask("127.0.0.1", free_port(), "qwen") is None
    assert ask("no.such.host.invalid", 80, "qwen") is None
