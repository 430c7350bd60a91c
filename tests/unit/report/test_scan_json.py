"""The JSON scanner against the json module."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scanned import leaf_nodes, leaf_values
from unhurried import unhurried

from stowplan.report.node import MAX_DEPTH, Node
from stowplan.report.scan_json import scan_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
styles = st.sampled_from([{}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}, {"ensure_ascii": False}])


def agree(text: str, meant: Any) -> None:
    """The law: the leaves of the scan are those of `meant`, and their extents say what they mean."""
    nodes, found = dict(leaf_nodes(scan_json(text))), dict(leaf_values(meant))
    assert nodes.keys() == found.keys()
    for path, node in nodes.items():
        assert node.value is not None
        value = json.loads(text[slice(*node.value)])
        assert value == found[path]
        assert type(value) is type(found[path])
        if path and isinstance(path[-1], str):
            assert node.key is not None
            assert json.loads(text[slice(*node.key)]) == path[-1]


@unhurried
@given(values, styles)
def test_every_value_has_the_leaves_that_json_reads(value: Any, style: dict[str, Any]) -> None:
    agree(json.dumps(value, **style), value)


@unhurried
@given(st.text('ab"[]{}:,\n\\ 1-', max_size=30))
def test_whatever_json_reads_is_found_and_the_rest_raises_nothing(text: str) -> None:
    node = scan_json(text)
    try:
        meant = json.loads(text)
    except ValueError:
        return
    assert dict(leaf_nodes(node)).keys() == dict(leaf_values(meant)).keys()


@unhurried
@given(values, st.integers(0))
def test_a_document_cut_off_keeps_what_stood_before(value: Any, cut: int) -> None:
    text = json.dumps([value])
    cut %= len(text) + 1
    whole = {node.value for _, node in leaf_nodes(scan_json(text)) if node.value and node.value[1] < cut}
    part = {node.value for _, node in leaf_nodes(scan_json(text[:cut]))}
    assert whole <= part


def test_of_a_key_written_twice_the_last_counts_as_it_does_for_json() -> None:
    text = '{"a": 1, "a": 2}'
    node = scan_json(text).inside["a"]
    assert node.value is not None
    assert text[slice(*node.value)] == str(json.loads(text)["a"])


@pytest.mark.parametrize(("depth", "found"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False)])
def test_lists_are_followed_to_a_bound(depth: int, found: bool) -> None:
    assert (scan_json("[" * depth + "]" * depth).value is not None) is found


MIB = 1 << 20
HOSTILE = {
    "brackets": "[" * MIB,
    "braces": '{"":' * (MIB // 4),
    "a string that never ends": '"' + "x" * MIB,
    "backslashes": '["' + "\\" * MIB,
    "blanks": "[" + " " * MIB + "x",
    "strings": "[" + '"",' * (MIB // 3) + "]",
    "keys": "{" + ",".join(f'"{i}":0' for i in range(MIB // 10)) + "}",
    "digits": "[" + "1" * MIB,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_mebibyte_made_to_be_slow_is_read_once(text: str) -> None:
    """Quadratic time would be hours here."""
    assert isinstance(scan_json(text), Node)
