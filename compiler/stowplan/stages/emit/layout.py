"""What the emitters agree on: where files stand in a profile's build, and JSON of one item a line."""

from collections.abc import Iterable, Mapping
from typing import Any

from stowplan.words.digest import canonical_json


def script_path(model: str) -> str:
    """Where the launch script of `model` stands."""
    return f"launch/{model}.sh"


def json_line(item: Mapping[str, Any], first: str) -> bytes:
    """`item` as one line of JSON: the key `first`, then the others sorted; no spaces, UTF-8."""
    others = {key: value for key, value in item.items() if key != first}
    head, tail = canonical_json({first: item[first]}), canonical_json(others)
    return head[:-1] + b"," + tail[1:] if others else head


def json_array(lines: Iterable[bytes]) -> bytes:
    """A JSON array of items that are JSON already, one a line; `[]` if there are none."""
    body = b",\n".join(lines)
    return b"[\n" + body + b"\n]\n" if body else b"[]\n"
