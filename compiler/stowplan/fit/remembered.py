"""Estimates that were made already: a compile asks twice, and models of one kind stand in thousands of folders.

The law: an estimate follows from the facts' numbers, the flags, the variables, the card, the engine and what was
measured of its starts alone, so all of these, by value, are the key; what cannot be compared by value is asked anew.
Nothing but time depends on this.
"""

from dataclasses import fields
from typing import Any

from stowplan.fit.estimate import Estimate
from stowplan.fit.subject import question
from stowplan.nouns.facts import Facts, Weights
from stowplan.nouns.project import Subject
from stowplan.words.layered import Leaf, Tree

LIMIT = 1 << 14
"""Estimates, and models, that are kept at most; then all are forgotten."""
_PLAIN = frozenset((bool, int, float, str))
_ASIDE = frozenset(
    (
        *("source", "location", "weights", "capabilities", "templates", "tokenizer", "generation"),
        *("family", "license", "files", "headers_sha256"),
    )
)
"""Facts that no estimate looks at, and the weights, which are looked at by themselves."""


class Memory:
    """What one process remembers."""

    __slots__ = ("_found", "_kinds", "_models")

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], Estimate | None] = {}
        self._models: dict[int, tuple[Facts, int]] = {}  # by id, which the facts beside it keep theirs
        self._kinds: dict[tuple[Any, ...], int] = {}

    def of(self, subject: Subject) -> Estimate | None:
        """As `subject.of`."""
        engine, facts = subject.engine, subject.facts
        if engine is None or facts is None or subject.is_external:
            return None
        flags: Tree = subject.table(engine.kind)
        env = subject.settings.get("env")
        key = (
            self._kind(facts),
            None if subject.draft is None else self._kind(subject.draft),
            engine.kind,
            engine.version.value,
            subject.profile.gpu,
            (engine.label, subject.profile.measured.get(subject.model)),
            tuple([_said(name, node) for name, node in flags.items()]),
            tuple([_said(name, node) for name, node in env.items()]) if isinstance(env, dict) else None,
        )
        if key in self._found:
            return self._found[key]
        if len(self._found) >= LIMIT:
            self._found.clear()
        asked = question(subject)
        answer = self._found[key] = None if asked is None else asked.answer()
        return answer

    def _kind(self, facts: Facts) -> int:
        """A number that models have in common whose numbers are the same."""
        met = self._models.get(id(facts))
        if met is not None:
            return met[1]
        if len(self._models) >= LIMIT:
            self._models.clear()
            self._kinds.clear()
            self._found.clear()
        numbers = (_numbers(facts, _ASIDE), _numbers(facts.weights, _ASIDE))
        kind = self._kinds.setdefault(numbers, len(self._kinds))
        self._models[id(facts)] = facts, kind
        return kind


def _numbers(of: Facts | Weights, aside: frozenset[str]) -> tuple[Any, ...]:
    """All there is to a model but what is put aside, for comparing."""
    values = [getattr(of, field.name) for field in fields(of) if field.name not in aside]
    return tuple([tuple(value.items()) if isinstance(value, dict) else value for value in values])


def _said(name: str, node: Leaf | Tree) -> tuple[Any, ...]:
    """A setting, for comparing: by type, too, since true would be taken for 1."""
    if isinstance(node, Leaf):
        value = node.value
        return (name, value.__class__, value) if value.__class__ in _PLAIN else (name, repr(value))
    return name, tuple([_said(key, inner) for key, inner in node.items()])


of = Memory().of
"""What this process remembers."""
