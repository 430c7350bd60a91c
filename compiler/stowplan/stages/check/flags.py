"""The flags of a subject against what the parser of the pinned engine version accepts."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from stowplan.engines.history import goes_in
from stowplan.engines.reserved import LONGEST_ARGUMENT, OTHER_ADDRESS, RESERVED
from stowplan.engines.spelling import misfit, spell
from stowplan.engines.successors import successor
from stowplan.nouns.flags import FlagTable
from stowplan.nouns.profile import Profile
from stowplan.nouns.project import Subject
from stowplan.stages.check.places import is_of_profile, place_of
from stowplan.stages.check.unknown import unknown
from stowplan.words.diagnostic import Diagnostic, Fix, Label, Place, error, warning
from stowplan.words.layered import Leaf, Tree, find, plain
from stowplan.words.shown import shown

_SCALARS = frozenset((bool, int, float, str))


def checker() -> Callable[[Subject], Iterator[Diagnostic]]:
    """The check of a subject's flags, all but the profile's own, which `check_defaults` looks at once.

    What it found sound it does not look at again: the same few flags and values stand in thousands of files.
    """
    sound: dict[int, tuple[frozenset[str], set[tuple[str, type, Any]]]] = {}  # by table, which its profile keeps

    def check(subject: Subject) -> Iterator[Diagnostic]:
        engine = subject.engine
        if engine is None or (table := engine.table) is None:
            return
        flags = subject.settings.get(engine.kind)
        if not isinstance(flags, dict):
            return
        if id(table) not in sound:
            sound[id(table)] = (frozenset(table.flags), set())
        names, known = sound[id(table)]
        twice = {} if flags.keys() <= names else _twice(flags, table)  # keys differ, and each is its own flag
        for name, node in flags.items():
            memo = None
            if node.__class__ is Leaf and (kind := node.value.__class__) in _SCALARS:
                memo = (name, kind, node.value)
                if memo in known and not twice:
                    continue
            if name in twice:
                yield _duplicate(name, twice[name], flags, table)
            elif not is_of_profile(node):
                found = list(_flag(name, node, table))
                yield from found
                if memo is not None and not found:
                    known.add(memo)

    return check


def check_defaults(profile: Profile) -> Iterator[Diagnostic]:
    """The flags under [defaults], against every engine of that kind the profile has."""
    seen: set[tuple[Place | None, str]] = set()
    for engine in profile.engines.values():
        table = engine.table
        flags = find(profile.tree, ("defaults", engine.kind))
        if table is None or not isinstance(flags, dict):
            continue
        twice = _twice(flags, table)
        for name, node in flags.items():
            once = [_duplicate(name, twice[name], flags, table)] if name in twice else None
            for problem in once or _flag(name, node, table):
                if (problem.at, problem.message) not in seen:
                    seen.add((problem.at, problem.message))
                    yield problem


def _flag(name: str, node: Leaf | Tree, table: FlagTable) -> Iterator[Diagnostic]:
    at = place_of(node)
    key = Place(at.file, at.key, "key")
    canonical = table.canonical(name)
    if canonical is not None and canonical in RESERVED:
        message = f"`{canonical}` is not set here: the compiler sets it, or refuses it"
        yield error("reserved-flag", message, key, hint=RESERVED[canonical])
        return
    value = plain(node) if isinstance(node, dict) else node.value
    flag = table.flags.get(name)
    if flag is None:
        yield unknown(name, value, table, key)
        return
    if canonical in OTHER_ADDRESS:
        message = f"with `{name}` the server answers elsewhere than consumers are told"
        hint = "the registry says http://host:port/v1; let a proxy speak TLS or add a path, or tell the consumers"
        yield warning("endpoint-differs", message, key, hint=hint)
    if flag.deprecated:
        message = f"`{name}` is deprecated in {table.engine} {table.version}"
        yield warning("deprecated-flag", message, key, hint=_fate(name, table))
    if (problem := misfit(flag, value)) is not None:
        message = f"`{name}` wants {problem.wants}; it is {shown(value)}"
        fix = None if problem.instead is None else Fix(at.file, at.key, ((at.key, problem.instead),))
        yield error(problem.id, message, at, hint=problem.hint, fix=fix)
    elif any(len(word.encode()) > LONGEST_ARGUMENT for word in spell(flag, value)):
        message = f"`{name}` has more than the {LONGEST_ARGUMENT} bytes that Linux takes in one argument"
        yield error("bad-value", message, at, hint="put it into a file, if the flag takes one")


def _fate(name: str, table: FlagTable) -> str:
    """What becomes of a deprecated flag, where a later version shows it."""
    gone = goes_in(table.engine, name, table.version)
    heir = None if gone is None else successor(table.engine, name, gone)
    if gone is None:
        return "its release notes name what takes its place"
    if heir is None or heir.to is None:
        return f"it is gone in {gone}" + ("" if heir is None else f": {heir.why}")
    return f"in {gone} it is `{heir.to}`: {heir.why}"


def _twice(flags: Tree, table: FlagTable) -> dict[str, str]:
    """Keys whose flag stands under another key, too (`max_model_len` → `max-model-len`): one would win unseen."""
    spelled: defaultdict[str, list[str]] = defaultdict(list)
    for name in flags:
        if (canonical := table.canonical(name)) is not None and canonical not in RESERVED:
            spelled[canonical].append(name)
    twice: dict[str, str] = {}
    for canonical, names in spelled.items():
        kept = canonical if canonical in names else names[0]
        twice |= {name: kept for name in names if name != kept}
    return twice


def _duplicate(name: str, other: str, flags: Tree, table: FlagTable) -> Diagnostic:
    here, there = place_of(flags[name]), place_of(flags[other])
    label = Label(Place(there.file, there.key, "key"), "the same flag")
    hint = f"keep one, spelled `{table.canonical(name)}`"
    message = f"`{name}` and `{other}` are one flag"
    return error("duplicate-flag", message, Place(here.file, here.key, "key"), also=[label], hint=hint)
