"""Diagnostics as workflow commands: GitHub Actions shows them at their lines of a pull request.

The form and its escapes are those of the runner's own library (actions/toolkit, packages/core/src/command.ts):
in a message `%`, CR and LF are written as percent codes, in a property `:` and `,` too.
"""

from collections.abc import Iterable
from typing import Any

from stowplan.report.locate import Locator
from stowplan.report.located import Located, located
from stowplan.report.visible import visible
from stowplan.words.diagnostic import Diagnostic, Severity

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render(diagnostics: Iterable[Diagnostic], locator: Locator) -> str:
    """One command a line; details, related places and the hint follow the message as lines of their own in it."""
    return "".join(_command(item) + "\n" for item in located(diagnostics, locator))


def _command(item: Located) -> str:
    problem, at = item.problem, item.at
    properties: dict[str, Any] = {}
    if at is not None:
        properties["file"] = at.file
        if at.line is not None:
            properties |= {"line": at.line, "col": at.column}
    properties["title"] = problem.id
    listed = ",".join(f"{name}={_property(visible(str(value)))}" for name, value in properties.items())
    lines = [problem.message] if problem.label is None else [problem.message, f"here: {problem.label}"]
    lines += problem.details
    lines += [f"{spot}: {label.text}" for label, spot in zip(problem.also, item.also, strict=True)]
    if problem.advice is not None:
        lines.append(f"help: {problem.advice}")
    message = _message("\n".join(map(visible, lines)))
    return f"::{_COMMANDS[problem.severity]} {listed}::{message}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
