"""Leaves and trees: a value, where it was written, and what it covers."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stowplan.words.layered import Layer, Leaf, Origin, find, leaves, plain, tree_of

SCALARS = st.integers() | st.text() | st.booleans() | st.lists(st.integers(), max_size=2)
TABLES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(st.text(max_size=2), SCALARS, max_size=3),
    lambda inner: st.dictionaries(st.text(max_size=2), SCALARS | inner, max_size=3),
    max_leaves=8,
)


@given(TABLES)
def test_a_tree_holds_the_values_of_its_table(table: dict[str, Any]) -> None:
    before = deepcopy(table)
    assert plain(tree_of(table, Layer.BASE, "f.toml")) == table == before


@given(TABLES)
def test_every_leaf_knows_where_it_was_written(table: dict[str, Any]) -> None:
    for path, leaf in leaves(tree_of(table, Layer.BASE, "f.toml", ("at",))):
        value: Any = table
        for key in path:
            value = value[key]
        assert leaf == Leaf(value, Layer.BASE, Origin("f.toml", ("at", *path)))


@given(TABLES)
def test_find_finds_every_leaf_at_its_path(table: dict[str, Any]) -> None:
    tree = tree_of(table, Layer.BASE, "f.toml")
    assert all(find(tree, path) is leaf for path, leaf in leaves(tree))


def test_find_finds_nothing_below_a_leaf_or_beside_the_tree() -> None:
    tree = tree_of({"vllm": {"a": 1}}, Layer.BASE, "f.toml")
    assert find(tree, ("vllm", "a", "b")) is None
    assert find(tree, ("env",)) is None
    assert find(tree, ()) is tree


def test_an_empty_table_inside_another_is_a_value_of_its_own() -> None:
    tree = tree_of({"vllm": {"hf-overrides": {}}, "env": {}}, Layer.BASE, "f.toml")
    assert tree == {
        "vllm": {"hf-overrides": Leaf({}, Layer.BASE, Origin("f.toml", ("vllm", "hf-overrides")))},
        "env": {},
    }


def test_a_chain_leads_down_to_the_lowest() -> None:
    low = Leaf(1, Layer.PROFILE, Origin("p"))
    middle = Leaf(2, Layer.BASE, Origin("b"), low)
    top = Leaf(3, Layer.OVERLAY, Origin("o"), middle)
    assert list(top.chain()) == [top, middle, low]


def test_the_layers_are_ordered_as_they_are_laid() -> None:
    assert sorted(Layer) == [
        Layer.DISCOVERED,
        Layer.CORRECTED,
        Layer.ENGINE,
        Layer.PROFILE,
        Layer.BASE,
        Layer.OVERLAY,
    ]
