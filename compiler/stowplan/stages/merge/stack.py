"""Documents laid over each other, one by one, each with its `unset` first."""

from dataclasses import dataclass

from stowplan.nouns.overlay import ONLY_IN_BASE
from stowplan.nouns.project import Document, Removal
from stowplan.stages.merge.ledger import Ledger
from stowplan.stages.merge.sheets import Clash, lay, settled, take_away
from stowplan.words.diagnostic import Diagnostic, Label, Place, error
from stowplan.words.keypath import format_keypath, parse_keypath
from stowplan.words.layered import UNSET, Layer, Leaf, Origin, Tree, find, leaves, tree_of

NOT_SETTINGS = frozenset({"unset", "correct", "status"})
"""Keys of an overlay that say something about layers, and are no values in them."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a document sets and unsets, as one layer."""

    tree: Tree
    unsets: tuple[Leaf, ...]


def sheet_of(document: Document, layer: Layer) -> Sheet:
    """`document` as a sheet that may be laid on any number of stacks."""
    table = {key: value for key, value in document.table.items() if key not in NOT_SETTINGS}
    unsets = enumerate(document.table.get("unset", ()))
    return Sheet(
        tree_of(table, layer, document.file),
        tuple([Leaf(text, layer, Origin(document.file, ("unset", index))) for index, text in unsets]),
    )


@dataclass(frozen=True, slots=True)
class Stack:
    """What has been laid so far, and what was taken away on the way."""

    tree: Tree
    removed: tuple[Removal, ...] = ()

    def lay(self, sheet: Sheet, ledger: Ledger) -> "Stack":
        """This stack with `sheet` (what it unsets first) on top."""
        tree, removed = self.tree, self.removed
        for by in sheet.unsets:
            path = _unset_path(by, sheet.tree, ledger)
            if path is None:
                continue
            tree, taken = take_away(tree, path, by)
            removed += tuple([Removal(where, by, leaf) for where, leaf in taken])
            ledger.unset(Place(*by.origin), by.value, bool(taken))
        tree, clashes = lay(tree, sheet.tree)
        for clash in clashes:
            ledger.add(_clash(clash))
        return Stack(tree, removed)

    def settled(self) -> Tree:
        """The tree without what is unset in it."""
        return settled(self.tree) if self.removed else self.tree


def _unset_path(by: Leaf, sheet: Tree, ledger: Ledger) -> tuple[str, ...] | None:
    text, place = by.value, Place(*by.origin)
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
