"""Plain values as TOML writes them on one line, keeping of an old text whatever still holds."""

from collections.abc import Mapping
from typing import Any

import tomlkit
from tomlkit.items import Array, InlineTable, Item

from stowplan.words.keypath import format_key


def written(value: Any) -> str:
    """`value` on one line: `{ image = 3, video = 0 }`, `["a", "b"]`, `4096`."""
    if isinstance(value, Mapping):
        return _braced([f"{format_key(key)} = {written(inner)}" for key, inner in value.items()])
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    text: str = tomlkit.item(value).as_string()
    return text


def rewritten(item: Item, value: Any) -> str:
    """The text of `item` after it has become `value`: what is the same in both is spelled as it was.

    Keys come in the order of `value`; a list keeps its line breaks and comments where one item of it changed
    or went, and is written anew otherwise.
    """
    old = item.unwrap()
    if same(old, value):
        return item.as_string()
    if isinstance(item, InlineTable) and isinstance(value, Mapping):
        return _table(item, value)
    if isinstance(item, Array) and isinstance(value, list):
        return _list(item, value)
    return written(value)


def same(one: Any, other: Any) -> bool:
    """Equal in value and type, all the way down; not-a-number equals itself."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other or (one != one and other != other))


def _table(item: InlineTable, value: Mapping[str, Any]) -> str:
    entries = {key.key: (key, inner) for key, inner in item.value.body if key is not None}
    parts = []
    for name, inner in value.items():
        key, old = entries.get(name, (None, None))
        if key is None or old is None or key.is_dotted():  # `a.b = 1` within braces is rare enough to be unfolded
            parts.append(f"{format_key(name)} = {written(inner)}")
        else:
            parts.append(f"{key.as_string()}{key.sep}{rewritten(old, inner)}")
    is_tight = item.as_string()[1:2] not in ("", " ", "}")
    return "{" + ", ".join(parts) + "}" if is_tight and parts else _braced(parts)


def _list(item: Array, value: list[Any]) -> str:
    old = item.unwrap()
    if len(old) == len(value):
        for index, (before, after) in enumerate(zip(old, value, strict=True)):
            if not same(before, after):
                item[index] = tomlkit.value(rewritten(item[index], after))
        return item.as_string()
    for index in range(len(old)):
        if same([*old[:index], *old[index + 1 :]], value):
            del item[index]
            return item.as_string()
    return written(value)


def _braced(parts: list[str]) -> str:
    return f"{{ {', '.join(parts)} }}" if parts else "{}"
