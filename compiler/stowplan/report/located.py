"""Diagnostics with their places found, in the order in which they are told."""

from collections.abc import Iterable
from dataclasses import dataclass

from stowplan.report.locate import Locator, Spot
from stowplan.words.diagnostic import Diagnostic


@dataclass(frozen=True, slots=True)
class Located:
    """A diagnostic, its place if it has one, and the related places in its own order."""

    problem: Diagnostic
    at: Spot | None
    also: tuple[Spot, ...]


def located(diagnostics: Iterable[Diagnostic], locator: Locator) -> list[Located]:
    """By file, line and column; those without a place last; equal ones in the order given."""
    found = [
        Located(
            problem,
            None if problem.at is None else locator.locate(problem.at),
            tuple(locator.locate(label.at) for label in problem.also),
        )
        for problem in diagnostics
    ]
    return sorted(found, key=_order)


def _order(item: Located) -> tuple[bool, str, int, int]:
    at = item.at
    return (True, "", 0, 0) if at is None else (False, at.file, at.line or 0, at.column or 0)
