"""Diagnostics for programs, as one JSON object.

    {"diagnostics": [{"id", "severity", "message", "file", "line", "column", "end_line", "end_column",
                      "key", "label", "details": ["..."], "hint", "fixable",
                      "also": [{"text", "file", "line", ...}]}],
     "errors": n, "warnings": n, "notes": n}

Every field is always there; null where nothing is known. Lines and columns count from 1, columns in
characters; `end_column` is the first one after the place. `key` is a TOML dotted key, `[2]` for a list
position. `label` says what the place has to do with it; `details` are lines of plain text, laid out for a fixed
width. `fixable`: whether `stowplan check --fix` mends it.
"""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from stowplan.report.locate import Locator, Spot
from stowplan.report.located import Located, located
from stowplan.words.diagnostic import Diagnostic, Place, Severity
from stowplan.words.keypath import format_keypath


def render(diagnostics: Iterable[Diagnostic], locator: Locator) -> str:
    """The object, in ASCII and indented, with a line break at its end."""
    found = located(diagnostics, locator)
    count = Counter(item.problem.severity for item in found)
    document = {"diagnostics": [_diagnostic(item) for item in found], **{f"{s}s": count[s] for s in Severity}}
    return json.dumps(document, indent=2) + "\n"


def _diagnostic(item: Located) -> dict[str, Any]:
    problem = item.problem
    return {
        "id": problem.id,
        "severity": problem.severity,
        "message": problem.message,
        **_place(problem.at, item.at),
        "label": problem.label,
        "details": list(problem.details),
        "hint": problem.hint,
        "fixable": problem.fix is not None,
        "also": [
            {"text": label.text, **_place(label.at, spot)} for label, spot in zip(problem.also, item.also, strict=True)
        ],
    }


def _place(place: Place | None, spot: Spot | None) -> dict[str, Any]:
    return {
        "file": None if spot is None else spot.file,
        "line": None if spot is None else spot.line,
        "column": None if spot is None else spot.column,
        "end_line": None if spot is None else spot.end_line,
        "end_column": None if spot is None else spot.end_column,
        "key": format_keypath(place.key) if place is not None and place.key else None,
    }
