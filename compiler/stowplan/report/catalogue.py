"""What each diagnostic means: the words are in catalogue.toml, one table for each id."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Rule:
    """A diagnostic's `id`, what it says in one line, and a paragraph: why it matters and what to do."""

    id: str
    title: str
    text: str


def rules() -> Iterator[Rule]:
    """Every rule, sorted by id."""
    document = tomllib.loads(files("stowplan.report").joinpath("catalogue.toml").read_text("utf-8"))
    for id, entry in sorted(document.items()):  # noqa: A001
        yield Rule(id, entry["title"], " ".join(entry["text"].split()))
