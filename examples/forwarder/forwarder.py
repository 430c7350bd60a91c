"""One address for all models: forwards OpenAI requests to the server that the registry names.

    python forwarder.py BUILD [--port 8000]

`model` in a request may be a registry name, an alias, a served or display name, or `role:caption`, which
stands for the model that is preferred for that role. The registry is asked anew for every request, which
costs a microsecond, so a compile or a rollback counts from the next request on.
"""

import argparse
import json
import urllib.error
import urllib.request
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from stowplan.read import Entry, ProfileNotChosenError, Registry, Snapshot, UnknownModelError, UnreadableBuildError

ROLE = "role:"
LONGEST = 64 << 20
"""Bytes of a request that are taken at most; images come inside."""
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
NO_REGISTRY = (UnreadableBuildError, ProfileNotChosenError)
PASSED = ("Authorization", "Content-Type", "Accept")


def entry_for(snapshot: Snapshot, model: str) -> Entry:
    """The entry that `model` means. Raises UnknownModelError."""
    if not model.startswith(ROLE):
        return snapshot.get(model)
    taken_by = snapshot.by_role(model.removeprefix(ROLE))
    if not taken_by:
        raise UnknownModelError(f"no model takes the role `{model.removeprefix(ROLE)}`")
    return taken_by[0]


class Forwarder(BaseHTTPRequestHandler):
    """Answers one client; `registry` is set by `server`."""

    registry: Registry
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The models there are; everything else is unknown."""
        if self.path != "/v1/models":
            self.refuse(HTTPStatus.NOT_FOUND, f"nothing at {self.path}")
            return
        try:
            snapshot = self.registry.snapshot()
        except NO_REGISTRY as problem:
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(problem))
            return
        models = [{"id": entry.name, "object": "model", "owned_by": entry.backend} for entry in snapshot.entries()]
        self.answer({"object": "list", "data": models, "generation": snapshot.generation})

    def do_POST(self) -> None:
        """Forward a request, its model named as the server names it."""
        try:
            length = int(self.headers.get("Content-Length") or 0)
            if length < 0:
                self.refuse(HTTPStatus.BAD_REQUEST, f"a request cannot have {length} bytes")
                return
            if length > LONGEST:
                self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {LONGEST} bytes")
                return
            body = json.loads(self.rfile.read(length))
            snapshot = self.registry.snapshot()
            entry = entry_for(snapshot, body["model"])
        except UnknownModelError as problem:
            self.refuse(HTTPStatus.NOT_FOUND, str(problem.args[0]))
            return
        except NO_REGISTRY as problem:
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, str(problem))
            return
        except (ValueError, KeyError, TypeError, AttributeError):
            self.refuse(HTTPStatus.BAD_REQUEST, "a JSON object with `model` was expected")
            return
        body["model"] = entry.served_name
        url = snapshot.endpoint(entry.name) + self.path.removeprefix("/v1")
        headers = {name: value for name in PASSED if (value := self.headers.get(name)) is not None}
        self.forward(urllib.request.Request(url, json.dumps(body).encode(), headers), entry)

    def forward(self, request: urllib.request.Request, entry: Entry) -> None:
        """Send what the server answers as it comes, streams too."""
        try:
            reply = DIRECT.open(request, timeout=600)
        except urllib.error.HTTPError as problem:
            reply = problem  # an answer all the same
        except OSError as problem:
            self.refuse(HTTPStatus.BAD_GATEWAY, f"`{entry.name}` does not answer at {request.full_url}: {problem}")
            return
        with reply:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.headers.get("Content-Type", "application/json"))
            self.send_header("Connection", "close")
            self.end_headers()
            while chunk := reply.read1(1 << 16):  # what is there: `read` would wait for all of it
                self.wfile.write(chunk)
                self.wfile.flush()
        self.close_connection = True

    def refuse(self, status: HTTPStatus, message: str) -> None:
        """An error in the shape that OpenAI clients read."""
        self.close_connection = True  # what was not read of the request must not be taken for the next one
        self.answer({"error": {"message": message, "code": status.value}}, status)

    def answer(self, content: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        """A JSON answer."""
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing: who wants a log puts a proxy before it."""


def server(build: str, port: int) -> ThreadingHTTPServer:
    """A forwarder for the registry below `build`, listening on loopback."""
    handler = type("Handler", (Forwarder,), {"registry": Registry(build)})
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


def main() -> None:
    """Serve until interrupted."""
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    options.add_argument("build", help="the build folder")
    options.add_argument("--port", type=int, default=8000)
    given = options.parse_args()
    with server(given.build, given.port) as forwarder:
        forwarder.serve_forever()


if __name__ == "__main__":
    main()
