"""One part of a config.json, read without trust: a value of the wrong type is odd and left out.

Where the part is silent, it answers what transformers assumes for its model type; an explicit null
is an answer, and it is "none".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from stowplan.discover import knowledge
from stowplan.discover.files import Folder
from stowplan.words.keypath import KeyPath

CONFIG = "config.json"
LONGEST_TEXT = 256
_LARGEST = 1 << 53


@dataclass(frozen=True, slots=True)
class Section:
    """A table of config.json at `path`, with the model type that decides what is assumed."""

    folder: Folder
    values: Mapping[str, Any]
    path: KeyPath = ()
    model_type: str | None = None

    def find(self, *names: str) -> tuple[str, Any, bool] | None:
        """The first of `names` that is stated and no null: its name, the value, whether only assumed."""
        assumed = knowledge.assumed(self.model_type)
        silent = True
        for name in names:
            for spelling in dict.fromkeys((assumed.get("names", {}).get(name, name), name)):
                if spelling in self.values:
                    silent = False
                    if self.values[spelling] is not None:
                        return spelling, self.values[spelling], False
        if silent:
            for name in names:
                if name in assumed.get("defaults", {}):
                    return name, assumed["defaults"][name], True
        return None

    def count(self, *names: str) -> int | None:
        """A whole number above zero; zero means none, as some configs write it."""
        found = self.find(*names)
        if found is None or (found[1] == 0 and found[1] is not False):
            return None
        if is_count(found[1]):
            return int(found[1])
        self.odd(found[0], found[1], "a whole number above zero")
        return None

    def number(self, *names: str) -> float | None:
        """A finite number above zero."""
        found = self.find(*names)
        if found is None:
            return None
        value = found[1]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < _LARGEST:
            return float(value)
        self.odd(found[0], value, "a number above zero")
        return None

    def truth(self, *names: str) -> bool | None:
        """True or false."""
        found = self.find(*names)
        if found is None or isinstance(found[1], bool):
            return None if found is None else found[1]
        self.odd(found[0], found[1], "true or false")
        return None

    def text(self, *names: str) -> str | None:
        """A short printable text."""
        found = self.find(*names)
        if found is None:
            return None
        if is_plain(found[1]):
            return str(found[1])
        self.odd(found[0], found[1], "a short text")
        return None

    def texts(self, *names: str) -> tuple[str, ...]:
        """A list of short printable texts, empty if there is none."""
        found = self.find(*names)
        if found is None:
            return ()
        if isinstance(found[1], list) and all(is_plain(text) for text in found[1]):
            return tuple(found[1])
        self.odd(found[0], found[1], "a list of short texts")
        return ()

    def section(self, *path: str) -> "Section | None":
        """The table at `path`; None where there is none."""
        here = self
        for name in path:
            value = here.values.get(name)
            if value is None:
                return None
            if not isinstance(value, dict):
                here.odd(name, value, "a table")
                return None
            known = knowledge.assumed(here.model_type).get("sections", {}).get(name)
            stated = value.get("model_type")
            model_type = stated if is_plain(stated) else known
            here = Section(here.folder, value, (*here.path, name), model_type)
        return here

    def odd(self, name: str, value: Any, expected: str) -> None:
        """Note a value that is not what was expected."""
        self.folder.odd(CONFIG, (*self.path, name), f"is {_shown(value)}; {expected} was expected")


def is_count(value: Any) -> TypeGuard[int]:
    """Whether `value` is a whole number above zero that JSON readers agree about."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LARGEST


def is_plain(value: Any) -> TypeGuard[str]:
    """Whether `value` is a text that may stand in facts: printable, short, not empty."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and value.isprintable()


def _shown(value: Any) -> str:
    match value:
        case bool() | None:
            return str(value).lower()
        case int() if abs(value) >= _LARGEST:
            return "a number beyond all measure"
        case int() | float():
            return str(value)
        case str():
            return f'"{value}"' if is_plain(value) and len(value) <= 40 else "a text"
        case list():
            return "a list"
        case _:
            return "a table"
