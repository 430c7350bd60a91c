"""What the emitters agree on: where files stand in a profile's build, and JSON of one item a line."""

import json
from collections.abc import Iterable, Mapping
from typing import Any


def script_path(model: str) -> str:
    """Where the launch script of `model` stands."""
    return f"launch/{model}.sh"


def json_line(item: Mapping[str, Any], first: str) -> bytes:
    """`item` as one line of JSON: the key `first`, then the others sorted; no spaces, UTF-8."""
    ordered = {first: item[first], **{key: _sorted(item[key]) for key in sorted(item) if key != first}}
    return json.dumps(ordered, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def json_array(lines: Iterable[bytes]) -> bytes:
    """A JSON array of items that are JSON already, one a line; `[]` if there are none."""
    body = b",\n".join(lines)
    return b"[\n" + body + b"\n]\n" if body else b"[]\n"


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_sorted(item) for item in value]
    return value
