"""Flag tables: what is committed is what was captured, and nothing but a committed table is ever used."""

import json
from pathlib import Path
from typing import Any

import pytest
from argparse_model import TABLES, document

from stowplan.engines.flags import flag_table, kinds, table_file, table_source, versions

CAPTURED = Path(__file__).parents[4] / "shared" / "vllm-flags"
ABOUT = ("type", "choices", "nargs", "neg", "aliases", "default", "deprecated", "action", "const", "positional")


@pytest.mark.parametrize("version", versions("vllm"))
def test_a_table_says_what_was_captured_from_that_version(version: str) -> None:
    source = CAPTURED / f"{version}.json"
    if not source.exists():
        pytest.skip(f"the captured tables are not beside the repository: no {source}")
    captured: dict[str, Any] = json.loads(source.read_text("utf-8"))
    committed = document(version)
    assert committed["flags"].keys() == captured["flags"].keys()
    for name, entry in captured["flags"].items():
        mine = committed["flags"][name]
        assert {key: mine.get(key) for key in ABOUT} == {key: entry.get(key) for key in ABOUT}, name
    assert committed["allow_abbrev"] == captured["allow_abbrev"]
    assert (committed["engine"], committed["version"]) == (captured["engine"], captured["version"])


def test_these_versions_are_there_oldest_first() -> None:
    assert kinds() == ("vllm",)
    found = versions("vllm")
    assert {"0.11.0", "0.19.1", "0.32.0"} <= set(found)
    assert list(found) == sorted(found, key=lambda version: [int(part) for part in version.split(".")])


@pytest.mark.parametrize("version", versions("vllm"))
def test_a_table_names_itself_and_its_source(version: str) -> None:
    table = flag_table("vllm", version)
    assert table is not None
    assert (table.engine, table.version) == ("vllm", version)
    assert version in table.source
    assert table_file("vllm", version) == f"engines/vllm/{version}.json"
    assert table_source("vllm", version) == (TABLES / f"{version}.json").read_bytes()


@pytest.mark.parametrize("version", versions("vllm"))
def test_every_other_spelling_leads_to_one_flag(version: str) -> None:
    table = flag_table("vllm", version)
    assert table is not None
    assert set(table.spellings.values()) <= table.flags.keys()
    assert not table.spellings.keys() & table.flags.keys()
    assert table.spellings["tp"] == "tensor-parallel-size"
    assert table.spellings["no-enforce-eager"] == "enforce-eager"


def test_a_positional_is_no_flag() -> None:
    table = flag_table("vllm", "0.11.0")
    assert table is not None
    assert "model_tag" not in table.flags


@pytest.mark.parametrize("version", ["0.11", "0.11.1", "", "../0.11.0", "0.11.0.json"])
def test_no_other_versions_table_is_ever_taken(version: str) -> None:
    assert flag_table("vllm", version) is None


@pytest.mark.parametrize("kind", ["", ".", "..", "../engines/vllm", "/", str(TABLES), "x" * 5000, "sglang", "vllm/"])
def test_what_someone_wrote_as_a_kind_never_becomes_a_path(kind: str) -> None:
    assert versions(kind) == ()
    assert flag_table(kind, "0.11.0") is None


def test_choices_leave_out_what_the_parser_reads_as_nothing() -> None:
    table = flag_table("vllm", "0.32.0")
    assert table is not None
    assert table.flags["dcp-comm-backend"].choices == ("a2a", "ag_rs")
