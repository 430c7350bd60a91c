"""model_registry.json as the consumers of the old registry read it, and the index of its names."""

import bisect
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from emit_projects import INCIDENT, artifacts_of, rows_of
from sources import facts, sources
from stowplan.nouns.facts import CAPABILITIES
from stowplan.words.names import fold

AWQ = "qwen2.5-vl-7b-instruct_(AWQ)"


def test_the_settings_that_got_lost_are_in_the_registry() -> None:
    extra = rows_of(INCIDENT, "rtx-4080-16g")[AWQ]["backend_config"]["extra_args"]
    assert extra[extra.index("--max-model-len") + 1] == "4096"
    assert "--enforce-eager" in extra
    assert "--trust-remote-code" in extra
    assert "--gpu-memory-utilization" in extra


def test_the_registry(snapshot: SnapshotAssertion) -> None:
    assert json.loads(artifacts_of(INCIDENT, "rtx-4080-16g")["model_registry.json"].content) == snapshot


def test_one_entry_a_line_sorted_by_name() -> None:
    text = artifacts_of(INCIDENT, "rtx-4080-16g")["model_registry.json"].content.decode()
    first, *lines, last, end = text.split("\n")
    assert (first, last, end) == ("[", "]", "")
    names = [json.loads(line.removesuffix(","))["name"] for line in lines]
    assert names == sorted(names)
    assert all(line.startswith('{"name":') for line in lines)


@pytest.mark.parametrize("name", ["llava_7b_(Q4)", AWQ])
def test_what_consumers_need_is_there_and_never_null(name: str) -> None:
    row = rows_of(INCIDENT, "rtx-4080-16g")[name]
    assert list(_nulls(row)) == []
    always: dict[str, type] = {
        "name": str,
        "display_name": str,
        "backend": str,
        "backend_config": dict,
        "served_model_id": str,
        "roles": list,
        "model_aliases": list,
        "role_priority": dict,
        "metadata": dict,
        "chat_template": dict,
        "quantization": str,
        "source": dict,
        "capabilities": dict,
        "generation_defaults": dict,
        "deprecated": bool,
    }
    assert {key: type(row.get(key)) for key in always} == always
    config = row["backend_config"]
    assert {key: type(config[key]) for key in ("port", "model_path", "extra_args", "host")} == {
        "port": int,
        "model_path": str,
        "extra_args": list,
        "host": str,
    }
    assert row["backend"] == row["backend"].lower()
    assert all(isinstance(has, bool) for has in row["capabilities"].values())
    assert row["metadata"]["registry_layer"] == "merged"


