"""Whatever a project holds, it ends in diagnostics: never in an exception, and never past an error."""

import datetime
import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sources import BASE, FACTS, OVERLAY, PROFILE, TEMPLATE, examined, facts, sources, toml
from stowplan.nouns.facts import seal
from stowplan.report.locate import Locator
from stowplan.stages.plan import plan
from stowplan.words.diagnostic import has_errors
from stowplan.words.names import fold

CHILD = "profiles/host2.toml"
OTHER_BASE = "models.d/other/base.toml"
OTHER = "models.d/other/rtx.toml"
OTHER_FACTS = "models.d/other/discovered.json"
TEMPLATE_PATH = f"weights:Qwen/Qwen3-8B/{TEMPLATE.file}"

PROJECT: dict[str, dict[str, Any]] = {
    PROFILE: {
        "requires-stowplan": ">=0.0.1",
        "allow": ["remote-code:qwen"],
        "gpu": {"name": "RTX", "count": 1, "memory": "16376 MiB", "reserved": "1.5 GiB", "capability": "8.9"},
        "engine": {
            "vllm": {"version": "0.33.0", "executable": "/opt/vllm"},
            "newer": {"kind": "vllm", "version": "0.32.0", "executable": "/opt/new"},
        },
        "roots": {"weights": "/srv/weights"},
        "serving": {
            "mode": "together",
            "bind": "127.0.0.1",
            "connect": "localhost",
            "ports": "24001-24010",
            "pass-env": ["HF_TOKEN"],
        },
        "defaults": {"vllm": {"gpu-memory-utilization": 0.7}, "sampling": {"top_p": 0.9}, "env": {"A": "1"}},
    },
    CHILD: {"extends": "rtx", "unset": ["defaults.vllm.gpu-memory-utilization"], "roots": {"weights": "/mnt"}},
    BASE: {
        "name": "Qwen 3",
        "display-name": "Qwen 3 8B",
        "aliases": ["q3"],
        "deprecated": False,
        "roles": {"caption": 90},
        "correct": {"because": "the card says so", "license": "mit", "context": {"tokens": 32768}},
        "vllm": {"trust-remote-code": True},
    },
    OVERLAY: {
        "engine": "vllm",
        "port": 24001,
        "served-name": "qwen3",
        "chat-template-sha256": TEMPLATE.sha256,
        "unset": ["vllm.gpu-memory-utilization"],
        "vllm": {
            "max-model-len": 4096,
            "hf-overrides": {"a": {"b": 1}},
            "middleware": ["a.B"],
            "chat-template": TEMPLATE_PATH,
        },
        "sampling": {"temperature": 0.2, "stop": ["\n"]},
        "env": {"A": "weights:x"},
    },
    OTHER_BASE: {"alias-of": "qwen", "external": {"backend": "ollama", "model": "q", "host": "nas"}},
    OTHER: {"engine": "external", "port": 11434, "enabled": True},
    FACTS: json.loads(facts(templates=(TEMPLATE,))),
    OTHER_FACTS: json.loads(facts(templates=(TEMPLATE,))),
}

SCALARS = (
    st.integers(-3, 70000)
    | st.integers(-(2**70), 2**70)
    | st.booleans()
    | st.floats()
    | st.text(st.characters(codec="utf-8"), max_size=6)
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.sampled_from(
        [
            *("rtx", "host2", "qwen", "other", "vllm", "newer", "external", "stub", "", ".", "..", "/", "-x", "--host"),
            *("weights:../x", "weights:", ":", "a\u202eb", "a\x00b", "{}", "[" * 9999, "x" * 300, "é" * 70000),
            *("9" * 400 + " B", "9" * 400 + "k", "0.0.0.0", "::", "1-2", "70000-80000", ">=99", "1e999", "\ud7ff"),
        ]
    )
)
KEYS = st.text(st.characters(codec="utf-8"), max_size=4) | st.sampled_from(
    [
        *("vllm", "env", "unset", "correct", "because", "extends", "status", "external", "engine", "name", "aliases"),
        *("max_model_len", "port", "kind", "a.b", "weights", "location", "x" * 300, "seal", "format", "hf-overrides"),
    ]
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=5
)


