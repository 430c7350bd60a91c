"""Documents laid over each other, one by one, each with its `unset` first."""

from dataclasses import dataclass

from stowplan.nouns.overlay import ONLY_IN_BASE
from stowplan.nouns.project import Document, Removal
from stowplan.stages.merge.ledger import Ledger
from stowplan.stages.merge.sheets import Clash, lay, take_away
from stowplan.words.diagnostic import Diagnostic, Label, Place, error
from stowplan.words.keypath import format_keypath, parse_keypath
from stowplan.words.layered import UNSET, Layer, Leaf, Origin, Tree, find, leaves, tree_of

NOT_SETTINGS = frozenset({"unset", "correct", "status"})
"""Keys of an overlay that say something about layers, and are no values in them."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What has been laid so far, and what was taken away on the way."""

    tree: Tree
    removed: tuple[Removal, ...] = ()

    def lay(self, document: Document, layer: Layer, ledger: Ledger) -> "Stack":
        """This stack with `document` (its `unset` first) on top."""
        table = {key: value for key, value in document.table.items() if key not in NOT_SETTINGS}
        sheet = tree_of(table, layer, document.file)
        tree, removed = self.tree, list(self.removed)
        for index, text in enumerate(document.table.get("unset", ())):
            by = Leaf(text, layer, Origin(document.file, ("unset", index)))
            path = _unset_path(text, sheet, by, ledger)
            if path is None:
                continue
            tree, taken = take_away(tree, path, by)
            removed += [Removal(where, by, leaf) for where, leaf in taken]
            ledger.unset(Place(document.file, by.origin.key), text, bool(taken))
        tree, clashes = lay(tree, sheet)
        for clash in clashes:
            ledger.add(_clash(clash))
        return Stack(tree, tuple(removed))


def _unset_path(text: str, sheet: Tree, by: Leaf, ledger: Ledger) -> tuple[str, ...] | None:
    place = Place(by.origin.file, by.origin.key)
    try:
        path = parse_keypath(text)
    except ValueError as problem:
        hint = 'write a path as TOML does: "vllm.enforce-eager", "env.\\"A.B\\""'
        ledger.add(error("bad-unset", f"`{text}` is no key path: {problem}", place, hint=hint))
        return None
    if path[0] in NOT_SETTINGS or path[0] in ONLY_IN_BASE:
        ledger.add(error("bad-unset", f"`{path[0]}` cannot be unset", place, hint="only settings can; remove the line"))
        return None
    here = next((path[:n] for n in range(len(path), 0, -1) if find(sheet, path[:n]) is not None), ())
    if here == path or (here and isinstance(find(sheet, here), Leaf)):
        label = Label(Place(by.origin.file, here, "key"), "set here")
        message = f"`{text}` is set and unset in one file"
        ledger.add(error("set-and-unset", message, place, also=[label], hint="keep one of the two"))
        return None
    return path


def _clash(clash: Clash) -> Diagnostic:
    path = format_keypath(clash.path)
    lower, upper = place_of(clash.lower), place_of(clash.upper)
    kinds = ("a table", "a value") if is_table(clash.lower) else ("a value", "a table")
    return error(
        "type-clash",
        f"`{path}` is {kinds[1]} here and {kinds[0]} in the layer below",
        upper,
        also=[Label(lower, f"{kinds[0]} here")],
        hint=f"make them alike, or put `unset = ['{path}']` at the top of the upper file",
    )


def is_table(node: Leaf | Tree) -> bool:
    """Whether this was written as a table, an empty one included."""
    return isinstance(node, dict) or isinstance(node.value, dict)


def place_of(node: Leaf | Tree) -> Place:
    """Where a value or a table was written; a table's place is above that of its first leaf."""
    written = [((), node)] if isinstance(node, Leaf) else leaves(node)
    inside, leaf = next((path, leaf) for path, leaf in written if leaf.value is not UNSET)
    key = leaf.origin.key
    return Place(leaf.origin.file, key[: len(key) - len(inside)], "key")
