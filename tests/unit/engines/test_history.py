"""History: when a flag came and went, held against the tables themselves, read without the code that is tested."""

from itertools import pairwise
from typing import Any

import pytest
from argparse_model import document

from stowplan.engines.flags import versions
from stowplan.engines.history import came_in, default_moves, flag_at, gone_in, span

VERSIONS = versions("vllm")
OLD, NEW = "0.11.0", "0.32.0"


def spellings(version: str) -> set[str]:
    """All that a version's parser reads as an option, less the dashes."""
    found = set()
    for name, entry in document(version)["flags"].items():
        if "positional" not in entry:
            found |= {spelling.lstrip("-") for spelling in (name, *entry.get("neg", ()), *entry.get("aliases", ()))}
            if entry.get("action") == "EnableDisableAction":  # it takes that, too, and does not show it
                found.add(f"no-{name[2:]}")
    return found


SPELLINGS = {version: spellings(version) for version in VERSIONS}
NAMES = {
    version: {name[2:]: entry for name, entry in document(version)["flags"].items() if "positional" not in entry}
    for version in (OLD, NEW)
}
REMOVED = sorted(NAMES[OLD].keys() - NAMES[NEW].keys())
ADDED = sorted(NAMES[NEW].keys() - NAMES[OLD].keys())


def test_so_many_went_and_came_between_the_two() -> None:
    assert (len(REMOVED), len(ADDED)) == (26, 159)


@pytest.mark.parametrize("flag", REMOVED)
def test_a_flag_that_went_is_gone_from_the_first_version_without_it(flag: str) -> None:
    gone = next(version for version in VERSIONS if flag not in SPELLINGS[version])
    for version in VERSIONS[: VERSIONS.index(gone)]:
        assert gone_in("vllm", flag, version) is None
    for version in VERSIONS[VERSIONS.index(gone) : VERSIONS.index(NEW) + 1]:
        assert gone_in("vllm", flag, version) == gone


@pytest.mark.parametrize("flag", ADDED)
def test_a_flag_that_came_comes_in_the_first_version_with_it(flag: str) -> None:
    came = next(version for version in VERSIONS if flag in SPELLINGS[version])
    for version in VERSIONS[: VERSIONS.index(came)]:
        assert came_in("vllm", flag, version) == came
        assert gone_in("vllm", flag, version) is None


@pytest.mark.parametrize("flag", sorted(set().union(*SPELLINGS.values())))
def test_every_spelling_has_a_history_without_gaps(flag: str) -> None:
    has = [flag in SPELLINGS[version] for version in VERSIONS]
    for place, version in enumerate(VERSIONS):
        later = next((VERSIONS[at] for at in range(place + 1, len(VERSIONS)) if has[at]), None)
        assert came_in("vllm", flag, version) == later
        if has[place]:
            assert gone_in("vllm", flag, version) is None
            around = span("vllm", flag, version)
            assert around is not None
            first, last = map(VERSIONS.index, around)
            assert first <= place <= last
            assert all(has[first : last + 1])
            assert not any(has[max(first - 1, 0) : first])
            assert not any(has[last + 1 : last + 2])
        else:
            assert span("vllm", flag, version) is None
            before = [at for at in range(place) if has[at]]
            assert gone_in("vllm", flag, version) == (VERSIONS[before[-1] + 1] if before else None)


@pytest.mark.parametrize("spelling", ["swap-space", "swap_space", "--swap-space"])
def test_a_flag_is_found_by_every_way_to_write_it(spelling: str) -> None:
    assert gone_in("vllm", spelling, "0.19.1") == "0.18.1"
    assert span("vllm", spelling, "0.17.1") == ("0.11.0", "0.17.1")


def test_a_negation_that_went_is_gone_as_its_flag_is() -> None:
    assert "no-calculate-kv-scales" in SPELLINGS["0.27.1"]
    assert gone_in("vllm", "no-calculate-kv-scales", "0.30.0") == gone_in("vllm", "calculate-kv-scales", "0.30.0")


def test_what_was_there_twice_went_the_second_time() -> None:
    """`--disable-log-requests`: a flag up to 0.16.0, and since 0.33.0 what turns another off."""
    assert gone_in("vllm", "disable-log-requests", "0.32.0") == "0.17.1"
    assert came_in("vllm", "disable-log-requests", "0.32.0") == "0.33.0"
    assert gone_in("vllm", "disable-log-requests", "0.33.0") is None


def test_a_version_between_two_tables_is_told_by_the_one_before() -> None:
    assert gone_in("vllm", "swap-space", "0.18.0") is None
    assert gone_in("vllm", "swap-space", "0.18.7") == "0.18.1"
    assert span("vllm", "swap-space", "0.10.0") is None
    assert came_in("vllm", "swap-space", "0.10.0") == "0.11.0"


@pytest.mark.parametrize("flag", ["", "-", "no-such-flag", "../0.11.0", "model_tag", "é"])
def test_what_never_was_a_flag_has_no_history(flag: str) -> None:
    for version in ("0.11.0", "0.33.0", "9.9", "x"):
        assert gone_in("vllm", flag, version) is came_in("vllm", flag, version) is span("vllm", flag, version) is None
    assert default_moves("vllm", flag) == ()


def test_an_engine_without_tables_has_none() -> None:
    assert gone_in("sglang", "x", "1.0") is came_in("sglang", "x", "1.0") is span("sglang", "x", "1.0") is None
    assert flag_at("sglang", "x", "1.0") is None


@pytest.mark.parametrize(
    ("flag", "moves"),
    [
        ("gpu-memory-utilization", [("0.20.0", 0.9, 0.92)]),
        ("seed", [("0.12.0", None, 0)]),
        ("disable-cascade-attn", [("0.18.1", False, True), ("0.32.0", True, None)]),
        ("tensor-parallel-size", []),
        ("disable-log-requests", []),  # another flag in 0.33.0, not another default
        ("log-config-file", []),  # in 0.31.0 a description: {"$suppress": true}
        ("compilation-config", []),  # a description in all of them
    ],
)
def test_defaults_that_moved(flag: str, moves: list[tuple[str, Any, Any]]) -> None:
    assert default_moves("vllm", flag) == tuple(moves)


def test_every_move_of_a_default_is_one_in_the_tables() -> None:
    defaults = {
        version: {name[2:]: entry["default"] for name, entry in document(version)["flags"].items()}
        for version in VERSIONS
    }
    flags = sorted(set().union(*defaults.values()))
    told = {(flag, *move) for flag in flags for move in map(repr_of, default_moves("vllm", flag))}
    seen = {
        (flag, newer, repr(defaults[older][flag]), repr(defaults[newer][flag]))
        for older, newer in pairwise(VERSIONS)
        for flag in defaults[older].keys() & defaults[newer].keys()
        if defaults[older][flag] != defaults[newer][flag]
        and "$" not in f"{defaults[older][flag]}{defaults[newer][flag]}"
    }
    assert told == seen


def repr_of(move: tuple[str, Any, Any]) -> tuple[str, str, str]:
    version, old, new = move
    return version, repr(old), repr(new)
