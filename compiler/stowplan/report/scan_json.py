"""Where the keys and values of a JSON text stand (RFC 8259).

Like `scan_toml`: once from left to right, in linear time; what is no JSON ends the scan early.
"""

import json
import re
from contextlib import suppress

from stowplan.report.node import MAX_DEPTH, Node

_STRING = r'"(?:[^"\\]++|\\.)*+"'
_GAP = re.compile(r"[ \t\r\n]*+")
_COMMA = re.compile(r"[ \t\r\n]*+(?:,[ \t\r\n]*+|(?=[\]}]))")
_KEY = re.compile(rf"({_STRING})[ \t\r\n]*+:[ \t\r\n]*+", re.DOTALL)
_OPEN = re.compile(r"[\[{][ \t\r\n]*+")
_SCALAR = re.compile(rf"""{_STRING}|[^ \t\r\n,:"\[\]{{}}]++""", re.DOTALL)


def scan_json(text: str) -> Node:
    """The tree of `text`, as far as it is JSON; the root is the outermost value."""
    root = Node()
    with suppress(ValueError):
        _value(text, _end(_GAP, text, 0), root, MAX_DEPTH)
    return root


def _value(text: str, at: int, node: Node, depth: int) -> int:
    """Reads the value at `at` into `node`. Out: where it ends. Raises ValueError if it is none."""
    opening = text[at : at + 1]
    if opening in ("[", "{") and not depth:
        raise ValueError("too deep")
    if opening == "[":
        end = _list(text, at, node, depth)
    elif opening == "{":
        end = _object(text, at, node, depth)
    else:
        end = _end(_SCALAR, text, at)
    node.value = (at, end)
    return end


def _list(text: str, at: int, node: Node, depth: int) -> int:
    at = _end(_OPEN, text, at)
    while not text.startswith("]", at):
        node.inside[len(node.inside)] = item = Node()
        at = _end(_COMMA, text, _value(text, at, item, depth - 1))
    return at + 1


def _object(text: str, at: int, node: Node, depth: int) -> int:
    at = _end(_OPEN, text, at)
    while not text.startswith("}", at):
        after = _end(_KEY, text, at)
        start, end = _KEY.match(text, at).span(1)  # type: ignore[union-attr]
        node.inside[json.loads(text[start:end])] = item = Node((start, end))
        at = _end(_COMMA, text, _value(text, after, item, depth - 1))
    return at + 1


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    if match is None:
        raise ValueError(f"no JSON at character {at}")
    return match.end()
