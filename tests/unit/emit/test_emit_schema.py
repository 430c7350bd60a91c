"""schema/*.json: what an editor is told agrees with what check says."""

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from emit_projects import INCIDENT, QWEN, artifacts_of
from sources import sources
from stowplan.engines.flags import versions
from stowplan.engines.reserved import RESERVED
from stowplan.words.digest import canonical_json


def _schema(kind: str, given: dict[str, bytes] = INCIDENT, profile: str = "rtx-4080-16g") -> Any:
    return json.loads(artifacts_of(given, profile)[f"schema/{kind}.json"].content)


def _every(schema: Any) -> Iterator[dict[str, Any]]:
    """A schema and every one in it."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    inner += [schema[word] for word in ("items", "additionalProperties") if isinstance(schema.get(word), dict)]
    for each in inner:
        yield from _every(each)


def _accepts(schema: Any, text: str) -> bool:
    return jsonschema.Draft7Validator(schema).is_valid(tomllib.loads(text))


@pytest.mark.parametrize("kind", ["overlay", "base", "profile"])
def test_it_is_json_schema_of_draft_7(kind: str) -> None:
    schema = _schema(kind)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("kind", ["overlay", "base", "profile"])
def test_it_is_canonical_whole_and_self_contained(kind: str) -> None:
    content = artifacts_of(INCIDENT, "rtx-4080-16g")[f"schema/{kind}.json"].content
    assert content == canonical_json(json.loads(content)) + b"\n"
    for schema in _every(json.loads(content)):
        assert not schema.keys() & {"$id", "id", "$ref"}
        assert "null" not in (schema.get("type"), *schema.get("enum", ()))
        assert not isinstance(schema.get("type"), list) or "null" not in schema["type"]


@pytest.mark.parametrize("kind", ["overlay", "base", "profile"])
def test_every_key_says_what_it_is(kind: str) -> None:
    """Fields of objects apart, where the engine has no words for all."""
    tables = [_schema(kind)]
    for table in tables:
        for key, schema in table["properties"].items():
            assert schema.get("description") or key == "because", key
            inner = [schema, schema.get("additionalProperties")]
            if key != "vllm":
                tables += [each for each in inner if isinstance(each, dict) and "properties" in each]
    assert len(tables) >= {"overlay": 2, "base": 3, "profile": 5}[kind]


def test_a_table_that_is_open_says_so() -> None:
    """Where nothing is said of further keys, an editor may take the table for a closed one."""
    for schema in _every(_schema("base")):
        decides = schema.keys() & {"type", "enum", "const", "anyOf", "examples", "additionalProperties"}
        assert decides, schema
        if "object" in (schema.get("type"), *(schema.get("type") if isinstance(schema.get("type"), list) else ())):
            assert "additionalProperties" in schema, schema


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
        ("overlay", "port = 65536"),
        ("overlay", '[vllm]\nquantization = "awk"'),
        ("overlay", "[vllm]\ncompilation-config = { leval = 3 }"),
        ("overlay", "[vllm.speculative-config]\nmodel = 3"),
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


def test_a_flag_says_what_it_is_where_it_comes_from_and_its_default() -> None:
    flag = _schema("overlay")["properties"]["vllm"]["properties"]["gpu-memory-utilization"]
    assert flag["description"].startswith("The fraction of GPU memory")
    assert flag["description"].endswith("\n\nvllm 0.11.0, CacheConfig")
    assert (flag["type"], flag["default"]) == ("number", 0.9)


def test_versions_with_a_table_are_offered_the_newest_first() -> None:
    engine = _schema("profile")["properties"]["engine"]["additionalProperties"]
    offered = engine["properties"]["version"]["examples"]
    assert offered == list(reversed(versions("vllm")))


def test_two_versions_of_an_engine_each_bring_their_flags() -> None:
    engines = "".join(
        f'[engine.{label}]\nkind = "vllm"\nversion = "{version}"\nexecutable = "/opt/{label}/bin/vllm"\n'
        for label, version in (("old", "0.11.0"), ("new", "0.32.0"))
    )
    profile = f'{engines}[roots]\nweights = "/srv"\n[serving]\nbind = "127.0.0.1"\nports = "24001-24001"\n'
    given = sources({"profiles/rtx.toml": profile, "models.d/qwen/base.toml": 'engine = "new"'})
    schema = _schema("overlay", given, "rtx")
    assert schema["properties"]["engine"]["enum"] == ["new", "old", "external"]
    assert _accepts(schema, "[vllm]\nswap-space = 4")  # of 0.11.0 alone
    assert _accepts(schema, "[vllm]\nasync-scheduling = true")
    assert _accepts(schema, '[vllm]\nmoe-backend = "auto"')  # of 0.32.0 alone
    told = schema["properties"]["vllm"]["properties"]["async-scheduling"]["description"]
    assert told.endswith("vllm 0.32.0, 0.11.0, SchedulerConfig")


def test_without_an_engine_the_flags_are_open() -> None:
    profile = '[serving]\nbind = "127.0.0.1"\n'
    external = 'engine = "external"\nport = 1\n[external]\nbackend = "ollama"\nmodel = "m"\n'
    schema = _schema("overlay", sources({"profiles/rtx.toml": profile, "models.d/qwen/rtx.toml": external}), "rtx")
    assert schema["properties"]["engine"]["enum"] == ["external"]
    assert _accepts(schema, "[vllm]\nanything = 1")
