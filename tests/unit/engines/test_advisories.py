"""Known advisories: the file is sound, and a version is affected where the ranges say so and nowhere else."""

import dataclasses
import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest

import stowplan.engines
from stowplan.engines.advisories import SEVERITIES, Advisory, Need, advisories, affecting, bounds_of, fixed_in
from stowplan.engines.flags import flag_table, version_key, versions
from stowplan.nouns.facts import CAPABILITIES

FILE = Path(stowplan.engines.__file__).parent / "vllm" / "advisories.json"
DOCUMENT: dict[str, Any] = json.loads(FILE.read_bytes())
ENTRIES: list[dict[str, Any]] = DOCUMENT["advisories"]
FORMS = {"cve": r"CVE-20\d\d-\d{4,}", "ghsa": r"GHSA(-[23456789cfghjmpqrvwx]{4}){3}", "pysec": r"PYSEC-20\d\d-\d+"}
KNOWN = {advisory.id: advisory for advisory in advisories("vllm")}


def advisory(*ranges: str, fixed: str | None = None) -> Advisory:
    """An advisory of these ranges that matters to any server."""
    bounds = tuple(bounds_of(text) for text in ranges)
    return Advisory(names=("CVE-1",), severity="high", bounds=bounds, fixed=fixed, summary="", needs=())


@pytest.mark.parametrize(
    ("ranges", "inside", "outside"),
    [
        ([">=0.8.3,<0.14.1"], ["0.8.3", "0.9", "0.10.0", "0.14.0", "0.14"], ["0.8.2", "0.14.1", "0.14.1.1", "0.15.0"]),
        (["<0.22.0"], ["0.0.1", "0.3.0", "0.21.9"], ["0.22", "0.22.0", "0.100.0", "1.0"]),
        ([">0.8,<=0.29.0"], ["0.8.1", "0.29", "0.29.0"], ["0.8", "0.8.0", "0.29.0.1", "0.30.0"]),
        (["==0.19.0"], ["0.19.0", "0.19"], ["0.18.9", "0.19.1"]),
        (["<0.11", ">=0.12,<0.13"], ["0.10.9", "0.12.0", "0.12.9"], ["0.11.0", "0.11.9", "0.13.0"]),
        (["<0.14.1"], ["0.14.0rc2", "0.14.0+cu129", "0.14.0.post1"], ["0.14.1rc1", "", "latest", "main"]),
    ],
)
def test_ranges_end_where_they_say(ranges: list[str], inside: list[str], outside: list[str]) -> None:
    one = advisory(*ranges)
    assert [version for version in inside if not one.affects(version)] == []
    assert [version for version in outside if one.affects(version)] == []


@pytest.mark.parametrize("text", ["", "0.1.0", "<", "<0.1;", "~=0.1", "<0.1, <0.2", "<0.1,", "<0.1rc1", ">=a"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no range of versions"):
        bounds_of(text)


def test_an_unknown_word_in_needs_is_refused() -> None:
    with pytest.raises(TypeError):
        Need(flags="x")  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", ["sglang", "..", "vllm/../vllm", ""])
def test_of_another_engine_nothing_is_known(kind: str) -> None:
    assert advisories(kind) == ()
    assert affecting(kind, "0.11.0") == ()


def test_the_worst_come_first() -> None:
    ranks = [SEVERITIES.index(one.severity) for one in affecting("vllm", "0.11.0")]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) > 2


def test_all_are_fixed_in_the_newest_of_the_versions_that_fix_them() -> None:
    found = [advisory("<0.9.1", fixed="0.9.1"), advisory("<0.10", fixed="0.10.0"), advisory("<=0.29.0")]
    assert fixed_in(found) == "0.10.0"
    assert fixed_in(found[2:]) is None


@pytest.mark.parametrize(
    ("name", "last", "first"),
    [
        ("CVE-2026-22778", "0.14.0", "0.14.1"),
        ("CVE-2026-48746", "0.21.0", "0.22.0"),
        ("CVE-2026-130686", "0.32.0", "0.33.0"),
        ("CVE-2026-9540", "0.19.0", "0.19.1"),
    ],
)
def test_a_known_one_ends_where_it_was_fixed(name: str, last: str, first: str) -> None:
    assert KNOWN[name].affects(last)
    assert not KNOWN[name].affects(first)


def test_the_file_says_whence_and_when() -> None:
    assert DOCUMENT["engine"] == "vllm"
    assert DOCUMENT["source"]
    assert datetime.date.fromisoformat(DOCUMENT["read"]).year >= 2026
    assert len(KNOWN) == len(ENTRIES) > 90


def test_the_file_is_sorted_and_names_nothing_twice() -> None:
    ids = [one.id for one in advisories("vllm")]
    assert ids == sorted(ids)
    names = [name for one in advisories("vllm") for name in one.names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.get("cve") or entry.get("ghsa") or entry["pysec"])
def test_each_entry_is_sound(entry: dict[str, Any]) -> None:
    allowed = {*FORMS, "severity", "affected", "fixed", "summary", "needs", "source"}
    assert set(entry) <= allowed
    assert {key for key in FORMS if key in entry and re.fullmatch(FORMS[key], entry[key])} == set(entry) & set(FORMS)
    assert entry["severity"] in SEVERITIES
    assert re.fullmatch(r"[A-Z][^\n]{20,120}\.", entry["summary"])
    assert entry["source"]
    assert all(entry["source"])
    ranges = [bounds_of(text) for text in entry["affected"]]
    signs = [sign for sign, _ in ranges[-1]]
    assert signs in (["<"], ["<="], [">=", "<"], [">=", "<="])
    assert ("fixed" in entry) == (signs[-1] == "<"), "a version that fixes it is the end of the last range"
    if "fixed" in entry:
        assert entry["affected"][-1].endswith("<" + entry["fixed"])
    assert ranges[-1][-1][1] >= version_key("0.10"), "older versions have no table and never will"


@pytest.mark.parametrize("one", [one for one in advisories("vllm") if one.needs], ids=lambda one: one.id)
def test_each_need_asks_for_what_there_is(one: Advisory) -> None:
    flags = {name for version in versions("vllm") for name in _flags(version)}
    for need in one.needs:
        given = {field.name for field in dataclasses.fields(need) if getattr(need, field.name) not in (None, ())}
        assert given
        assert need.flag is None or need.flag in flags
        assert not given & {"value", "above", "names"} or need.flag is not None
        assert len(given & {"value", "above", "names"}) < 2
        assert set(need.capability) <= set(CAPABILITIES)
        assert all(name.isidentifier() for name in need.architecture)
        assert need.weights in (None, "gguf")
        assert not given & {"pass_env", "elsewhere"} or len(given) == 1


def _flags(version: str) -> list[str]:
    table = flag_table("vllm", version)
    assert table is not None
    return list(table.flags)
