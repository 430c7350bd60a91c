"""Edits on plain tables, which say what an edit of a text has to come to. Nothing given is altered."""

from collections.abc import Mapping
from typing import Any

from stowplan.words.keypath import KeyPath

MISSING = object()
"""What stands where nothing does."""


def at(values: Any, path: KeyPath) -> Any:
    """What stands at `path`, MISSING if nothing does."""
    for part in path:
        if isinstance(values, list):
            if not isinstance(part, int) or not 0 <= part < len(values):
                return MISSING
        elif not isinstance(values, Mapping) or part not in values:
            return MISSING
        values = values[part]
    return values


def put(values: Any, path: KeyPath, value: Any) -> Any:
    """`values` with `value` at `path`, and the tables this takes."""
    if not path:
        return value
    first, rest = path[0], path[1:]
    if isinstance(values, list):
        return [put(item, rest, value) if index == first else item for index, item in enumerate(values)]
    return {**values, first: put(values.get(first, {}), rest, value)}


def without(values: Any, path: KeyPath) -> Any:
    """`values` without what is at `path`."""
    first, rest = path[0], path[1:]
    if isinstance(values, list):
        changed = [without(item, rest) if rest and index == first else item for index, item in enumerate(values)]
        return changed if rest else [item for index, item in enumerate(values) if index != first]
    if not rest:
        return {key: item for key, item in values.items() if key != first}
    return {key: without(item, rest) if key == first else item for key, item in values.items()}


def renamed(values: Any, path: KeyPath, name: str | int, value: Any) -> Any:
    """`values` with the key at `path` called `name` and set to `value`, in its place."""
    first, rest = path[0], path[1:]
    if isinstance(values, list):
        return [
            (renamed(item, rest, name, value) if rest else value) if index == first else item
            for index, item in enumerate(values)
        ]
    if rest:
        return {key: renamed(item, rest, name, value) if key == first else item for key, item in values.items()}
    return {(name if key == first else key): (value if key == first else item) for key, item in values.items()}
