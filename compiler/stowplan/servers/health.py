"""What a server says of itself over HTTP, as vLLM's OpenAI server does (vllm/entrypoints/openai, 0.11.0 to 0.32.0)."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any

LARGEST = 1 << 20
"""Bytes of an answer that are read; a list of models is far smaller."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: the names it answers to, and of the one asked for its longest context in tokens and its
    folder; its version; whether it says nothing without a key. What it did not say is None or empty.
    """

    names: tuple[str, ...] = ()
    context: int | None = None
    root: str | None = None
    version: str | None = None
    wants_key: bool = False


def ask(address: str, port: int, served: str, *, key: str | None = None, timeout: float = 5.0) -> Answer | None:
    """Asks a server that should answer to `served`; None where nobody speaks HTTP within `timeout` seconds.

    Proxies and redirections are not followed: it is this server that is meant. `key` is sent as it is, so
    pass it only for a server that is known to be the right one.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        status, models = _get(address, port, "/v1/models", headers, timeout)
        _, about = _get(address, port, "/version", {}, timeout)
    except (OSError, HTTPException):
        return None
    listed = models.get("data")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    ours: dict[str, Any] = next((entry for entry in entries if entry.get("id") == served), {})
    context, root, version = ours.get("max_model_len"), ours.get("root"), about.get("version")
    return Answer(
        names=tuple(entry["id"] for entry in entries if isinstance(entry.get("id"), str)),
        context=context if isinstance(context, int) else None,
        root=root if isinstance(root, str) else None,
        version=version if isinstance(version, str) else None,
        wants_key=status == HTTPStatus.UNAUTHORIZED,
    )


def _get(
    address: str, port: int, path: str, headers: Mapping[str, str], timeout: float
) -> tuple[int, Mapping[str, Any]]:
    """The status and the JSON object at a path; empty where there is none, or where it is too large or too slow.

    What comes with another status than 200 is an error's, whatever it looks like.
    """
    deadline = time.monotonic() + timeout
    connection = HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        content = b""
        while len(content) <= LARGEST and time.monotonic() < deadline and (chunk := response.read1(1 << 16)):
            content += chunk
        return response.status, _object(content) if response.status == HTTPStatus.OK else {}
    finally:
        connection.close()


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
