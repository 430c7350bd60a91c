"""The flags of a subject against what the pinned version of its engine accepts."""

import difflib
import json
from collections import defaultdict
from collections.abc import Iterator

from stowplan.engines.flags import Flag, FlagTable, flag_table, versions
from stowplan.engines.reserved import LONGEST_ARGUMENT, OTHER_ADDRESS, RESERVED
from stowplan.engines.spelling import misfit, spell
from stowplan.nouns.profile import Engine, Profile
from stowplan.nouns.project import Subject
from stowplan.words.diagnostic import Diagnostic, Label, Place, error, warning
from stowplan.words.layered import Layer, Leaf, Tree, find, leaves, plain


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Every flag of the subject but the profile's own, which `check_defaults` looks at once."""
    engine = subject.engine
    if subject.is_external or engine is None:
        return
    table = flag_table(engine.kind, engine.version.value)
    if table is not None:
        flags = subject.table(engine.kind)
        twice = _twice(flags, table)
        for name, node in flags.items():
            if name in twice:
                yield _duplicate(name, twice[name], flags, table)
            elif not _is_of_profile(node):
                yield from _flag(name, node, table, engine)


def check_defaults(profile: Profile) -> Iterator[Diagnostic]:
    """The flags under [defaults], against every engine of that kind the profile has."""
    seen: set[tuple[Place | None, str]] = set()
    for engine in profile.engines.values():
        table = flag_table(engine.kind, engine.version.value)
        flags = find(profile.tree, ("defaults", engine.kind))
        if table is None or not isinstance(flags, dict):
            continue
        twice = _twice(flags, table)
        for name, node in flags.items():
            once = [_duplicate(name, twice[name], flags, table)] if name in twice else None
            for problem in once or _flag(name, node, table, engine):
                if (problem.at, problem.message) not in seen:
                    seen.add((problem.at, problem.message))
                    yield problem


def _is_of_profile(node: Leaf | Tree) -> bool:
    if isinstance(node, Leaf):
        return node.layer is Layer.PROFILE
    return all(leaf.layer is Layer.PROFILE for _, leaf in leaves(node))


def _flag(name: str, node: Leaf | Tree, table: FlagTable, engine: Engine) -> Iterator[Diagnostic]:
    at = _place(node)
    key = Place(at.file, at.key, "key")
    canonical = _canonical(name, table)
    if canonical is not None and canonical in RESERVED:
        message = f"`{canonical}` is not set here: the compiler sets it, or refuses it"
        yield error("reserved-flag", message, key, hint=RESERVED[canonical])
        return
    flag = table.flags.get(name)
    if flag is None:
        yield _unknown(name, node, table, engine, key)
        return
    if canonical in OTHER_ADDRESS:
        message = f"with `{name}` the server answers elsewhere than consumers are told"
        hint = "the registry says http://host:port/v1; let a proxy speak TLS or add a path, or tell the consumers"
        yield warning("endpoint-differs", message, key, hint=hint)
    if flag.deprecated:
        message = f"`{name}` is deprecated in {table.engine} {table.version}"
        yield warning("deprecated-flag", message, key, hint="its release notes name what takes its place")
    value = plain(node) if isinstance(node, dict) else node.value
    if (problem := misfit(flag, value)) is not None:
        seen = "a table" if isinstance(value, dict) else _shown(value)
        message = f"`{name}` wants {problem.wants}; it is {seen}"
        yield error(problem.id, message, at, hint=problem.hint)
    elif any(len(word.encode()) > LONGEST_ARGUMENT for word in spell(flag, value)):
        message = f"`{name}` has more than the {LONGEST_ARGUMENT} bytes that Linux takes in one argument"
        yield error("bad-value", message, at, hint="put it into a file, if the flag takes one")


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


def _twice(flags: Tree, table: FlagTable) -> dict[str, str]:
    """Keys whose flag stands under another key, too (`max_model_len` → `max-model-len`): one would win unseen."""
    spelled: defaultdict[str, list[str]] = defaultdict(list)
    for name in flags:
        if (canonical := _canonical(name, table)) is not None and canonical not in RESERVED:
            spelled[canonical].append(name)
    twice: dict[str, str] = {}
    for canonical, names in spelled.items():
        kept = canonical if canonical in names else names[0]
        twice |= {name: kept for name in names if name != kept}
    return twice


def _duplicate(name: str, other: str, flags: Tree, table: FlagTable) -> Diagnostic:
    here, there = _place(flags[name]), _place(flags[other])
    label = Label(Place(there.file, there.key, "key"), "the same flag")
    hint = f"keep one, spelled `{_canonical(name, table)}`"
    message = f"`{name}` and `{other}` are one flag"
    return error("duplicate-flag", message, Place(here.file, here.key, "key"), also=[label], hint=hint)


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
        items = json.dumps(value, ensure_ascii=False)
        return f"the list {items}" if len(items) <= 60 else "a list"
    return str(value)
