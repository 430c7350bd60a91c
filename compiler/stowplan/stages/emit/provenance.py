"""provenance.json: where every value and every token of a command line comes from.

For each entry one line. A leaf is written `{layer, file, key, value}`, or with `unset` in place of the
value where an `unset` took it away; a chain is a leaf and what it covers, the topmost first. `key` is
a TOML key path; lines are looked up in the files when someone prints them.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from stowplan.nouns.artifact import Artifact
from stowplan.nouns.entry import Entry
from stowplan.nouns.launch import Launch
from stowplan.nouns.profile import Profile
from stowplan.nouns.project import Removal
from stowplan.stages.emit.layout import json_array, json_line
from stowplan.words.keypath import format_keypath
from stowplan.words.layered import UNSET, Layer, Leaf, leaves


def artifacts(profile: Profile, entries: tuple[Entry, ...]) -> Iterator[Artifact]:  # noqa: ARG001
    """One file: an array of entries, sorted by name."""
    ordered = sorted(entries, key=lambda entry: entry.name)
    yield Artifact("provenance.json", json_array(json_line(_row(entry), first="name") for entry in ordered))


def _row(entry: Entry) -> dict[str, Any]:
    """`argv` and `env` are there where there is a launch; `corrected` are facts a person overrode."""
    subject = entry.subject
    row: dict[str, Any] = {
        "name": entry.name,
        "model": subject.model,
        "values": {name: _chains(origins) for name, origins in entry.origins.items()},
        "settings": {format_keypath(path): _chain(leaf) for path, leaf in leaves(subject.settings)},
        "removed": [_removal(removal) for removal in subject.removed],
        "corrected": {
            format_keypath(path): _chain(leaf)
            for path, leaf in leaves(subject.facts_tree)
            if leaf.layer is Layer.CORRECTED
        },
    }
    if subject.because is not None:
        row["because"] = subject.because
    return row if entry.launch is None else row | _started(entry.launch)


def _started(launch: Launch) -> dict[str, Any]:
    """Tokens that stand side by side and come from the same leaves are listed together."""
    tokens = groupby(launch.tokens, key=lambda token: token.origins)
    return {
        "argv": [
            {"tokens": [token.text for token in together], "from": _chains(origins)} for origins, together in tokens
        ],
        "env": [
            {"name": variable.name, "value": variable.value, "from": _chains(variable.origins)}
            for variable in launch.env
        ],
    }


def _removal(removal: Removal) -> dict[str, Any]:
    return {"path": format_keypath(removal.path), "by": _leaf(removal.by), "took": _chain(removal.took)}


def _chains(origins: Iterable[Leaf]) -> list[list[dict[str, Any]]]:
    return [_chain(leaf) for leaf in origins]


def _chain(leaf: Leaf) -> list[dict[str, Any]]:
    return [_leaf(covered) for covered in leaf.chain()]


def _leaf(leaf: Leaf) -> dict[str, Any]:
    """A leaf alone. An origin without a key is a whole file or folder."""
    place = {"layer": leaf.layer.name.lower(), "file": leaf.origin.file}
    if leaf.origin.key:
        place["key"] = format_keypath(leaf.origin.key)
    return place | ({"unset": True} if leaf.value is UNSET else {"value": leaf.value})
