"""Heads that are not the model's in some of its layers: of a kind of layers, or of single ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stowplan.discover import knowledge
from stowplan.discover.files import Folder
from stowplan.discover.section import Section


@dataclass(frozen=True, slots=True)
class Heads:
    """Heads of keys and values, and their sizes; None where nothing is said."""

    kv_heads: int | None = None
    head_dim: int | None = None
    value_dim: int | None = None

    def beside(self, usual: "Heads") -> "Heads":
        """What of it is not as usual."""
        value = self.value_dim or (self.head_dim if self.head_dim and usual.value_dim else None)
        return Heads(
            None if self.kv_heads == usual.kv_heads else self.kv_heads,
            None if self.head_dim == usual.head_dim else self.head_dim,
            None if value == (usual.value_dim or self.head_dim or usual.head_dim) else value,
        )


NO_OWN = Heads()


def own_heads(text: Section, kinds: list[str], heads: int | None, usual: Heads) -> list[Heads]:
    """What each of the layers has of its own where that is not as usual."""
    by_kind = {kind: found.beside(usual) for kind, found in _by_kind(text).items()}
    own = [by_kind.get(kind, NO_OWN) for kind in kinds]
    for index, found in _one_by_one(text, heads).items():
        if 0 <= index < len(own):
            own[index] = found.beside(usual)
    return own


def _by_kind(text: Section) -> dict[str, Heads]:
    found = {}
    words = knowledge.table("layer_kinds")["words"]
    for row in knowledge.table("layer_heads")["kinds"]:
        part = text
        if "section" in row:
            if not isinstance(text.values.get(row["section"]), dict):
                continue
            part = Section(text.folder, text.values[row["section"]], (*text.path, row["section"]))
        kind = row["kind"] if "kind" in row else words.get(part.text(row["kind_from"]))
        own = Heads(*(part.count(row[number]) if number in row else None for number in _NUMBERS))
        if "kv_heads_if" in row and text.truth(row["kv_heads_if"]) is False:
            own = Heads(None, own.head_dim, own.value_dim)
        if own != NO_OWN and kind is not None:
            found[kind] = own
    return found


_NUMBERS = ("kv_heads", "head_dim", "value_dim")


def _one_by_one(text: Section, heads: int | None) -> dict[int, Heads]:
    table = knowledge.table("layer_heads")
    found = {}
    listed = text.values.get(table["overrides"])
    for index, values in listed.items() if isinstance(listed, dict) else ():
        if isinstance(values, dict) and isinstance(index, str) and index.isdecimal() and len(index) < 5:
            part = Section(text.folder, values, (*text.path, table["overrides"], index))
            names = knowledge.table("names")
            found[int(index)] = Heads(part.count(*names["kv_heads"]), part.count(*names["head_dim"]))
    for index, block in enumerate(blocks(text.folder, text.values)):
        shared = block.count("n_heads_in_group")
        if shared is not None and heads is not None:
            found[index] = Heads(heads // shared or None)
    return {index: own for index, own in found.items() if own != NO_OWN}


def blocks(folder: Folder, values: Mapping[str, Any]) -> list[Section]:
    """The attention of each block, where config.json lists blocks that a search made (Nemotron-NAS)."""
    listed = values.get("block_configs")
    if not isinstance(listed, list):
        return []
    parts = (block.get("attention") if isinstance(block, dict) else None for block in listed)
    return [Section(folder, part if isinstance(part, dict) else {}, ("block_configs",)) for part in parts]
