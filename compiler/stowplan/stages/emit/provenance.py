"""provenance.json: where every value and every token of a command line comes from.

For each entry one line. A leaf is written `{layer, file, key, value}`, or with `unset` in place of the
value where an `unset` took it away; a chain is a leaf and what it covers, the topmost first. `key` is
a TOML key path; lines are looked up in the files when someone prints them.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from stowplan.nouns.artifact import Artifact
from stowplan.nouns.entry import Entry
from stowplan.nouns.launch import Argument, EnvVar
from stowplan.nouns.piece import Piece
from stowplan.nouns.project import Removal
from stowplan.stages.emit.layout import json_array, json_line, json_object
from stowplan.words.digest import canonical_text, quoted
from stowplan.words.keypath import KeyPath, format_keypath
from stowplan.words.layered import UNSET, Layer, Leaf, leaves

_LAYERS = tuple(quoted(layer.name.lower()) for layer in Layer)


def line(entry: Entry) -> bytes:
    """What provenance.json says of `entry`.

    `argv` and `env` are there where there is a launch; `corrected` are facts a person overrode.
    """
    subject, launch, chains = entry.subject, entry.launch, _Chains()
    members = {
        "model": quoted(subject.model),
        "settings": chains.by_path(leaves(subject.settings)),
        "values": json_object([(name, chains.of(origins)) for name, origins in entry.origins.items()]),
        "removed": _list([_removal(removal, chains) for removal in subject.removed]),
        "corrected": "{}",
    }
    if subject.because is not None:  # no correction without one: check saw to it
        members["because"] = quoted(subject.because)
        corrected = [(path, leaf) for path, leaf in leaves(subject.facts_tree) if leaf.layer is Layer.CORRECTED]
        members["corrected"] = chains.by_path(corrected)
    if launch is not None:
        members["argv"] = _list([_argument(argument, chains) for argument in launch.arguments])
        members["env"] = _list([_variable(variable, chains) for variable in launch.env])
    return json_line(entry.name, json_object(members.items()))


def artifacts(pieces: Sequence[Piece]) -> Iterator[Artifact]:
    """One file: an array of entries, in the order of `pieces`."""
    yield Artifact("provenance.json", json_array([piece.provenance for piece in pieces]))


class _Chains(dict[int, str]):
    """The chains of one entry as JSON by the id of their top, each made once: a setting may stand in the command
    line, too, and it is the entry that keeps the leaves."""

    def of(self, origins: tuple[Leaf, ...]) -> str:
        """A list of chains."""
        if len(origins) == 1:
            return f"[{self.get(id(origins[0])) or self._add(origins[0])}]"
        return f"[{','.join([self.get(id(leaf)) or self._add(leaf) for leaf in origins])}]"

    def by_path(self, found: Iterable[tuple[KeyPath, Leaf]]) -> str:
        """An object of chains."""
        return json_object([(format_keypath(path), self.get(id(leaf)) or self._add(leaf)) for path, leaf in found])

    def _add(self, leaf: Leaf) -> str:
        under = "" if leaf.under is None else "".join([f",{_leaf(covered)}" for covered in leaf.under.chain()])
        made = self[id(leaf)] = f"[{_leaf(leaf)}{under}]"
        return made


def _argument(argument: Argument, chains: _Chains) -> str:
    return f'{{"from":{chains.of(argument.origins)},"tokens":[{",".join(map(quoted, argument.texts))}]}}'


def _variable(variable: EnvVar, chains: _Chains) -> str:
    origins, name, value = chains.of(variable.origins), quoted(variable.name), quoted(variable.value)
    return f'{{"from":{origins},"name":{name},"value":{value}}}'


def _removal(removal: Removal, chains: _Chains) -> str:
    path = quoted(format_keypath(removal.path))
    took = chains.of((removal.took,))[1:-1]
    return f'{{"by":{_leaf(removal.by)},"path":{path},"took":{took}}}'


def _leaf(leaf: Leaf) -> str:
    """A leaf alone. An origin without a key is a whole file or folder."""
    origin, value = leaf.origin, leaf.value
    if value is UNSET:
        said = '"unset":true'
    else:
        said = f'"value":{quoted(value) if type(value) is str else canonical_text(value)}'
    return f'{{"file":{quoted(origin.file)},{_key(origin.key)}"layer":{_LAYERS[leaf.layer]},{said}}}'


@lru_cache(maxsize=1 << 12)
def _key(path: KeyPath) -> str:
    return f'"key":{quoted(format_keypath(path))},' if path else ""


def _list(items: Iterable[str]) -> str:
    return f"[{','.join(items)}]"
