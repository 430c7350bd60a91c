"""Flag tables: what is committed is what was captured, and nothing but a committed table is ever used."""

import json
from pathlib import Path
from typing import Any

import pytest
from argparse_model import TABLES, document

from stowplan.engines.flags import decoded, examined, flag_table, kinds, nearest, table_file, table_source, versions
from stowplan.nouns.flags import FlagTable

CAPTURED = Path(__file__).parents[4] / "shared" / "vllm-flags"
"""Tables of the same versions that were captured by another program."""
VERSIONS = (
    *("0.11.0", "0.11.2", "0.12.0", "0.13.0", "0.14.0", "0.15.1", "0.16.0", "0.17.1", "0.18.1", "0.19.1", "0.20.0"),
    *("0.21.0", "0.22.1", "0.23.0", "0.24.0", "0.25.1", "0.26.0", "0.27.1", "0.28.0", "0.29.0", "0.30.0", "0.31.0"),
    *("0.32.0", "0.33.0"),
)
WITHOUT_TOKENIZER_MODES = ("0.11.0", "0.11.2")
"""These have the flag and no list of what it takes."""
OURS = {
    "help",
    "object",
    "names",
    "any_case",
    "opened_by",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
}
"""What our capture tells of a flag and the other does not."""


def table_of(version: str) -> FlagTable:
    table = flag_table("vllm", version)
    assert table is not None
    return table


def captured(name: str) -> dict[str, Any]:
    source = CAPTURED / name
    if not source.exists():
        pytest.skip(f"the other captured tables are not beside the repository: no {source}")
    return dict(json.loads(source.read_text("utf-8")))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_table_says_what_another_capture_of_that_version_says(version: str) -> None:
    theirs, committed = captured(f"{version}.json"), document(version)
    assert committed["flags"].keys() == theirs["flags"].keys()
    for name, entry in theirs["flags"].items():
        mine = committed["flags"][name]
        assert {key: mine.get(key) for key in entry} == entry, name
        more = mine.keys() - entry.keys() - OURS
        assert not more or (more == {"suggest"} and "names" in mine), name
    assert committed["allow_abbrev"] == theirs["allow_abbrev"]
    assert (committed["engine"], committed["version"]) == (theirs["engine"], theirs["version"])


@pytest.mark.parametrize("version", ["0.11.0", "0.32.0"])
def test_a_tables_names_are_those_another_capture_found(version: str) -> None:
    for registry, names in captured(f"names-{version}.json").items():
        assert sorted(table_of(version).names[registry]) == sorted(names), registry


def test_these_versions_are_there_oldest_first() -> None:
    assert kinds() == ("vllm",)
    found = versions("vllm")
    assert set(VERSIONS) <= set(found)
    assert list(found) == sorted(found, key=lambda version: [int(part) for part in version.split(".")])


@pytest.mark.parametrize("version", versions("vllm"))
def test_a_table_names_itself_and_its_source(version: str) -> None:
    table = table_of(version)
    assert (table.engine, table.version) == ("vllm", version)
    assert version in table.source
    assert table_file("vllm", version) == f"engines/vllm/{version}.json"
    assert table_source("vllm", version) == (TABLES / f"{version}.json").read_bytes()


@pytest.mark.parametrize("version", versions("vllm"))
def test_every_part_of_a_table_can_be_read(version: str) -> None:
    source = table_source("vllm", version)
    table = examined(source)
    assert table == decoded(source)
    written = document(version)["flags"]
    assert {f"--{name}" for name in table.flags} == {
        name for name, entry in written.items() if "positional" not in entry
    }
    for registry in ("architectures", "attention_backends", "load_formats", "quantization", "reasoning_parsers"):
        assert len(table.names[registry]) == len(set(table.names[registry])) > 5, registry
    assert {"tool_parsers", "kv_connectors"} <= table.names.keys()
    assert ("tokenizer_modes" in table.names) == (version not in WITHOUT_TOKENIZER_MODES)
    assert "VLLM_LOGGING_LEVEL" in table.variables
    assert table.methods["fp8"].capability in range(70, 100)
    assert table.methods.keys() <= set(table.names["quantization"])
    assert table.backends.keys() <= set(table.names["attention_backends"])
    if version == "0.11.0":  # its backends cannot be asked
        assert table.backends == table.considered == {}
        return
    assert table.backends["FLASH_ATTN"].capabilities[-1] >= 120
    assert {"mla", "other"} == set().union(*(by_kind.keys() for by_kind in table.considered.values()))


@pytest.mark.parametrize("version", versions("vllm"))
def test_what_a_table_refers_to_is_in_it(version: str) -> None:
    table = table_of(version)
    fields = [shape for shapes in table.objects.values() for shape in shapes.values()]
    for flag in table.flags.values():
        assert flag.object is None or flag.object in table.objects, flag.name
        assert flag.names in (None, "tokenizer_modes", *table.names), flag.name
        assert flag.help == " ".join(flag.help.split()), flag.name
    for shape in fields:
        assert "object" not in shape or shape["object"] in table.objects, shape
        assert "names" not in shape or shape["names"] in table.names, shape


@pytest.mark.parametrize("version", versions("vllm"))
def test_every_other_spelling_leads_to_one_flag(version: str) -> None:
    table = table_of(version)
    assert set(table.spellings.values()) <= table.flags.keys()
    assert not table.spellings.keys() & table.flags.keys()
    assert table.canonical("-tp") == table.canonical("tensor_parallel_size") == "tensor-parallel-size"
    assert table.canonical("--no-enforce-eager") == "enforce-eager"
    assert table.canonical("no-such-flag") is None


def test_a_positional_is_no_flag() -> None:
    assert "model_tag" in document("0.11.0")["flags"]
    assert "model_tag" not in table_of("0.11.0").flags


@pytest.mark.parametrize("version", ["0.11", "0.11.1", "", "../0.11.0", "0.11.0.json", "advisories", "successors"])
def test_no_other_versions_table_is_ever_taken(version: str) -> None:
    assert flag_table("vllm", version) is None


@pytest.mark.parametrize(
    ("version", "near"),
    [
        ("0.11.0", "0.11.0"),
        ("0.11.1", "0.11.0"),
        ("0.11.9", "0.11.2"),
        ("0.15.0", "0.15.1"),  # of the same minor version, though newer
        ("0.10.2", "0.11.0"),
        ("0.34.1", "0.33.0"),
        ("0.32.1rc2", "0.32.0"),
        ("nightly", "0.11.0"),
    ],
)
def test_the_nearest_is_of_the_same_minor_version_or_else_older(version: str, near: str) -> None:
    assert nearest(version, versions("vllm")) == near
    assert nearest(version, ()) is None


@pytest.mark.parametrize("kind", ["", ".", "..", "../engines/vllm", "/", str(TABLES), "x" * 5000, "sglang", "vllm/"])
def test_what_someone_wrote_as_a_kind_never_becomes_a_path(kind: str) -> None:
    assert versions(kind) == ()
    assert flag_table(kind, "0.11.0") is None


def test_choices_leave_out_what_the_parser_reads_as_nothing() -> None:
    assert table_of("0.32.0").flags["dcp-comm-backend"].choices == ("a2a", "ag_rs")
