"""Problems as values. A stage returns them; nothing in the compiler raises for a user's mistake.

What was seen is the `message`, where is `at`, what to do next is the `hint`. The catalogue
(`report/catalogue.py`) says what each `id` means; renderers turn diagnostics into text.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from stowplan.words.keypath import KeyPath


class Severity(StrEnum):
    """An error stops publishing; a warning does not (unless `--strict`); a note only informs."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in an input file.

    `file` is relative to the project. `key` names a value by its path; its line and column are looked
    up only when someone prints them. `part` says whether the key or its value is meant. A place known
    by position (a syntax error) has `line` and `column`, both from 1, instead of a key. What stands at
    a `hidden` one is never printed: it may be a secret, and logs are read by many.
    """

    file: str
    key: KeyPath = ()
    part: Literal["key", "value"] = "value"
    line: int | None = None
    column: int | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that belongs to a problem, and what it has to do with it."""

    at: Place
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """The only thing that can be meant: the key at `key` of `file` goes, and each of `put` is set instead.

    `put` pairs key paths with plain TOML values. With none, the key just goes; the key itself in a new
    spelling, or with a new value, keeps its place in the file and its comment.
    """

    file: str
    key: KeyPath
    put: tuple[tuple[KeyPath, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem: `id` from the catalogue, a one-line `message`, a place, related places, next step.

    `fix` is there where the next step is an edit that needs no decision. `label` says in a few words what the place
    has to do with it; `details` are lines of plain text, laid out for a fixed width, that are shown below it.
    `about` names the model and the profile it is about, where the place is that of others, too.
    """

    id: str
    severity: Severity
    message: str
    at: Place | None = None
    also: tuple[Label, ...] = ()
    hint: str | None = None
    fix: Fix | None = field(default=None, compare=False)
    label: str | None = None
    details: tuple[str, ...] = ()
    about: tuple[str, str] | None = None

    @property
    def advice(self) -> str | None:
        """The hint, and the command that does it where one can."""
        if self.fix is None:
            return self.hint
        command = "`stowplan check --fix` applies this"
        if self.hint is None:
            return command
        return f"{self.hint}{' ' if self.hint.endswith(('?', '.')) else '; '}{command}"


def error(
    id: str,  # noqa: A002
    message: str,
    at: Place | None = None,
    *,
    also: Iterable[Label] = (),
    hint: str | None = None,
    fix: Fix | None = None,
    label: str | None = None,
    details: Iterable[str] = (),
    about: tuple[str, str] | None = None,
) -> Diagnostic:
    """An error; see `Diagnostic`."""
    return Diagnostic(id, Severity.ERROR, message, at, tuple(also), hint, fix, label, tuple(details), about)


def warning(
    id: str,  # noqa: A002
    message: str,
    at: Place | None = None,
    *,
    also: Iterable[Label] = (),
    hint: str | None = None,
    fix: Fix | None = None,
    label: str | None = None,
    details: Iterable[str] = (),
    about: tuple[str, str] | None = None,
) -> Diagnostic:
    """A warning; see `Diagnostic`."""
    return Diagnostic(id, Severity.WARNING, message, at, tuple(also), hint, fix, label, tuple(details), about)


def note(id: str, message: str, at: Place | None = None, *, hint: str | None = None) -> Diagnostic:  # noqa: A002
    """A note; see `Diagnostic`."""
    return Diagnostic(id, Severity.NOTE, message, at, (), hint)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any of them is an error."""
    return any(d.severity is Severity.ERROR for d in diagnostics)
