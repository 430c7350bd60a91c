"""schema/*.json: what an editor is told agrees with what check says."""

import json
import tomllib
from typing import Any

import jsonschema
import pytest

from emit_projects import INCIDENT, QWEN, artifacts_of
from sources import PROFILE_TEXT, sources
from stowplan.engines.flags import flag_table, versions
from stowplan.engines.reserved import RESERVED
from stowplan.engines.spelling import misfit
from stowplan.stages.emit.schema import _values

VALUES: list[Any] = [True, False, 0, 1, -1, 2.5, "x", "auto", "", "-x", "8k", {}, {"a": 1}]
LISTS: list[Any] = [[], ["x"], ["-x"], [1], [True], [[1]], [{}], [{"name": "x"}]]


def _schema(kind: str, given: dict[str, bytes] = INCIDENT, profile: str = "rtx-4080-16g") -> Any:
    return json.loads(artifacts_of(given, profile)[f"schema/{kind}.json"].content)


def _accepts(schema: Any, text: str) -> bool:
    return jsonschema.Draft7Validator(schema).is_valid(tomllib.loads(text))


@pytest.mark.parametrize("kind", ["overlay", "base", "profile"])
def test_it_is_json_schema_of_draft_7(kind: str) -> None:
    schema = _schema(kind)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema)


def test_the_files_of_a_sound_project_are_accepted() -> None:
    for name in (QWEN, "llava"):
        assert _accepts(_schema("overlay"), INCIDENT[f"models.d/{name}/rtx-4080-16g.toml"].decode())
        assert _accepts(_schema("base"), INCIDENT[f"models.d/{name}/base.toml"].decode())
    assert _accepts(_schema("profile"), INCIDENT["profiles/rtx-4080-16g.toml"].decode())


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("overlay", "max-model-len = 4096"),
        ("overlay", "[vllm]\nmax_model_len = 4096"),
        ("overlay", '[vllm]\nmax-model-len = "4096"'),
        ("overlay", "[vllm]\nmax-model-len = true"),
        ("overlay", '[vllm]\nkv-cache-dtype = "fp9"'),
        ("overlay", "[vllm]\nport = 24001"),
        ("overlay", "[vllm]\nasync-scheduling = 1"),
        ("overlay", 'status = "done"'),
        ("overlay", 'engine = "llama.cpp"'),
        ("overlay", 'name = "in base.toml alone"'),
        ("overlay", "port = true"),
        ("overlay", '[external]\nbackend = "ollama"'),
        ("overlay", "[env]\nA = 1"),
        ("overlay", 'unset = "vllm.seed"'),
        ("base", 'status = "stub"'),
        ("base", '[correct]\nfamily = "without a reason"'),
        ("base", "roles = { caption = true }"),
        ("profile", '[gpu]\nmemory-size = "16 GiB"'),
        ("profile", '[serving]\nmode = "alone"'),
        ("profile", "[defaults.vllm]\nnot-a-flag = 1"),
        ("profile", "[engine.vllm]\nversion = 0.11"),
    ],
)
def test_a_wrong_file_is_refused(kind: str, text: str) -> None:
    assert not _accepts(_schema(kind), text)


def test_reserved_flags_are_those_that_check_refuses() -> None:
    assert RESERVED.keys().isdisjoint(_schema("overlay")["properties"]["vllm"]["properties"])


@pytest.mark.parametrize("version", versions("vllm"))
def test_a_flag_takes_what_check_lets_through(version: str) -> None:
    table = flag_table("vllm", version)
    assert table is not None
    for flag in table.flags.values():
        editor = jsonschema.Draft7Validator(_values(flag))
        for value in (*VALUES, *LISTS, *flag.choices):
            assert editor.is_valid(value) == (misfit(flag, value) is None), (flag.name, value)


def test_a_flag_says_where_it_comes_from_and_its_default() -> None:
    flag = _schema("overlay")["properties"]["vllm"]["properties"]["gpu-memory-utilization"]
    assert flag == {
        "type": "number",
        "default": 0.9,
        "description": "--gpu-memory-utilization of vllm 0.11.0 (CacheConfig)",
    }


def test_two_versions_of_an_engine_each_bring_their_flags() -> None:
    second = '[engine.new]\nkind = "vllm"\nversion = "0.32.0"\nexecutable = "/opt/new/bin/vllm"\n'
    given = sources({"profiles/rtx.toml": PROFILE_TEXT + second, "models.d/qwen/base.toml": 'engine = "vllm"'})
    schema = _schema("overlay", given, "rtx")
    assert schema["properties"]["engine"]["enum"] == ["new", "vllm", "external"]
    assert _accepts(schema, "[vllm]\nswap-space = 4")  # of 0.11.0 alone
    assert _accepts(schema, "[vllm]\nasync-scheduling = true")
    assert _accepts(schema, '[vllm]\nmoe-backend = "auto"')  # of 0.32.0 alone


def test_without_an_engine_the_flags_are_open() -> None:
    profile = '[serving]\nbind = "127.0.0.1"\n'
    external = 'engine = "external"\nport = 1\n[external]\nbackend = "ollama"\nmodel = "m"\n'
    schema = _schema("overlay", sources({"profiles/rtx.toml": profile, "models.d/qwen/rtx.toml": external}), "rtx")
    assert schema["properties"]["engine"]["enum"] == ["external"]
    assert _accepts(schema, "[vllm]\nanything = 1")
