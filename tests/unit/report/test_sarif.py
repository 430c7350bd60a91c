"""SARIF against the standard's own schema, and what code scanning needs beyond it."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unhurried import unhurried

from command import stowplan
from sources import sources
from stowplan import report
from stowplan.words.diagnostic import Diagnostic, Label, Place, error, note, warning

SCHEMA = Path(__file__).parents[2] / "schemas/sarif-2.1.0-rtm.5.json"
VALIDATOR = jsonschema.Draft4Validator(json.loads(SCHEMA.read_text("utf-8")))

OVERLAY, BASE = "models.d/模型/p.toml", "models.d/模型/base.toml"
TEXTS = {
    OVERLAY: 'port = 24999\n[vllm]\n# 東京\nchat = "東京 😀"  # café\n'.encode(),
    BASE: b"[vllm]\nenforce-eager = true\n",
}
CHAT = Place(OVERLAY, ("vllm", "chat"))
CASES: dict[str, list[Diagnostic]] = {
    "nothing": [],
    "no place": [note("weights-absent", "gone"), warning("stub-unedited", "a stub", hint="fill it in")],
    "a whole file": [error("facts-missing", "no facts", Place("models.d/模型/discovered.json"))],
    "a value": [error("bad-value", "`chat` wants a table", CHAT, hint="did you mean `café`?")],
    "also": [
        error(
            "type-clash",
            "a table and a value",
            Place(OVERLAY, ("port",), "key"),
            also=[Label(Place(BASE, ("vllm",)), "eine Tafel: 表"), Label(CHAT, "und hier"), Label(Place(BASE), "")],
        )
    ],
    "twice the same": [error("bad-value", "one", CHAT), error("bad-value", "two", CHAT)],
    "no text of the file": [error("unreadable-file", "cannot be read", Place("profiles/fort\udce9.toml", ("a",)))],
    "nothing to say": [error("bad-value", "", CHAT)],
}


def log(problems: list[Diagnostic]) -> Any:
    """The log of some problems, held against the schema."""
    text = report.render("sarif", problems, TEXTS)
    assert text.isascii()
    document = json.loads(text)
    VALIDATOR.validate(document)
    return document


@pytest.mark.parametrize("case", CASES)
def test_it_is_sarif(case: str) -> None:
    (run,) = log(CASES[case])["runs"]
    assert sorted(result["message"]["text"].split("\n")[0] for result in run["results"]) == sorted(
        problem.message for problem in CASES[case]
    )


def test_the_schema_refuses_what_is_none() -> None:
    document = log(CASES["also"])
    (result,) = document["runs"][0]["results"]
    VALIDATOR.validate(document)
    for spoilt in (
        result | {"level": "fatal"},
        result | {"help": "beside the message"},
        {key: value for key, value in result.items() if key != "message"},
        result | {"relatedLocations": [{"id": "one"}]},
    ):
        document["runs"][0]["results"] = [spoilt]
        assert not VALIDATOR.is_valid(document)


def test_columns_count_characters_and_names_are_quoted() -> None:
    (run,) = log(CASES["a value"])["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    (place,) = (location["physicalLocation"] for location in run["results"][0]["locations"])
    assert place["artifactLocation"]["uri"] == "models.d/%E6%A8%A1%E5%9E%8B/p.toml"
    line = TEXTS[OVERLAY].decode().split("\n")[place["region"]["startLine"] - 1]
    assert line[place["region"]["startColumn"] - 1 : place["region"]["endColumn"] - 1] == '"東京 😀"'


def test_every_result_has_its_rule_and_every_label_its_place() -> None:
    problems = [problem for found in CASES.values() for problem in found]
    (run,) = log(problems)["runs"]
    told = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in run["results"]} == told
    (clash,) = (result for result in run["results"] if result["ruleId"] == "type-clash")
    assert [place["message"]["text"] for place in clash["relatedLocations"]] == ["eine Tafel: 表", "und hier", ""]
    assert [place["id"] for place in clash["relatedLocations"]] == [1, 2, 3]


@unhurried
@given(st.text(), st.text(min_size=1), st.text())
def test_whatever_a_problem_says_it_is_sarif(message: str, file: str, label: str) -> None:
    problem = error("bad-value", message, Place(file), also=[Label(Place(file, (message,)), label)], hint=label)
    (run,) = log([problem])["runs"]
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert re.fullmatch(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+", uri)


MISTAKES: dict[str, dict[str, str | bytes | None]] = {
    "sound": {},
    "flags": {
        "models.d/qwen/rtx.toml": '[vllm]\nmax_model_length = 1\ndtype = "fp9"\nswap-space = "4"\nhost = "é"\n',
        "models.d/qwen/base.toml": "[vllm.dtype]\na = 1\n",
    },
    "no toml": {"models.d/qwen/rtx.toml": "[vllm\n", "models.d/qwen/base.toml": b"\xff\xfe"},
    "profile": {"profiles/rtx.toml": '[gpu]\nmemory = "viel"\n[engine.vllm]\nversion = "9.9.9"\n'},
    "facts": {"models.d/qwen/discovered.json": "{}"},
    "names": {"models.d/Ünïcode/rtx.toml": "", "models.d/qwen/base.toml": 'name = "a\u202eb"\n'},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_the_command_prints_is_sarif(mistake: str, tmp_path: Path) -> None:
    for file, content in sources(MISTAKES[mistake]).items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(content)
    done = stowplan(tmp_path, "check", "--format", "sarif")
    assert done.code == (0 if mistake == "sound" else 1), done.err
    document = json.loads(done.out)
    VALIDATOR.validate(document)
    errors = [result for result in document["runs"][0]["results"] if result["level"] == "error"]
    assert bool(errors) is bool(done.code)
