"""Each flag's value by itself: bounds, names, and the fields of what becomes a configuration object."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from stowplan.engines.nested import Mismatch, mismatches
from stowplan.engines.successors import successor
from stowplan.engines.values import Refused, has_limits, refused
from stowplan.nouns.flags import Flag, FlagTable
from stowplan.stages.check import heirs
from stowplan.stages.check.config.knowledge import holds, known
from stowplan.stages.check.config.view import View
from stowplan.stages.check.heirs import became
from stowplan.stages.check.places import place_of
from stowplan.words.diagnostic import Diagnostic, Fix, Severity, error, warning
from stowplan.words.keypath import format_keypath
from stowplan.words.layered import Leaf, Tree, plain
from stowplan.words.shown import shown


def is_looked_at(flag: Flag) -> bool:
    """Whether there is anything to find in this flag's values."""
    return flag.object is not None or has_limits(flag)


@dataclass(frozen=True, slots=True)
class Found:
    """A problem of a value. Whether it is one may depend on the subject: on a plugin that brings the name that is
    `seen`, or on whether anybody looks at the flag at all."""

    problem: Diagnostic
    seen: Any = None
    depends: bool = False
    needs_opening: bool = False


def look(flag: Flag, node: Leaf | Tree, table: FlagTable) -> Iterator[Found]:
    """What is wrong with a flag's value: bounds, names, and fields of an object."""
    value, groups = _plain(node), known(table.engine, "groups")
    may_be_idle = flag.group in groups.get("with_flag", {}) or flag.group in groups.get("multimodal", ())
    for refusal in refused(flag, value, table):
        opening = refusal.needs_opening
        yield Found(_refused(flag, node, refusal), refusal.seen, may_be_idle or opening, opening)
    if flag.object is not None:
        dashed = _since(table, "dashed_objects", flag.object)
        for mismatch in mismatches(value, flag.object, table, dashed=dashed):
            opening = mismatch.needs_opening
            yield Found(_mismatch(flag, node, mismatch, table), depends=opening, needs_opening=opening)


def in_context(view: View, flag: Flag, found: Found) -> Diagnostic | None:
    """What is to be said of it with all else that is set; None if the name may be brought along."""
    others = view.known("other_names").get(flag.names or "", ())
    if found.needs_opening and (found.seen in others or is_opened(view, flag)):
        return None
    why = _idle(view, flag) if found.depends else None
    if why is None:
        return found.problem
    return replace(found.problem, severity=Severity.WARNING, message=f"{found.problem.message} ({why})")


def _idle(view: View, flag: Flag) -> str | None:
    """Why nobody looks at the flag here, if so."""
    groups = view.known("groups")
    other = view.known("looked_up_with").get(flag.name) or groups.get("with_flag", {}).get(flag.group)
    if other is not None and not view.is_on(other):
        return f"without `{other}` nobody looks"
    shape, facts = view.architecture, view.facts
    if flag.group in groups.get("multimodal", ()) and facts is not None and shape.vision is None is shape.audio:
        return "for a model that takes text alone nobody looks"
    return None


def is_opened(view: View, flag: Flag | None = None) -> bool:
    """Whether a plugin may have brought names that no table knows."""
    if flag is not None and flag.opened_by is not None and view.is_on(flag.opened_by):
        return True
    variable = view.known("plugins").get("variable")
    return variable is not None and bool(view.variable(variable))


def _plain(node: Leaf | Tree) -> Any:
    return node.value if isinstance(node, Leaf) else plain(node)


def _refused(flag: Flag, node: Leaf | Tree, problem: Refused) -> Diagnostic:
    message = f"`{flag.name}` wants {problem.wants}; it is {shown(problem.seen)}"
    at = place_of(node, problem.path)
    fix = None if problem.instead is None or problem.path else Fix(at.file, at.key, ((at.key, problem.instead),))
    return error(problem.id, message, at, hint=problem.hint, fix=fix)


def _mismatch(flag: Flag, node: Leaf | Tree, problem: Mismatch, table: FlagTable) -> Diagnostic:
    where = format_keypath((flag.name, *problem.path))
    if problem.id != "unknown-field":
        message = f"`{where}` wants {problem.wants}; it is {problem.seen}"
        idle = f"{flag.object}.{problem.path[-1]}" in known(table.engine, "idle_fields").get("fields", ())
        graded = warning if idle and problem.id == "bad-choice" else error
        return graded(problem.id, message, place_of(node, problem.path), hint=problem.hint)
    at = place_of(node, problem.path, "key")
    above = value = _plain(node)
    for part in problem.path:
        above, value = value, value[part]
    graded = error if _since(table, "closed_objects", problem.wants) else warning
    if (heir := successor(table.engine, where, table.version)) is not None:
        return graded(
            "unknown-field", became(where, heir, table), at, hint=heir.why, fix=heirs.fix(heir, value, at, table)
        )
    message = f"`{where}` is no field of {table.engine} {table.version}'s {problem.wants}"
    if graded is warning:
        message += ", which ignores it"
    fix = None
    if problem.instead is not None and problem.instead not in above:  # the same value under the field's right name
        fix = Fix(at.file, at.key, (((*at.key[:-1], problem.instead), value),))
    return graded("unknown-field", message, at, hint=problem.hint, fix=fix)


def _since(table: FlagTable, name: str, held: str) -> bool:
    """Whether what the table `name` says of an object holds in this version."""
    since = known(table.engine, name).get("since", {})
    first = since.get(held, since.get("*"))
    return first is not None and holds(table.version, since=first)
