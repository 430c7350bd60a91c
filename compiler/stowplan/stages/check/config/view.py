"""What a rule sees of a subject: its flags by name, whatever layer they are from, and where each was written."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from stowplan.nouns.facts import Architecture, Facts
from stowplan.nouns.flags import FlagTable
from stowplan.nouns.project import Subject
from stowplan.stages.check.config.knowledge import known
from stowplan.stages.check.places import place_of
from stowplan.words.diagnostic import Diagnostic, Label, Place
from stowplan.words.layered import Leaf, Tree, find, plain

NOTHING = Architecture()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, and the flags that must be set for it to be asked: all of `all_of`, one of `any_of` if there are any."""

    look: "Callable[[View], Iterator[Diagnostic]]"
    all_of: frozenset[str]
    any_of: frozenset[str]

    def concerns(self, flags: Set[str]) -> bool:
        """Whether it is to be asked where these flags are set."""
        return self.all_of <= flags and (not self.any_of or not self.any_of.isdisjoint(flags))


def rule(look: "Callable[[View], Iterator[Diagnostic]]", *all_of: str, any_of: Iterable[str] = ()) -> Rule:
    """A rule that is asked when all of these flags are set, and one of those."""
    return Rule(look, frozenset(all_of), frozenset(any_of))


class View(NamedTuple):
    """One subject with the flag table its engine is checked against."""

    subject: Subject
    table: FlagTable
    flags: Tree

    @property
    def architecture(self) -> Architecture:
        """The model's numbers; all of them None where nothing is known of the model."""
        facts = self.subject.facts
        return NOTHING if facts is None else facts.architecture

    @property
    def facts(self) -> Facts | None:
        """What is known of the model, unless the settings override its config: then nothing is."""
        return None if "hf-overrides" in self.flags else self.subject.facts

    @property
    def version(self) -> str:
        """The engine and the version whose table is gone by, as messages name it."""
        return f"{self.table.engine} {self.table.version}"

    @property
    def capability(self) -> int | None:
        """The card's compute capability as tables write it (8.9 is 89); None if the profile does not say."""
        gpu = self.subject.profile.gpu
        return None if gpu is None or gpu.capability is None else gpu.capability[0] * 10 + gpu.capability[1]

    def known(self, name: str) -> Mapping[str, Any]:
        """One table of what is known of this engine."""
        return known(self.table.engine, name)

    def value(self, name: str, *inside: str) -> Any:
        """The plain value of a flag, or of a key inside it, as it was written; None if it is not set."""
        found = self.flags.get(name) if not inside else find(self.flags, (name, *inside))
        return found.value if isinstance(found, Leaf) else None if found is None else plain(found)

    def whole(self, name: str) -> int | None:
        """The flag's value if it is set to an integer."""
        node = self.flags.get(name)
        return node.value if isinstance(node, Leaf) and node.value.__class__ is int else None

    def size(self, name: str) -> int:
        """The flag's value, else its default; 1 if neither is an integer, as of a flag that this version has not."""
        if name in self.flags:
            return 1 if (found := self.whole(name)) is None else found
        flag = self.table.flags.get(name)
        return flag.default if flag is not None and flag.default.__class__ is int else 1

    def text(self, name: str) -> str | None:
        """The flag's value if it is set to a string."""
        node = self.flags.get(name)
        return node.value if isinstance(node, Leaf) and isinstance(node.value, str) else None

    def is_on(self, name: str) -> bool:
        """Whether the flag is set to anything but false and nothing; unset, whether it is on by default."""
        if name in self.flags:
            value = self.value(name)
            return value is not None and value is not False and value != ""
        flag = self.table.flags.get(name)
        return flag is not None and flag.default is True

    def variable(self, name: str) -> str | None:
        """An environment variable that the settings give the engine."""
        value = self.subject.value("env", name)
        return value if isinstance(value, str) else None

    def at(self, name: str, *inside: str | int, part: Literal["key", "value"] = "value") -> Place:
        """Where a flag, or something inside its value, was written."""
        return place_of(self.flags[name], inside, part)

    def label(self, name: str, *inside: str | int, text: str = "set here") -> Label:
        """A second place: that flag, or something inside its value."""
        return Label(self.at(name, *inside), text)

    def fact(self, *path: str) -> Place | None:
        """Where a fact was read or corrected; None if there is none."""
        leaf = self.subject.fact(*path)
        return None if leaf is None else place_of(leaf)

    def card(self, *path: str, text: str) -> list[Label]:
        """What the profile says of its card under [gpu], as a second place; none if it does not."""
        leaf = self.subject.profile.leaf("gpu", *path)
        return [] if leaf is None else [Label(place_of(leaf), text)]


def said(capability: int) -> str:
    """89 → `8.9`, as a profile writes a compute capability."""
    return f"{capability // 10}.{capability % 10}"
