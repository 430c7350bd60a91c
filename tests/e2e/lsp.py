"""A language server on pipes, asked as an editor asks (Language Server Protocol 3.17)."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Position = tuple[int, int]
"""Line and column, both from 0; columns in UTF-16 units, as the protocol counts."""
CAPABILITIES = {"textDocument": {"hover": {"contentFormat": ["markdown"]}, "publishDiagnostics": {}}}


class Server:
    """One server for one folder, from `with` to its end."""

    def __init__(self, command: Sequence[str | Path], folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._asked = 0
        self._version = 0
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment,
        )

    def __enter__(self) -> Self:
        workspace = {"uri": self._folder.as_uri(), "name": self._folder.name}
        whole = {"processId": None, "rootUri": workspace["uri"], "workspaceFolders": [workspace]}
        told = self._ask("initialize", {**whole, "capabilities": CAPABILITIES})
        assert told["capabilities"].get("positionEncoding", "utf-16") == "utf-16"
        self._tell("initialized", {})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._ask("shutdown", None)
                self._tell("exit", None)
                self._process.wait(timeout=30)
        finally:
            self._process.kill()
            self._process.communicate()

    def open(self, file: str, text: str) -> list[dict[str, Any]]:
        """Open a file with that text in the editor. Out: the diagnostics the server answers with."""
        uri = (self._folder / file).as_uri()
        self._version += 1  # an answer to what was open before may still be on its way
        document = {"uri": uri, "languageId": "toml", "version": self._version, "text": text}
        self._tell("textDocument/didOpen", {"textDocument": document})
        while True:
            message = self._receive()
            about = message["params"] if message.get("method") == "textDocument/publishDiagnostics" else {}
            if about.get("uri") == uri and about.get("version", self._version) == self._version:
                found: list[dict[str, Any]] = about["diagnostics"]
                return found
            self._answer(message)

    def completion(self, file: str, at: Position) -> dict[str, dict[str, Any]]:
        """What the server offers there, by label."""
        found = self._at("completion", file, at) or []
        items = found if isinstance(found, list) else found["items"]
        return {item["label"]: item for item in items}

    def hover(self, file: str, at: Position) -> str:
        """What the server tells of what stands there."""
        found = self._at("hover", file, at)
        return "" if found is None else str(found["contents"]["value"])

    def _at(self, method: str, file: str, at: Position) -> Any:
        document, position = {"uri": (self._folder / file).as_uri()}, {"line": at[0], "character": at[1]}
        return self._ask(f"textDocument/{method}", {"textDocument": document, "position": position})

    def _ask(self, method: str, params: Any) -> Any:
        self._asked += 1
        self._send({"id": self._asked, "method": method, "params": params})
        while True:
            message = self._receive()
            if "method" not in message and message["id"] == self._asked:
                assert "error" not in message, message
                return message["result"]
            self._answer(message)

    def _tell(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def _answer(self, message: dict[str, Any]) -> None:
        """Say nothing to what the server asks: an editor without settings."""
        if "method" in message and "id" in message:
            asked = message["params"].get("items") if message["method"] == "workspace/configuration" else None
            self._send({"id": message["id"], "result": asked and [None] * len(asked)})

    def _send(self, message: dict[str, Any]) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        stream = self._process.stdout
        assert stream is not None
        length = 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert line, "the server has ended"
        message: dict[str, Any] = json.loads(stream.read(length))
        return message
