"""A project in memory: what `load` returns and `merge` takes; and what `merge` returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stowplan.nouns.facts import Facts
from stowplan.nouns.flags import FlagTable
from stowplan.nouns.measured import Measured
from stowplan.nouns.overlay import EXTERNAL
from stowplan.nouns.profile import Engine, Profile
from stowplan.words.keypath import KeyPath
from stowplan.words.layered import Leaf, Tree, find


@dataclass(frozen=True, slots=True)
class Document:
    """One TOML file that passed its gate. `broken` if parts had to be left out to go on."""

    file: str
    table: dict[str, Any]
    broken: bool = False


@dataclass(frozen=True, slots=True)
class FactsDocument:
    """One discovered.json: plain values without the seal, and the same typed."""

    file: str
    content: dict[str, Any]
    facts: Facts


@dataclass(frozen=True, slots=True)
class Model:
    """What models.d/<name>/ holds. A file that could not be read at all is named in `unreadable`."""

    name: str
    facts: FactsDocument | None = None
    base: Document | None = None
    overlays: Mapping[str, Document] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Project:
    """All inputs, parsed. `broken_profiles` exist as files but could not be read.

    `tables`: engine → version → the flag table that the project brings itself. `measured`: profile → what starts on
    it were seen to take.
    """

    profiles: Mapping[str, Document]
    models: Mapping[str, Model]
    broken_profiles: frozenset[str] = frozenset()
    tables: Mapping[str, Mapping[str, FlagTable]] = field(default_factory=dict)
    measured: Mapping[str, Measured] = field(default_factory=dict)


class State(StrEnum):
    """Whether a subject goes into the build."""

    ACTIVE = "active"
    STUB = "stub"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Removal:
    """An `unset`: the path it took away, where it stands, and the leaf that went."""

    path: KeyPath
    by: Leaf
    took: Leaf


@dataclass(frozen=True, slots=True)
class Subject:
    """One (model, profile) pair, merged.

    `settings` holds everything that is configuration, `facts_tree` everything that is fact (with
    corrections laid over), each value with its origin; `facts` is the same facts, typed, and `because`
    the reason of the corrections. `draft` are the facts of the project's model that this one's launch drafts with.
    """

    model: str
    profile: Profile
    state: State
    file: str
    settings: Tree
    removed: tuple[Removal, ...] = ()
    facts: Facts | None = None
    facts_tree: Tree = field(default_factory=dict)
    because: str | None = None
    draft: Facts | None = None

    @property
    def name(self) -> str:
        """`MODEL/PROFILE`, as on the command line."""
        return f"{self.model}/{self.profile.name}"

    def leaf(self, *path: str) -> Leaf | None:
        """The setting at `path`, None if there is none (or a table)."""
        found = find(self.settings, path)
        return found if isinstance(found, Leaf) else None

    def value(self, *path: str) -> Any:
        """The setting's value at `path`, None if there is none."""
        leaf = self.leaf(*path)
        return None if leaf is None else leaf.value

    def table(self, *path: str) -> Tree:
        """The table of settings at `path`, empty if there is none."""
        found = find(self.settings, path)
        return found if isinstance(found, dict) else {}

    @property
    def is_external(self) -> bool:
        """Whether something else than a launch script of ours starts this server."""
        return bool(self.value("engine") == EXTERNAL)

    @property
    def engine(self) -> Engine | None:
        """The engine that serves it: the one named, or the profile's only one; None if neither is."""
        label = self.value("engine")
        if label is None and len(self.profile.engines) == 1:
            return next(iter(self.profile.engines.values()))
        return self.profile.engines.get(label) if isinstance(label, str) else None

    def fact(self, *path: str) -> Leaf | None:
        """The fact at `path`, None if there is none."""
        found = find(self.facts_tree, path)
        return found if isinstance(found, Leaf) else None


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything merged: profiles by name, subjects sorted by profile and model."""

    profiles: Mapping[str, Profile]
    subjects: tuple[Subject, ...]
