"""Where every value of a subject comes from: layer, file and line, what it covered, the arguments it became."""

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stowplan.fit import remembered
from stowplan.nouns.entry import Entry
from stowplan.nouns.launch import Token
from stowplan.nouns.project import Removal
from stowplan.read.explanation import Explained, Explanation, Source
from stowplan.words.keypath import KeyPath, format_keypath, parse_keypath
from stowplan.words.layered import UNSET, Layer, Leaf, Origin, find, leaves

Where = Callable[[Origin], str]
"""A place as text, with its line where it has one."""

LAYERS: Mapping[Layer, str] = {
    Layer.DISCOVERED: "fact",
    Layer.CORRECTED: "corrected",
    Layer.ENGINE: "engine's default",
    Layer.PROFILE: "profile",
    Layer.BASE: "base.toml",
    Layer.OVERLAY: "overlay",
}


def explain(entry: Entry, where: Where) -> Explanation:
    """Everything of an entry: each argument, each variable, each other value, what was unset, what was corrected."""
    subject = entry.subject
    started = entry.launch
    engine = subject.engine
    flags = () if engine is None else (engine.kind,)
    shown: dict[KeyPath, Explained] = {
        path: _value(path, leaf, where) for path, leaf in leaves(subject.settings) if path[0] not in (*flags, "env")
    }
    for name, origins in entry.origins.items():
        if (name,) not in shown and origins:
            shown[(name,)] = _resolved(name, entry, where)
    return Explanation(
        subject=subject.name,
        name=entry.name,
        arguments=tuple(_option(option, where) for option in _options(entry)),
        environment=tuple(
            Explained(f"{variable.name}={variable.value}", _chains(variable.origins, where))
            for variable in (() if started is None else started.env)
        ),
        values=tuple(item for _, item in sorted(shown.items(), key=lambda item: str(item[0]))),
        removed=tuple(_removed(removal, where) for removal in subject.removed),
        corrected=tuple(
            _value(path, leaf, where) for path, leaf in leaves(subject.facts_tree) if leaf.layer is Layer.CORRECTED
        ),
        because=subject.because,
        memory=remembered.of(subject),
    )


def explain_key(entry: Entry, key: str, where: Where) -> Explanation:
    """One key of an entry: a setting's path, a flag's bare name, or a fact's path, with what was corrected about it.

    Raises ValueError if it is no path.
    """
    subject = entry.subject
    path: KeyPath = parse_keypath(key.removeprefix("--"))
    kind = subject.engine.kind if subject.engine is not None else None
    paths = [path] if kind is None else [path, (kind, *path)]
    below = _below(entry, paths)
    made = entry.origins.get(str(path[0]), ()) if not below and len(path) == 1 else ()
    mine = {id(leaf) for leaf in (*made, *(leaf for _, leaf in below))}
    became = [
        option
        for option in _options(entry)
        if (kind, _flag(option)) in (path, paths[-1]) or any(id(leaf) in mine for t in option for leaf in t.origins)
    ]
    values = [_value(here, leaf, where) for here, leaf in below if leaf.layer is not Layer.CORRECTED]
    values += [_resolved(str(path[0]), entry, where)] if made else []
    removed = [] if below else [removal for removal in subject.removed if removal.path in paths]
    corrections = [(here, leaf) for here, leaf in below if leaf.layer is Layer.CORRECTED]
    return Explanation(
        subject.name,
        entry.name,
        arguments=tuple(_option(option, where) for option in became),
        values=tuple(values),
        removed=tuple(_removed(removal, where) for removal in removed),
        corrected=tuple(_value(here, leaf, where) for here, leaf in corrections),
        because=subject.because if corrections else None,
        said=None if became or values or removed or corrections else _unsaid(path, kind, entry),
    )


def _below(entry: Entry, paths: Iterable[KeyPath]) -> list[tuple[KeyPath, Leaf]]:
    """The first that there is of these settings and facts: itself, or every leaf of the table."""
    for tree in (entry.subject.settings, entry.subject.facts_tree):
        for path in paths:
            node = find(tree, path)
            if node is not None:
                return [(path, node)] if isinstance(node, Leaf) else [((*path, *at), leaf) for at, leaf in leaves(node)]
    return []


def _unsaid(path: KeyPath, kind: str | None, entry: Entry) -> str:
    name = format_keypath(path)
    engine = entry.subject.engine
    table = None if engine is None else engine.table
    flag = None if table is None or len(path) > 2 else table.flags.get(str(path[-1]))
    if flag is None or (len(path) == 2 and path[0] != kind) or table is None:
        return f"`{name}` is set by no layer and is no fact of this model"
    engine_version = f"{table.engine} {table.version}"
    if flag.default is None:
        return f"`{flag.name}` is set by no layer; {engine_version} decides by itself when it starts"
    return f"`{flag.name}` is set by no layer; the default of {engine_version} holds: {_says(flag.default)}"


def _options(entry: Entry) -> tuple[tuple[Token, ...], ...]:
    """The command line, flag by flag."""
    if entry.launch is None:
        return ()
    return (*((token,) for token in entry.launch.command), *entry.launch.address, *entry.launch.options)


def _flag(option: tuple[Token, ...]) -> str:
    """The bare name of an option's flag."""
    return option[0].text.partition("=")[0].removeprefix("--")


def _option(option: tuple[Token, ...], where: Where) -> Explained:
    origins = dict.fromkeys(origin_id for token in option for origin_id in map(id, token.origins))
    by_id = {id(leaf): leaf for token in option for leaf in token.origins}
    return Explained(shlex.join(token.text for token in option), _chains((by_id[i] for i in origins), where))


def _value(path: KeyPath, leaf: Leaf, where: Where) -> Explained:
    return Explained(f"{format_keypath(path)} = {_says(leaf.value)}", _chains((leaf,), where))


def _resolved(name: str, entry: Entry, where: Where) -> Explained:
    """A value that is made from others: the port from the profile's range, a path from a root and what lies below."""
    value = {
        "name": entry.name,
        "display-name": entry.display_name,
        "served-name": entry.served_name,
        "host": entry.host,
        "port": entry.port,
        "model-path": entry.model_path,
    }[name]
    return Explained(f"{name} = {_says(value)}", _chains(entry.origins[name], where))


def _chains(origins: Iterable[Leaf], where: Where) -> tuple[tuple[Source, ...], ...]:
    return tuple(tuple(_source(leaf, where) for leaf in top.chain()) for top in origins)


def _removed(removal: Removal, where: Where) -> Explained:
    by, took = removal.by, removal.took
    first = Source("unset", LAYERS[by.layer], where(by.origin), format_keypath(by.origin.key))
    return Explained(format_keypath(removal.path), ((first, *(_source(leaf, where) for leaf in took.chain())),))


def _source(leaf: Leaf, where: Where) -> Source:
    key = format_keypath(leaf.origin.key) or "its name"
    return Source(_says(leaf.value), LAYERS[leaf.layer], where(leaf.origin), key)


def _says(value: Any) -> str:
    return "unset" if value is UNSET else json.dumps(value, ensure_ascii=False)
