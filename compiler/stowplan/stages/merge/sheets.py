"""Laying one layer over another: deepmerge with strategies of our own.

Its stock strategies lose new keys from provenance, append lists and alter their inputs. Ours: tables
merge key by key, a leaf covers the leaf below it whole (lists too), and a table that meets a leaf is
a clash. Nothing given is altered.
"""

from dataclasses import dataclass
from typing import Any

from deepmerge import Merger

from stowplan.words.keypath import KeyPath
from stowplan.words.layered import UNSET, Leaf, Tree, find, leaves


@dataclass(frozen=True, slots=True)
class Clash:
    """A table met a value at `path`: the lower and the upper node."""

    path: KeyPath
    lower: Leaf | Tree
    upper: Leaf | Tree


def lay(lower: Tree, upper: Tree) -> tuple[Tree, list[Clash]]:
    """`upper` over `lower`; where they clash the lower node stays and the clash is reported."""
    sheets = _Sheets(_RULES)
    return sheets.merge(lower, upper), sheets.clashes


def take_away(tree: Tree, path: KeyPath, by: Leaf) -> tuple[Tree, list[tuple[KeyPath, Leaf]]]:
    """`tree` with everything at and below `path` unset, and the leaves that went.

    An unset leaf stays in the tree, marked, so that a later value still covers a chain.
    """
    node = find(tree, path)
    if node is None:
        return tree, []
    below = [(path, node)] if isinstance(node, Leaf) else [((*path, *rest), leaf) for rest, leaf in leaves(node)]
    taken = [(where, leaf) for where, leaf in below if leaf.value is not UNSET]
    cleared: Tree | Leaf = _unset(node, by)
    return _with(tree, path, cleared), taken


def settled(tree: Tree) -> Tree:
    """`tree` without what is unset, and without tables that only held such."""
    kept: Tree = {}
    for key, node in tree.items():
        if isinstance(node, Leaf):
            if node.value is not UNSET:
                kept[key] = node
        elif (inner := settled(node)) or not node:
            kept[key] = inner
    return kept


class _Sheets(Merger):
    """A merger that notes what clashes. Its strategies are another's: looking them up takes as long as merging."""

    def __init__(self, rules: Merger) -> None:
        vars(self).update(vars(rules))
        self.clashes: list[Clash] = []


def _tables(merger: Merger, path: list[str], lower: Tree, upper: Tree) -> Tree:
    merged = dict(lower)
    for key, node in upper.items():
        merged[key] = merger.value_strategy([*path, key], lower[key], node) if key in lower else node
    return merged


def _cover(merger: Merger, path: list[str], lower: Leaf, upper: Leaf) -> Any:
    if lower.value is not UNSET and isinstance(lower.value, dict) is not isinstance(upper.value, dict):
        return _clash(merger, path, lower, upper)  # one of the two is an empty table
    return _over(lower, upper)


def _over(lower: Leaf, upper: Leaf) -> Leaf:
    return Leaf(upper.value, upper.layer, upper.origin, lower if upper.under is None else _over(lower, upper.under))


def _clash(merger: Merger, path: list[str], lower: Any, upper: Any) -> Any:
    if isinstance(upper, dict) is not isinstance(lower, dict):
        if _is_free(lower):
            return upper
        if isinstance(upper, Leaf) and upper.value == {}:
            return lower  # an empty table adds nothing to a table
    assert isinstance(merger, _Sheets)
    merger.clashes.append(Clash(tuple(path), lower, upper))
    return lower


def _is_free(node: Any) -> bool:
    """Whether anything may take this node's place: all of it is unset, or it is an empty table."""
    if isinstance(node, Leaf):
        return node.value is UNSET or node.value == {}
    return all(leaf.value is UNSET for _, leaf in leaves(node))


def _unset(node: Any, by: Leaf) -> Any:
    if isinstance(node, Leaf):
        return Leaf(UNSET, by.layer, by.origin, node)
    return {key: _unset(inner, by) for key, inner in node.items()}


def _with(tree: Tree, path: KeyPath, node: Any) -> Tree:
    head, *rest = path
    return {**tree, head: _with(tree[head], tuple(rest), node) if rest else node}  # type: ignore[dict-item, index]


_RULES = Merger([(dict, [_tables]), (Leaf, _cover)], [_clash], [_clash])
