"""The leaves of a scanned text, and of what it means, by key path. An empty table or list is a leaf."""

from collections.abc import Iterator
from typing import Any

from stowplan.report.node import Node
from stowplan.words.keypath import KeyPath


def leaf_nodes(node: Node, at: KeyPath = ()) -> Iterator[tuple[KeyPath, Node]]:
    if not node.inside:
        yield at, node
    for key, inner in node.inside.items():
        yield from leaf_nodes(inner, (*at, key))


def leaf_values(value: Any, at: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    empty = True
    for key, inner in inside:
        empty = False
        yield from leaf_values(inner, (*at, key))
    if empty:
        yield at, value
