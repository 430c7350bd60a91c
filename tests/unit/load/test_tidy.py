"""What is taken at a glance is what a closer look would take: the short ways of load, held against the long ones."""

import unicodedata
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stowplan.nouns.overlay import Overlay
from stowplan.stages.gate import settle
from stowplan.stages.load.tidy import MAX_DEPTH, hidden_character, tidy

INTEGERS = st.integers(-(2**63), 2**63 - 1)
SHOWN = st.text(st.characters(exclude_categories=("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn")), max_size=3)
SOUND = st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | SHOWN
TABLES: st.SearchStrategy[Any] = st.dictionaries(
    SHOWN,
    st.recursive(
        SOUND, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SHOWN, inner, max_size=3), max_leaves=9
    ),
    max_size=4,
)
HIDDEN = "a\u202e"
BAD = st.sampled_from([HIDDEN, "\0", 2**63, -(2**63) - 1, float("inf"), float("nan"), [HIDDEN], {HIDDEN: 1}])


def test_a_character_is_hidden_by_its_category_alone() -> None:
    hidden = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}
    for code in range(0x110000):
        is_hidden = hidden_character(chr(code), free=False) is not None
        assert is_hidden is (unicodedata.category(chr(code)) in hidden), hex(code)


@given(TABLES)
def test_what_is_sound_passes_whole(table: dict[str, Any]) -> None:
    assert tidy(table, "f.toml") == (table, [])
    assert settle(Overlay, {"vllm": table}, "f.toml") == ({"vllm": table}, [])


@given(TABLES, BAD, st.data())
def test_one_bad_value_is_found_wherever_it_stands(table: dict[str, Any], bad: Any, data: st.DataObject) -> None:
    at: dict[str, Any] = data.draw(st.sampled_from([table, *_tables_in(table)]))
    at["bad"] = bad
    _, problems = tidy(table, "f.toml")
    assert [problem.id in ("hidden-characters", "bad-value") for problem in problems] == [True]


def _tables_in(value: Any) -> Iterator[dict[str, Any]]:
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from [inner] if isinstance(inner, dict) else []
        yield from _tables_in(inner)


def test_tables_and_lists_may_be_so_deep_and_no_deeper() -> None:
    def nested(depth: int, wrap: Any) -> dict[str, Any]:
        value: Any = 1
        for _ in range(depth - 1):
            value = wrap(value)
        return {"a": value}

    for wrap in (lambda value: {"a": value}, lambda value: [value]):
        assert tidy(nested(MAX_DEPTH, wrap), "f.toml")[1] == []
        assert [problem.id for problem in tidy(nested(MAX_DEPTH + 2, wrap), "f.toml")[1]] == ["wrong-type"]
