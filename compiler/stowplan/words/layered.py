"""Values that remember where they came from.

Think of sheets of tracing paper laid on a table, the lowest first: what the weights say, what a
human corrected about that, what the engine does by itself, the profile's defaults, the model's
`base.toml`, its `<profile>.toml`. Looking down you see, for each key, the topmost sheet that wrote
on it; lift that sheet and the next one shows. A `Leaf` is one written word, and `under` is the word
it covers. Sheets are never altered: merging only lays one over the other. (Leaves and origins are
tuples, since a fleet has hundreds of thousands of them, and frozen dataclasses take twice the time to make.)
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Final, NamedTuple

from stowplan.words.keypath import KeyPath


class Layer(IntEnum):
    """The sheets, lowest first. The order is the meaning."""

    DISCOVERED = 0
    CORRECTED = 1
    ENGINE = 2
    PROFILE = 3
    BASE = 4
    OVERLAY = 5


class Origin(NamedTuple):
    """Where a value was written: a file relative to the project, and the key path in it.

    An empty `key` means the file (or folder) as such, as when a model's name is its folder's.
    """

    file: str
    key: KeyPath = ()


class _Unset:
    """The value of a leaf that an `unset` took away. There is exactly one."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset()


class Leaf(NamedTuple):
    """A scalar or a list, its layer and origin, and the leaf it covers (None at the bottom)."""

    value: Any
    layer: Layer
    origin: Origin
    under: "Leaf | None" = None

    def chain(self) -> Iterator["Leaf"]:
        """This leaf, then what it covers, down to the lowest."""
        leaf: Leaf | None = self
        while leaf is not None:
            yield leaf
            leaf = leaf.under


Tree = dict[str, Any]
"""A table of leaves: str → Leaf or Tree."""


def tree_of(table: dict[str, Any], layer: Layer, file: str, at: KeyPath = ()) -> Tree:
    """`table` (plain values) as leaves of one layer, each knowing its place in `file`.

    An empty table inside another is a value of its own (`hf-overrides = {}`), so it becomes a leaf.
    """
    return {
        key: tree_of(value, layer, file, (*at, key))
        if isinstance(value, dict) and (value or not at)
        else Leaf(value, layer, Origin(file, (*at, key)))
        for key, value in table.items()
    }


def plain(tree: Tree) -> dict[str, Any]:
    """The values alone, without origins."""
    return {key: plain(node) if isinstance(node, dict) else node.value for key, node in tree.items()}


def leaves(tree: Tree, at: KeyPath = ()) -> Iterator[tuple[KeyPath, Leaf]]:
    """Every leaf with its path, in the tree's order."""
    for key, node in tree.items():
        if isinstance(node, dict):
            yield from leaves(node, (*at, key))
        else:
            yield (*at, key), node


def find(tree: Tree, path: KeyPath) -> "Leaf | Tree | None":
    """What stands at `path`: a leaf, a table, or None."""
    node: Any = tree
    for key in path:
        if not isinstance(node, dict) or key not in node:
            return None
        node = node[key]
    return node  # type: ignore[no-any-return]
