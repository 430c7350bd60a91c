"""Diagnostics as SARIF 2.1.0 (OASIS), which code scanning and editors read.

Our severities are its levels. Its rules are the catalogue's, those that are broken here.
"""

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from stowplan.report.catalogue import Rule, rules
from stowplan.report.locate import Locator, Spot
from stowplan.report.located import Located, located
from stowplan.words.diagnostic import Diagnostic
from stowplan.words.version import STOWPLAN

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render(diagnostics: Iterable[Diagnostic], locator: Locator) -> str:
    """One log of one run, in ASCII and indented, with a line break at its end."""
    found = located(diagnostics, locator)
    broken = {item.problem.id for item in found}
    driver = {
        "name": "stowplan",
        "version": STOWPLAN,
        "rules": [_rule(rule) for rule in rules() if rule.id in broken],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(item) for item in found],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {"id": rule.id, "shortDescription": {"text": rule.title}, "fullDescription": {"text": rule.text}}


def _result(item: Located) -> dict[str, Any]:
    problem = item.problem
    lines = [problem.message, *problem.details]
    if problem.advice is not None:
        lines.append(f"help: {problem.advice}")
    return {
        "ruleId": problem.id,
        "level": problem.severity,
        "message": {"text": "\n".join(lines)},
        "locations": [] if item.at is None else [_labelled(item.at, problem.label)],
        "relatedLocations": [
            {"id": number, **_location(spot), "message": {"text": label.text}}
            for number, (label, spot) in enumerate(zip(problem.also, item.also, strict=True), start=1)
        ],
    }


def _labelled(spot: Spot, label: str | None) -> dict[str, Any]:
    return _location(spot) if label is None else {**_location(spot), "message": {"text": label}}


def _location(spot: Spot) -> dict[str, Any]:
    # surrogatepass: the name of a file may be no UTF-8
    uri = quote(spot.file, safe="/", errors="surrogatepass")
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"}}
    if spot.line is not None:
        physical["region"] = {
            "startLine": spot.line,
            "startColumn": spot.column,
            "endLine": spot.end_line,
            "endColumn": spot.end_column,
        }
    return {"physicalLocation": physical}
