"""What one run of the check remembers, so that it does not ask again what it found sound.

The same few flags and values, and models of the same kind on the same card, stand in thousands of files. Only
what is sound is remembered, by all that decides on it; a problem is found anew each time, with its own places.
"""

from typing import Any

from stowplan.engines.values import span
from stowplan.nouns.facts import Facts
from stowplan.nouns.flags import FlagTable
from stowplan.nouns.profile import Profile
from stowplan.nouns.project import Subject
from stowplan.stages.check.config import values
from stowplan.stages.check.config.view import Rule
from stowplan.words.layered import Leaf, Tree

NUMBERS = frozenset((int, float))
"""Types of values that have bounds. true is none, though it is an int to Python."""
PLAIN = NUMBERS | {str}
"""Types of values that compare as what they are; true would be taken for 1."""


class Asked:
    """What is to be asked where certain flags are set: which values, which rules, and what decides on the model."""

    __slots__ = ("_deciding", "looked_at", "rules")

    def __init__(self, names: tuple[str, ...], table: FlagTable, rules: tuple[Rule, ...], of_model: frozenset[str]):
        flags = [table.flags[name] for name in names if name in table.flags]
        known = {flag.name for flag in flags}
        self.looked_at = [(flag, flag.name, *span(flag)) for flag in flags if values.is_looked_at(flag)]
        self.rules = [rule.look for rule in rules if rule.concerns(known)]
        self._deciding = tuple([name for name in names if name in of_model])

    def key(self, flags: Tree, model: int, opened: bool) -> tuple[Any, ...] | None:
        """All that decides on a model in one room, for comparing; None if some of it cannot be compared."""
        if not self._deciding:
            return model, opened
        found: list[Any] = [model, opened]
        for name in self._deciding:
            node = flags[name]
            if not isinstance(node, Leaf) or node.value.__class__ not in PLAIN:
                return None
            found += (name, node.value)
        return tuple(found)


class Room:
    """The subjects of one engine of a profile: they share the flag table and the card."""

    __slots__ = ("_asked", "_of_model", "_rules", "kind", "models", "names", "profile", "table")

    def __init__(
        self, profile: Profile, kind: str, table: FlagTable, rules: tuple[Rule, ...], of_model: frozenset[str]
    ) -> None:
        self.profile, self.kind, self.table = profile, kind, table
        self.names: set[tuple[str, str]] = set()
        """Flags with strings in which there is nothing to find, whatever else is set."""
        self.models: set[tuple[Any, ...]] = set()
        """Models on which there is nothing to say."""
        self._rules, self._of_model = rules, of_model
        self._asked: dict[tuple[str, ...], Asked] = {}

    def asked(self, flags: Tree) -> Asked:
        """What is to be asked where just these flags are set, in this order."""
        names = tuple(flags)
        found = self._asked.get(names)
        if found is None:
            found = self._asked[names] = Asked(names, self.table, self._rules, self._of_model)
        return found


class Memory:
    """The rooms of one run, and the models it met."""

    __slots__ = ("_kinds", "_models", "_of_model", "_rooms", "_rules")

    def __init__(self, rules: dict[str, tuple[Rule, ...]], of_model: frozenset[str]) -> None:
        self._rules, self._of_model = rules, of_model
        self._rooms: dict[tuple[int, Any], Room | None] = {}
        self._models: dict[int, tuple[Facts, int]] = {}  # by id, which the facts beside it keep theirs
        self._kinds: dict[tuple[Any, ...], int] = {}

    def room(self, subject: Subject) -> Room | None:
        """Where the subject belongs; None if nothing is known of what serves it."""
        leaf, profile = subject.settings.get("engine"), subject.profile
        key = (id(profile), leaf.value if isinstance(leaf, Leaf) else None)
        if key in self._rooms:
            return self._rooms[key]
        engine = None if subject.is_external else subject.engine
        rules = None if engine is None or engine.table is None else self._rules.get(engine.table.engine)
        found = None
        if engine is not None and engine.table is not None and rules is not None:
            found = Room(profile, engine.kind, engine.table, rules, self._of_model)
        self._rooms[key] = found
        return found

    def model(self, facts: Facts | None) -> int:
        """A number that models have in common of which the same is to be said, other things being equal."""
        if facts is None:
            return -1
        met = self._models.get(id(facts))
        if met is None:
            shape, method = facts.architecture, facts.quantization
            kind = (
                *(shape.names, shape.dtype, shape.model_type, shape.mla is None, facts.weights.format),
                None if method is None else method.method,
                tuple([file.path for file in facts.files if "quant" in file.path]),
            )
            met = self._models[id(facts)] = facts, self._kinds.setdefault(kind, len(self._kinds))
        return met[1]