def tables(value: Any) -> Iterator[dict[str, Any]]:
    """Every table in `value`, itself too."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from tables(inner)


@st.composite
def projects(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """The whole project above with one to four things replaced, added, taken out or moved."""
    project = deepcopy(PROJECT)
    for _ in range(draw(st.integers(1, 4))):
        table = draw(st.sampled_from(list(tables(project[draw(st.sampled_from(sorted(project)))]))))
        keys = sorted(table)
        change = draw(st.sampled_from(["replace", "add", "delete", "move"] if keys else ["add"]))
        if change == "add":
            table[draw(KEYS)] = draw(VALUES)
        elif change == "delete":
            del table[draw(st.sampled_from(keys))]
        elif change == "replace":
            table[draw(st.sampled_from(keys))] = draw(VALUES)
        else:
            goal = draw(st.sampled_from(list(tables(project[draw(st.sampled_from(sorted(project)))]))))
            goal[draw(st.sampled_from(keys))] = deepcopy(table[draw(st.sampled_from(keys))])
    return project


def written(project: dict[str, dict[str, Any]]) -> dict[str, str | bytes | None]:
    """The files; facts are sealed again, so that what is in them counts, where JSON can say it at all."""
    return {file: _json(content) if file.endswith(".json") else toml(content) for file, content in project.items()}


def _json(content: dict[str, Any]) -> bytes:
    plainly = json.loads(json.dumps(content, default=str))
    try:
        return json.dumps({**plainly, "seal": seal(plainly)}).encode()
    except ValueError:
        return json.dumps(plainly).encode()


def compiled(files: dict[str, str | bytes | None]) -> None:
    """The way from files to entries, and from problems to places."""
    given = sources(files)
    project, fleet, problems = examined(given)
    locator = Locator(given)
    for problem in problems:
        assert problem.message
        assert "\n" not in problem.id
        for place in [problem.at, *(label.at for label in problem.also)]:
            if place is not None:
                locator.locate(place)
    if not has_errors(problems):
        for entries in plan(fleet).values():
            names = [fold(entry.name) for entry in entries]
            assert len(set(names)) == len(names)
            for entry in entries:
                assert isinstance(entry.port, int)
                for token in entry.launch.tokens if entry.launch is not None else ():
                    assert isinstance(token.text, str)
                    assert "\0" not in token.text
    assert project.models.keys() <= {"qwen", "other"}


def test_the_project_that_is_changed_below_is_sound() -> None:
    problems = examined(sources(written(PROJECT)))[2]
    assert [p.id for p in problems] == []


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(projects())
def test_a_project_with_anything_wrong_ends_in_diagnostics(project: dict[str, dict[str, Any]]) -> None:
    compiled(written(project))


@settings(deadline=None)
@given(st.sampled_from(sorted(PROJECT)), st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
@example(OVERLAY, b"\xef\xbb\xbfport = 1")
@example(OVERLAY, b"port = 1\r")
@example(FACTS, "{}".encode("utf-16"))
def test_any_bytes_for_a_file_end_in_diagnostics(file: str, content: bytes) -> None:
    compiled({**written(PROJECT), file: content})


@settings(deadline=None)
@given(st.data())
def test_a_file_cut_anywhere_ends_in_diagnostics(data: st.DataObject) -> None:
    files = written(PROJECT)
    file = data.draw(st.sampled_from(sorted(files)))
    content = files[file]
    raw = content.encode() if isinstance(content, str) else content or b""
    compiled({**files, file: raw[: data.draw(st.integers(0, len(raw)))]})


LARGE = {
    "a long string": "[env]\nX = '" + "x" * (1 << 20) + "'\n",
    "a long key": f"[vllm]\n{'x' * (1 << 20)} = 1\n",
    "many keys": "[vllm]\n" + "".join(f"k{i} = {i}\n" for i in range(2000)),
    "many unknown keys": "".join(f"k{i} = []\n" for i in range(5000)),
    "many wrong items": "unset = [" + "1, " * 5000 + "]\n",
    "many unsets": "unset = [" + "'vllm.x', " * 3000 + "]\n",
    "a deep key": "[vllm]\n" + "a." * 90 + "b = 1\n",
    "deep lists": "[vllm]\nx = " + "[" * 400 + "]" * 400 + "\n",
    "deep tables": "[vllm]\nx = " + "{a = " * 100 + "1" + "}" * 100 + "\n",
    "many deep tables": "".join(f"[vllm.{'.'.join('a' * 90)}.k{i}]\n" for i in range(300)),
    "deep json in a string": "[vllm]\nhf-overrides = '" + '{"a":' * 5000 + "1" + "}" * 5000 + "'\n",
    "a date": f"port = {datetime.date.max}\n",
    "a huge integer": "port = " + "9" * 4000 + "\n",
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE.keys())
def test_what_is_large_or_deep_ends_in_diagnostics(text: str) -> None:
    for file in (PROFILE, BASE, OVERLAY):
        compiled({file: text})
