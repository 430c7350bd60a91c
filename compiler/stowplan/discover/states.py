"""The numbers that the size of a layer's state follows from, in the words of each family's config.json."""

from collections.abc import Mapping
from typing import Any

from stowplan.discover import knowledge
from stowplan.discover.section import Section
from stowplan.nouns.facts import LayerRun
from stowplan.nouns.state import STATE_NUMBERS, State

_KEEPING = {"linear", "mamba", "conv", "hybrid"}


def state(
    text: Section, attention: tuple[LayerRun, ...], hidden_size: int | None, head_dim: int | None
) -> State | None:
    """The state of the layers that keep one; None where there are none, or where a number of theirs is missing.

    Which words a family has is in knowledge.json: the first recipe whose `marks` are all there holds.
    """
    if not any(run.kind in _KEEPING for run in attention):
        return None
    for recipe in knowledge.table("states")["recipes"]:
        part = text.section(recipe["section"]) if isinstance(text.values.get(recipe.get("section")), dict) else text
        if part is None or ("section" in recipe and part is text):
            continue
        if all(part.find(mark) is not None for mark in recipe["marks"]):
            return _read(recipe, part, hidden_size, head_dim)
    return None


def _read(recipe: Mapping[str, Any], part: Section, hidden_size: int | None, head_dim: int | None) -> State | None:
    kind, names = recipe["kind"], recipe["numbers"]
    found = {number: part.count(*_numbers_only(part, keys)) for number, keys in names.items()}
    heads, size, expand = found.get("heads"), found.get("head_dim"), part.number(*recipe.get("expand", ()))
    if found.get("channels") is None and "channels" in STATE_NUMBERS[kind]:
        if expand is not None and hidden_size is not None:
            found["channels"] = int(expand * hidden_size)
        elif "expand" not in recipe:
            found["channels"] = heads * size if heads and size else hidden_size
    if size is None and "head_dim" in STATE_NUMBERS[kind]:
        inner = found.get("channels")
        found["head_dim"] = head_dim if inner is None else inner // heads or None if heads else None
    if any(found.get(number) is None for number in STATE_NUMBERS[kind]):
        return None
    dtype = part.text(*recipe["dtype"]) if "dtype" in recipe else None
    return State(kind=kind, dtype=dtype or recipe.get("dtype_else"), **found)


def _numbers_only(part: Section, keys: list[str]) -> list[str]:
    """`auto` stands where the class computes a number from others."""
    return [key for key in keys if part.values.get(key) != "auto"]
