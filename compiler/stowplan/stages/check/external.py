"""Which engine serves a subject, and whether what it says fits that."""

import re
from collections.abc import Iterator

from stowplan.nouns.overlay import EXTERNAL, FLAG_TABLES
from stowplan.nouns.profile import HOST, is_host
from stowplan.nouns.project import Subject
from stowplan.stages.check.places import place_of
from stowplan.words.diagnostic import Diagnostic, Place, error
from stowplan.words.layered import Layer, find, leaves

_WORD = re.compile(r"[a-z][a-z0-9_]*")


def check(subject: Subject) -> Iterator[Diagnostic]:
    """The engine named must exist; `[external]` and flags each belong to one way of serving."""
    if subject.is_external:
        yield from _external(subject)
        return
    if subject.table("external"):
        message = "`[external]` has no effect: the engine is not `external`"
        origin = next(leaf for _, leaf in leaves(subject.table("external"))).origin
        place = Place(origin.file, origin.key[:1], "key")
        yield error("misplaced-key", message, place, hint='say `engine = "external"`')
    if subject.engine is None:
        yield from _no_engine(subject)


def _external(subject: Subject) -> Iterator[Diagnostic]:
    if not subject.table("external"):
        hint = 'add [external] with `backend = "ollama"` (what it is) and `model = "..."` (what it serves)'
        message = f"`{subject.name}` is external, but no [external] says where and what it is"
        chosen = subject.leaf("engine")
        yield error("missing-key", message, place_of(chosen) if chosen else Place(subject.file), hint=hint)
    for kind in FLAG_TABLES:
        for path, leaf in leaves(subject.table(kind)):
            if leaf.layer is not Layer.PROFILE:
                message = f"`{kind}.{path[0]}` has no effect: nothing of ours starts an external server"
                place = Place(leaf.origin.file, leaf.origin.key, "key")
                yield error("misplaced-key", message, place, hint="remove it, or name an engine of the profile")
    if (host := subject.leaf("external", "host")) is not None and not is_host(host.value):
        yield error("bad-value", f'`external.host` is "{host.value}"; wanted is {HOST}', place_of(host))
    if (backend := subject.leaf("external", "backend")) is not None and not _WORD.fullmatch(backend.value):
        message = f'`backend` is "{backend.value}"; wanted is one lower-case word, as "ollama"'
        yield error("bad-value", message, place_of(backend))


def _no_engine(subject: Subject) -> Iterator[Diagnostic]:
    profile = subject.profile
    written = find(profile.tree, ("engine",))
    labels = sorted(written) if isinstance(written, dict) else []
    leaf = subject.leaf("engine")
    if (leaf is None and len(labels) == 1) or (leaf is not None and leaf.value in labels):
        return  # it is there, but not whole: that is said once, of the profile
    if leaf is None:
        listed = ", ".join(f"`{label}`" for label in labels) or "none"
        message = f"`{subject.name}` names no engine, and profile `{profile.name}` has {listed}"
        hint = 'add `engine = "..."`'
        if not labels:
            hint = f'add [engine.vllm] to {profile.file}, or say `engine = "{EXTERNAL}"` here'
        yield error("engine-not-chosen", message, Place(subject.file), hint=hint)
        return
    known = ", ".join([*labels, EXTERNAL])
    message = f"profile `{profile.name}` has no engine `{leaf.value}`"
    yield error("unknown-engine", message, place_of(leaf), hint=f"known: {known}")
