"""Diagnostics as programs read them: JSON, GitHub's workflow commands, SARIF."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unhurried import unhurried

from stowplan import report
from stowplan.words.diagnostic import Diagnostic, Label, Place, error, note, warning

OVERLAY, BASE = "models.d/m/p.toml", "models.d/m/base.toml"
SOURCES = {
    OVERLAY: "port = 24999\n[vllm]\nchat = '''\n東\n'''\n".encode(),
    BASE: b"[vllm]\nenforce-eager = true\n",
}
PROBLEMS = [
    note("weights-absent", "gone"),
    warning("stub-unedited", "a stub", Place(OVERLAY)),
    error("bad-value", "`chat` is wrong", Place(OVERLAY, ("vllm", "chat")), hint="mend it"),
    error("type-clash", "two", Place(OVERLAY, ("port",), "key"), also=[Label(Place(BASE, ("vllm",)), "a table")]),
    error("weights-truncated", "short", Place("weights:Org/a b/c.safetensors")),
]


def rendered(form: str, problems: list[Diagnostic] = PROBLEMS) -> str:
    return report.render(form, problems, SOURCES)


@pytest.mark.parametrize("form", report.FORMATS)
def test_every_format_ends_its_last_line_and_names_every_problem(form: str) -> None:
    text = rendered(form)
    assert text.endswith("\n")
    assert all(problem.id in text and problem.message in text for problem in PROBLEMS)


def test_a_format_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="xml"):
        rendered("xml")


@pytest.mark.parametrize("form", ["json", "github", "sarif"])
def test_only_text_is_coloured(form: str) -> None:
    assert report.render(form, PROBLEMS, SOURCES, coloured=True) == rendered(form)
    assert report.render("text", PROBLEMS, SOURCES, coloured=True) != rendered("text")


class TestJson:
    def test_everything_known_is_there(self) -> None:
        document = json.loads(rendered("json"))
        assert {key: value for key, value in document.items() if key != "diagnostics"} == {
            "errors": 3,
            "warnings": 1,
            "notes": 1,
        }
        stub, clash, value, _, absent = document["diagnostics"]
        assert value == {
            "id": "bad-value",
            "severity": "error",
            "message": "`chat` is wrong",
            "file": OVERLAY,
            "line": 3,
            "column": 8,
            "end_line": 5,
            "end_column": 4,
            "key": "vllm.chat",
            "label": None,
            "details": [],
            "hint": "mend it",
            "fixable": False,
            "also": [],
        }
        assert clash["also"] == [
            {
                "text": "a table",
                "file": BASE,
                "line": 1,
                "column": 1,
                "end_line": 1,
                "end_column": 7,
                "key": "vllm",
            }
        ]
        assert (stub["file"], stub["line"], stub["key"]) == (OVERLAY, None, None)
        assert absent.keys() == value.keys()
        assert absent["file"] is None

    def test_no_problems(self) -> None:
        assert json.loads(rendered("json", [])) == {"diagnostics": [], "errors": 0, "warnings": 0, "notes": 0}

    @unhurried
    @given(st.text(), st.text())
    def test_any_text_comes_back(self, text: str, file: str) -> None:
        (found,) = json.loads(rendered("json", [error("a", text, Place(file), hint=text)]))["diagnostics"]
        assert (found["message"], found["hint"], found["file"]) == (text, text, file)


def unescaped(text: str) -> str:
    """What the runner makes of it (actions/runner, src/Runner.Common/ActionCommand.cs)."""
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


class TestGithub:
    def test_commands(self) -> None:
        assert rendered("github").splitlines() == [
            "::warning file=models.d/m/p.toml,title=stub-unedited::a stub",
            "::error file=models.d/m/p.toml,line=1,col=1,title=type-clash::two%0Amodels.d/m/base.toml:1:1: a table",
            "::error file=models.d/m/p.toml,line=3,col=8,title=bad-value::`chat` is wrong%0Ahelp: mend it",
            "::error file=weights%3AOrg/a b/c.safetensors,title=weights-truncated::short",
            "::notice title=weights-absent::gone",
        ]

    def test_escapes(self) -> None:
        text = rendered("github", [error("a", "100%\r\n::error::x%0A, y: z", Place("a,b:c%.toml"))])
        assert text == ("::error file=a%2Cb%3Ac%25.toml,title=a::100%25<U+000D><U+000A>::error::x%250A, y: z\n")

    @unhurried
    @given(st.text(), st.text())
    def test_a_problem_is_one_command_whatever_it_says(self, message: str, file: str) -> None:
        text = rendered("github", [error("a", message, Place(file), hint=message)])
        (line,) = text.splitlines()
        head, _, told = line.removeprefix("::error ").partition("::")
        assert [part.partition("=")[0] for part in head.split(",")] == ["file", "title"]
        if message.isprintable() and file.isprintable():
            assert unescaped(told) == f"{message}\nhelp: {message}"
            assert unescaped(head.split(",")[0]) == f"file={file}"


def closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


def listed(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "uniqueItems": True}


MESSAGE = closed({"text": {"type": "string"}}, "text")
POSITION = {"type": "integer", "minimum": 1}
REGION = closed(dict.fromkeys(("startLine", "startColumn", "endLine", "endColumn"), POSITION), "startLine")
ARTIFACT = closed({"uri": {"type": "string", "format": "uri-reference"}, "uriBaseId": {"type": "string"}}, "uri")
PHYSICAL = closed({"artifactLocation": ARTIFACT, "region": REGION}, "artifactLocation")
LOCATION = {"id": {"type": "integer", "minimum": 0}, "physicalLocation": PHYSICAL, "message": MESSAGE}
RULE = {"id": {"type": "string"}, "shortDescription": MESSAGE, "fullDescription": MESSAGE}
RESULT = {
    "ruleId": {"type": "string"},
    "level": {"enum": ["none", "note", "warning", "error"]},
    "message": MESSAGE,
    "locations": listed(closed(LOCATION, "physicalLocation")),
    "relatedLocations": listed(closed(LOCATION, "physicalLocation", "message")),
}
DRIVER = {"name": {"type": "string"}, "version": {"type": "string"}, "rules": listed(closed(RULE, "id"))}
RUN = {
    "tool": closed({"driver": closed(DRIVER, "name")}, "driver"),
    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    "results": listed(closed(RESULT, "message")),
}
SARIF = closed(
    {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": closed(RUN, "tool")},
    },
    "version",
    "runs",
)
"""The part of the SARIF 2.1.0 schema that we use; nothing that it does not name may appear."""


class TestSarif:
    def test_it_has_the_form_of_sarif(self) -> None:
        jsonschema.validate(json.loads(rendered("sarif")), SARIF)
        jsonschema.validate(json.loads(rendered("sarif", [])), SARIF)

    def test_results(self) -> None:
        (run,) = json.loads(rendered("sarif"))["runs"]
        stub, clash, value, short, absent = run["results"]
        assert [result["level"] for result in run["results"]] == ["warning", "error", "error", "error", "note"]
        assert value["message"]["text"] == "`chat` is wrong\nhelp: mend it"
        assert value["locations"][0]["physicalLocation"] == {
            "artifactLocation": {"uri": OVERLAY, "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": 3, "startColumn": 8, "endLine": 5, "endColumn": 4},
        }
        assert clash["relatedLocations"][0]["message"] == {"text": "a table"}
        assert "region" not in stub["locations"][0]["physicalLocation"]
        assert absent["locations"] == []
        uri = short["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri == "weights%3AOrg/a%20b/c.safetensors"

    def test_rules_are_those_that_are_broken(self) -> None:
        (run,) = json.loads(rendered("sarif"))["runs"]
        rules = run["tool"]["driver"]["rules"]
        assert [rule["id"] for rule in rules] == sorted({result["ruleId"] for result in run["results"]})
        assert all(rule["fullDescription"]["text"] for rule in rules)

    @unhurried
    @given(st.text(st.characters()), st.text(st.characters()))
    def test_any_text_goes_in(self, text: str, file: str) -> None:
        jsonschema.validate(json.loads(rendered("sarif", [error("a", text, Place(file))])), SARIF)


def test_every_form_has_label_and_details() -> None:
    problem = error("does-not-fit", "too much", Place(OVERLAY, ("port",)), label="12.0 GiB", details=("a  ##", "b  #"))
    (found,) = json.loads(rendered("json", [problem]))["diagnostics"]
    assert (found["label"], found["details"]) == ("12.0 GiB", ["a  ##", "b  #"])
    assert rendered("github", [problem]).endswith("::too much%0Ahere: 12.0 GiB%0Aa  ##%0Ab  #\n")
    (result,) = json.loads(rendered("sarif", [problem]))["runs"][0]["results"]
    assert result["message"]["text"] == "too much\na  ##\nb  #"
    assert result["locations"][0]["message"]["text"] == "12.0 GiB"
