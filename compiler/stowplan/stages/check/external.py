"""Which engine serves a subject, and whether what it says fits that."""

from collections.abc import Iterator

from stowplan.nouns.overlay import EXTERNAL, FLAG_TABLES
from stowplan.nouns.project import Subject
from stowplan.words.diagnostic import Diagnostic, Place, error
from stowplan.words.layered import Layer, Leaf, leaves


def check(subject: Subject) -> Iterator[Diagnostic]:
    """The engine named must exist; `[external]` and flags each belong to one way of serving."""
    if subject.is_external:
        yield from _external(subject)
        return
    if subject.table("external"):
        message = "`[external]` has no effect: the engine is not `external`"
        place = Place(subject.file, ("external",), "key")
        yield error("misplaced-key", message, place, hint='say `engine = "external"`')
    if subject.engine is None:
        yield _no_engine(subject)


def _external(subject: Subject) -> Iterator[Diagnostic]:
    if not subject.table("external"):
        hint = 'add [external] with `backend = "ollama"` (what it is) and `model = "..."` (what it serves)'
        message = f"`{subject.name}` is external, but no [external] says where and what it is"
        yield error("missing-key", message, Place(subject.file, ("engine",)), hint=hint)
    for kind in FLAG_TABLES:
        for path, leaf in leaves(subject.table(kind)):
            if leaf.layer is not Layer.PROFILE:
                message = f"`{kind}.{path[0]}` has no effect: nothing of ours starts an external server"
                yield error("misplaced-key", message, _place(leaf), hint="remove it, or name an engine of the profile")
    if (backend := subject.leaf("external", "backend")) is not None and not backend.value.isidentifier():
        message = f'`backend` is "{backend.value}"; wanted is one lower-case word, as "ollama"'
        yield error("bad-value", message, _place(backend))


def _no_engine(subject: Subject) -> Diagnostic:
    labels = sorted(subject.profile.engines)
    leaf = subject.leaf("engine")
    if leaf is None:
        listed = ", ".join(f"`{label}`" for label in labels) or "none"
        message = f"`{subject.name}` names no engine, and profile `{subject.profile.name}` has {listed}"
        return error("engine-not-chosen", message, Place(subject.file), hint='add `engine = "..."`')
    known = ", ".join([*labels, EXTERNAL])
    message = f"profile `{subject.profile.name}` has no engine `{leaf.value}`"
    return error("unknown-engine", message, _place(leaf), hint=f"known: {known}")


def _place(leaf: Leaf) -> Place:
    return Place(leaf.origin.file, leaf.origin.key)
