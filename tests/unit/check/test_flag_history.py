"""Each flag that vLLM dropped or gained from 0.11.0 to 0.32.0, in each version that has a table.

A flag that went is refused from its removal on, with that version named; one that came is refused before, with
the version that has it named, and taken from then on. What is expected is read off the tables' files.
"""

import json
import re
from functools import cache
from typing import Any

import pytest

from sources import OVERLAY, PROFILE, PROFILE_TEXT, found, toml
from stowplan.engines.flags import flag_table, table_source, versions
from stowplan.engines.reserved import RESERVED
from stowplan.engines.spelling import misfit
from stowplan.engines.values import refused
from stowplan.nouns.flags import FlagTable

VERSIONS = versions("vllm")
OLD, NEW = VERSIONS.index("0.11.0"), VERSIONS.index("0.32.0")
NAMES = [
    {name.removeprefix("--") for name, entry in json.loads(table_source("vllm", version))["flags"].items()}
    - {"model_tag"}
    for version in VERSIONS
]
REMOVED = sorted(NAMES[OLD] - NAMES[NEW])
ADDED = sorted(NAMES[NEW] - NAMES[OLD])
ABOUT_FLAGS = ("unknown-flag", "removed-flag", "renamed-flag", "bad-value", "bad-choice", "duplicate-flag")
CANDIDATES: tuple[Any, ...] = (True, 0.5, 1, "text", ["text"], [1], {}, "auto")


@cache
def said(place: int, names: tuple[str, ...]) -> dict[str, list[tuple[str, str]]]:
    """What check says of each flag, all of them set at once, with the version at that place: id and message."""
    table = flag_table("vllm", VERSIONS[place])
    assert table is not None
    files = {
        PROFILE: re.sub(r'version = "[^"]+"', f'version = "{VERSIONS[place]}"', PROFILE_TEXT),
        OVERLAY: toml({"vllm": {name: value(name, table) for name in names}}),
    }
    told: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
    for problem in found(files):
        if problem.at is not None and problem.at.file == OVERLAY and problem.id in ABOUT_FLAGS:
            told[str(problem.at.key[1])].append((problem.id, problem.message))
    return told


def value(name: str, table: FlagTable) -> Any:
    """What the flag takes in that version; anything where it has no such flag."""
    flag = table.flags.get(name)
    if flag is None:
        return True
    tries = (*table.names.get(flag.names or "", ()), *flag.choices, *CANDIDATES)
    return next(each for each in tries if misfit(flag, each) is None and not any(refused(flag, each, table)))


def test_it_is_these_many() -> None:
    assert (len(REMOVED), len(ADDED)) == (26, 159)


@pytest.mark.parametrize("flag", REMOVED)
def test_a_flag_that_went_is_refused_from_its_removal_on(flag: str) -> None:
    gone = next(place for place in range(OLD, NEW + 1) if flag not in NAMES[place])
    for place in range(NEW + 1):
        told = said(place, tuple(REMOVED))[flag]
        if place < gone:
            assert told == [], VERSIONS[place]
        else:
            ((kind, message),) = told
            assert kind in ("removed-flag", "renamed-flag"), VERSIONS[place]
            assert f" in vllm {VERSIONS[gone]}; the profile pins {VERSIONS[place]}" in message


@pytest.mark.parametrize("flag", sorted(set(ADDED) - RESERVED.keys()))
def test_a_flag_that_came_is_refused_before_and_taken_after(flag: str) -> None:
    came = next(place for place in range(OLD, NEW + 1) if flag in NAMES[place])
    for place in range(NEW + 1):
        told = said(place, tuple(ADDED))[flag]
        if place < came:
            ((kind, message),) = told
            assert kind == "unknown-flag"
            assert f" came with vllm {VERSIONS[came]}; the profile pins {VERSIONS[place]}" in message
        else:
            assert told == [], VERSIONS[place]


def test_of_those_that_came_the_compiler_refuses_none_for_itself() -> None:
    assert set(ADDED) & RESERVED.keys() == set()
