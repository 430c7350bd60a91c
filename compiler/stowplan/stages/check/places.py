"""Where what was merged had been written."""

from typing import Literal

from stowplan.words.diagnostic import Place
from stowplan.words.keypath import KeyPath
from stowplan.words.layered import Layer, Leaf, Tree, leaves


def place_of(node: Leaf | Tree, inside: KeyPath = (), part: Literal["key", "value"] = "value") -> Place:
    """Where a value, or what lies at `inside` it, was written; of a flag's table, where its topmost leaf's key is."""
    for depth, key in enumerate(inside):
        if isinstance(node, Leaf):
            return Place(node.origin.file, (*node.origin.key, *inside[depth:]), part)
        if not isinstance(key, str) or key not in node:
            break
        node = node[key]
    if isinstance(node, Leaf):
        return Place(node.origin.file, node.origin.key, part)
    leaf = max((leaf for _, leaf in leaves(node)), key=lambda leaf: leaf.layer)
    above = 3 if leaf.layer is Layer.PROFILE else 2
    return Place(leaf.origin.file, leaf.origin.key[: above + len(inside)], part)


def is_of_profile(node: Leaf | Tree) -> bool:
    """Whether a flag's whole value comes from the profile's [defaults]."""
    if isinstance(node, Leaf):
        return node.layer is Layer.PROFILE
    return all(leaf.layer is Layer.PROFILE for _, leaf in leaves(node))