def _nulls(value: Any, at: str = "") -> Any:
    if value is None:
        yield at
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _nulls(inner, f"{at}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _nulls(inner, f"{at}[]")


def test_argv_is_complete_and_extra_args_are_its_end() -> None:
    row = rows_of(INCIDENT, "rtx-4080-16g")[AWQ]
    config = row["backend_config"]
    address = ["--host", "127.0.0.1", "--port", "24001", "--served-model-name", row["served_model_id"]]
    executable = "/opt/vllm-0.11.0/bin/vllm"
    assert config["argv"] == [executable, "serve", config["model_path"], *address, *config["extra_args"]]
    assert config["host"] == "host.docker.internal"


def test_the_template_of_extra_args_is_the_template_of_the_entry() -> None:
    row = rows_of(INCIDENT, "rtx-4080-16g")[AWQ]
    extra = row["backend_config"]["extra_args"]
    assert extra[extra.index("--chat-template") + 1] == row["chat_template"]["path"]


def test_capabilities_are_said_of_all_that_facts_know() -> None:
    capabilities = rows_of(INCIDENT, "rtx-4080-16g")[AWQ]["capabilities"]
    assert set(capabilities) == set(CAPABILITIES)
    assert {name for name, has in capabilities.items() if has} == {"text", "vision", "tools"}


def test_the_script_it_names_is_an_artifact() -> None:
    made = artifacts_of(INCIDENT, "rtx-4080-16g")
    script = rows_of(INCIDENT, "rtx-4080-16g")[AWQ]["metadata"]["script"]
    assert made[script].executable


def test_what_is_not_known_is_left_out() -> None:
    row = rows_of(sources({"models.d/qwen/discovered.json": facts(license=None)}), "rtx")["qwen"]
    assert row.keys().isdisjoint({"license", "family", "vram_estimate_mb"})
    assert row["quantization"] == ""
    assert row["chat_template"] == {"source": "none"}
    assert row["source"] == {"provider": "huggingface", "repo": "Qwen/Qwen3-8B", "huggingface_id": "Qwen/Qwen3-8B"}


# names.idx

_LETTERS = "aAeEzZ09 ._-()/éÉßſ日本가ﬁ"
_names = st.text(_LETTERS, min_size=1, max_size=12).filter(lambda name: name == name.strip() and name.strip())


@given(st.lists(st.tuples(_names, _names, st.lists(_names, max_size=2), st.integers(0, 1)), max_size=5))
def test_every_name_leads_to_its_entry(models: list[tuple[str, str, list[str], int]]) -> None:
    files: dict[str, str | bytes | None] = dict.fromkeys(sources())
    files["profiles/rtx.toml"] = sources()["profiles/rtx.toml"]
    taken: set[str] = set()
    for number, (display, served, aliases, shared) in enumerate(models):
        own = [display, *aliases, f"model{number}"]
        if taken & {fold(name) for name in own} or any("/" in alias for alias in aliases):
            continue
        taken |= {fold(name) for name in own}
        text = f"display-name = {json.dumps(display)}\naliases = {json.dumps(aliases)}\n"
        tag = "shared/tag:1" if shared else served
        files[f"models.d/model{number}/base.toml"] = text
        files[f"models.d/model{number}/rtx.toml"] = (
            f'engine = "external"\nport = 1\nserved-name = {json.dumps(tag)}\n'
            '[external]\nbackend = "ollama"\nmodel = "m"\n'
        )
    made = artifacts_of(sources(files), "rtx")
    registry, lines = made["model_registry.json"].content, made["names.idx"].content.splitlines()
    assert lines == sorted(lines)
    for row in json.loads(registry):
        for name in (row["name"], *row["model_aliases"], row["metadata"]["model"], row["display_name"]):
            assert _looked_up(name, lines, registry) == row
        served_by = _looked_up(row["served_model_id"], lines, registry)
        answers_to = [served_by["name"], served_by["display_name"], *served_by["model_aliases"]]
        assert fold(row["served_model_id"]) in map(fold, [*answers_to, served_by["served_model_id"]])


def _looked_up(name: str, lines: list[bytes], registry: bytes) -> Any:
    """The entry that a reader finds for `name`, by halving."""
    key = fold(name).encode()
    found, offset, length = lines[bisect.bisect_left(lines, key + b"\t")].split(b"\t")
    assert found == key
    return json.loads(registry[int(offset) : int(offset) + int(length)])


def _external(name: str, more: str = "") -> dict[str, str | bytes | None]:
    return {
        f"models.d/{name}/base.toml": f"{more}\n",
        f"models.d/{name}/rtx.toml": 'engine = "external"\nport = 1\nserved-name = "tag:1"\n'
        '[external]\nbackend = "ollama"\nmodel = "tag:1"\n',
    }


def test_a_shared_served_name_leads_to_the_model_itself_not_its_alias() -> None:
    files = {**_external("aaa", 'alias-of = "bbb"'), **_external("bbb"), **_external("ccc")}
    made = artifacts_of(sources(files), "rtx")
    index, registry = made["names.idx"].content.splitlines(), made["model_registry.json"].content
    assert _looked_up("Tag 1", index, registry)["name"] == "bbb"


def test_a_name_wins_over_what_another_serves() -> None:
    files = {**_external("aaa"), **_external("zzz", 'aliases = ["TAG-1"]')}
    made = artifacts_of(sources(files), "rtx")
    index, registry = made["names.idx"].content.splitlines(), made["model_registry.json"].content
    assert _looked_up("tag1", index, registry)["name"] == "zzz"


def test_the_memory_it_takes_is_known_where_the_facts_suffice() -> None:
    rows = json.loads(artifacts_of(INCIDENT, "rtx-4080-16g")["model_registry.json"].content)
    assert any("fit" in row["metadata"] for row in rows)
    for row in rows:
        fit = row["metadata"].get("fit", {})
        assert ("vram_estimate_mb" in row) == ("bytes" in fit and "missing" not in fit)
        if "vram_estimate_mb" in row:
            needed = fit["bytes"]["needed"][1]
            assert (row["vram_estimate_mb"] - 1) << 20 < needed <= row["vram_estimate_mb"] << 20
            parts = (fit["bytes"][name][1] for name in fit["bytes"] if name not in ("granted", "needed", "kv_cache"))
            assert sum(parts) + fit["bytes"]["kv_cache"] == needed
