"""The flags of a subject against what the pinned version of its engine accepts."""

import difflib
from collections import defaultdict
from collections.abc import Iterator

from stowplan.engines.flags import Flag, FlagTable, flag_table, versions
from stowplan.engines.spelling import misfit
from stowplan.nouns.profile import Engine, Profile
from stowplan.nouns.project import Subject
from stowplan.words.diagnostic import Diagnostic, Label, Place, error, warning
from stowplan.words.layered import Layer, Leaf, Tree, find, leaves, plain

RESERVED = {
    "host": "the profile's [serving] says where servers listen: `bind`",
    "port": "say `port = ...` at the top of the file, above the tables",
    "served-model-name": "say `served-name = ...` at the top of the file",
    "model": "the model is the folder that discovered.json names",
    "api-key": 'a key must not get into a build: list "VLLM_API_KEY" under `pass-env` of the profile\'s [serving]',
    "config": "a second file of flags would go unchecked; write its flags here",
}
"""Flags that the compiler sets itself or refuses, and where what they say belongs."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Every flag of the subject but the profile's own, which `check_defaults` looks at once."""
    engine = subject.engine
    if subject.is_external or engine is None:
        return
    table = flag_table(engine.kind, engine.version.value)
    if table is not None:
        flags = subject.table(engine.kind)
        yield from _duplicates(flags, table)
        for name, node in flags.items():
            if not _is_of_profile(node):
                yield from _flag(name, node, table, engine)


def check_defaults(profile: Profile) -> Iterator[Diagnostic]:
    """The flags under [defaults], against every engine of that kind the profile has."""
    seen: set[tuple[Place | None, str]] = set()
    for engine in profile.engines.values():
        table = flag_table(engine.kind, engine.version.value)
        flags = find(profile.tree, ("defaults", engine.kind))
        if table is None or not isinstance(flags, dict):
            continue
        for name, node in flags.items():
            for problem in _flag(name, node, table, engine):
                if (problem.at, problem.message) not in seen:
                    seen.add((problem.at, problem.message))
                    yield problem
        yield from _duplicates(flags, table)


def _is_of_profile(node: Leaf | Tree) -> bool:
    if isinstance(node, Leaf):
        return node.layer is Layer.PROFILE
    return all(leaf.layer is Layer.PROFILE for _, leaf in leaves(node))


def _flag(name: str, node: Leaf | Tree, table: FlagTable, engine: Engine) -> Iterator[Diagnostic]:
    at = _place(node)
    key = Place(at.file, at.key, "key")
    canonical = _canonical(name, table)
    if canonical in RESERVED:
        message = f"`{canonical}` is not set here: the compiler sets it, or refuses it"
        yield error("reserved-flag", message, key, hint=RESERVED[canonical])
        return
    flag = table.flags.get(name)
    if flag is None:
        yield _unknown(name, node, table, engine, key)
        return
    if flag.deprecated:
        yield warning("deprecated-flag", f"`{name}` is deprecated in {table.engine} {table.version}", key)
    value = plain(node) if isinstance(node, dict) else node.value
    if (problem := misfit(flag, value)) is not None:
        seen = "a table" if isinstance(value, dict) else _shown(value)
        message = f"`{name}` wants {problem.wants}; it is {seen}"
        yield error(problem.id, message, at, hint=problem.hint)


def _unknown(name: str, node: Leaf | Tree, table: FlagTable, engine: Engine, at: Place) -> Diagnostic:
    message = f"`{name}` is not a flag of `{table.engine} serve` {table.version}"
    return error("unknown-flag", message, at, hint=_advice(name, node, table, engine))


def _advice(name: str, node: Leaf | Tree, table: FlagTable, engine: Engine) -> str:
    canonical = _canonical(name, table)
    if canonical is not None:
        flag = table.flags[canonical]
        if _turns_off(name, flag) and isinstance(node, Leaf) and isinstance(node.value, bool):
            return f"one name for each flag: write `{canonical} = {str(not node.value).lower()}`"
        return f"one name for each flag: write `{canonical}`"
    close = difflib.get_close_matches(_dashed(name), table.flags, n=1, cutoff=0.75)
    others = [v for v in versions(engine.kind) if v != table.version and _has(engine.kind, v, name)]
    if others:
        text = f"{table.engine} {', '.join(others)} {'has' if len(others) == 1 else 'have'} it, {table.version} has not"
        return text + (f"; did you mean `{close[0]}`?" if close else "")
    if close:
        return f"did you mean `{close[0]}`?"
    return f"`{engine.executable.value} serve --help=all` lists what it takes"


def _has(kind: str, version: str, name: str) -> bool:
    other = flag_table(kind, version)
    return other is not None and name in other.flags


def _duplicates(flags: Tree, table: FlagTable) -> Iterator[Diagnostic]:
    """Two keys that mean one flag (`max-model-len` and `max_model_len`): the last would win unseen."""
    spelled: defaultdict[str, list[str]] = defaultdict(list)
    for name in flags:
        if (canonical := _canonical(name, table)) is not None:
            spelled[canonical].append(name)
    for canonical, names in spelled.items():
        if len(names) > 1:
            first, second = (_place(flags[name]) for name in names[:2])
            message = f"`{names[0]}` and `{names[1]}` are one flag"
            label = Label(Place(first.file, first.key, "key"), "and here")
            place = Place(second.file, second.key, "key")
            yield error("duplicate-flag", message, place, also=[label], hint=f"keep one, spelled `{canonical}`")


def _canonical(name: str, table: FlagTable) -> str | None:
    """The flag that `name` means in some spelling: itself, with underscores, an alias, its negation."""
    dashed = _dashed(name)
    if dashed in table.flags:
        return dashed
    return table.spellings.get(dashed)


def _dashed(name: str) -> str:
    return name.lstrip("-").replace("_", "-")


def _turns_off(name: str, flag: Flag) -> bool:
    return flag.off is not None and flag.off.lstrip("-") == _dashed(name)


def _place(node: Leaf | Tree) -> Place:
    """Where a flag was written; for a table, where its topmost leaf's flag key stands."""
    if isinstance(node, Leaf):
        return Place(node.origin.file, node.origin.key)
    leaf = max((leaf for _, leaf in leaves(node)), key=lambda leaf: leaf.layer)
    depth = 3 if leaf.layer is Layer.PROFILE else 2
    return Place(leaf.origin.file, leaf.origin.key[:depth])


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'the string "{value if len(value) <= 60 else value[:57] + "..."}"'
    if isinstance(value, list):
        return "a list"
    return str(value)
