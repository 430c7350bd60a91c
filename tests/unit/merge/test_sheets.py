"""The laws of laying one layer over another."""

from copy import deepcopy
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from stowplan.stages.merge.sheets import lay, settled, take_away
from stowplan.words.keypath import KeyPath
from stowplan.words.layered import UNSET, Layer, Leaf, Origin, Tree, find, leaves, plain, tree_of

Table = dict[str, Any]
KEYS = st.sampled_from("abc")
VALUES = st.integers(0, 3) | st.booleans() | st.lists(st.integers(0, 3), max_size=2)
TABLES: st.SearchStrategy[Table] = st.recursive(
    st.dictionaries(KEYS, VALUES, max_size=3),
    lambda inner: st.dictionaries(KEYS, VALUES | inner, max_size=3),
    max_leaves=9,
)
PATHS = st.lists(KEYS, min_size=1, max_size=3).map(lambda keys: ("vllm", *keys))
BY = Leaf("the unset", Layer.OVERLAY, Origin("overlay.toml", ("unset", 0)))


def merged(lower: Table, upper: Table, at: KeyPath = ()) -> tuple[Table, list[KeyPath]]:
    """The specification: tables merge, all else is replaced whole, and a clash keeps the lower."""
    result, clashes = dict(lower), []
    for key, value in upper.items():
        if key not in lower or isinstance(lower[key], dict) is isinstance(value, dict) is False:
            result[key] = value
        elif isinstance(lower[key], dict) and isinstance(value, dict):
            result[key], inner = merged(lower[key], value, (*at, key))
            clashes += inner
        else:
            clashes.append((*at, key))
    return result, clashes


def without(table: Table, path: KeyPath) -> Table:
    """The specification of unset: nothing at or below the path, and no table that only held such."""
    head, *rest = path
    if head not in table:
        return table
    if rest and not isinstance(table[head], dict):
        return table
    left = without(table[head], tuple(rest)) if rest else {}
    kept = {key: value for key, value in table.items() if key != head}
    return {**kept, head: left} if left or (rest and left == table[head]) else kept


def within(table: Table) -> Table:
    """`table` inside a section, as settings are: what stands at the top of a file is always a table."""
    return {"vllm": table} if table else {}


def sheet(table: Table, layer: Layer) -> Tree:
    return tree_of(within(table), layer, f"{layer.name}.toml")


def writers(tables: dict[Layer, Table], path: KeyPath) -> list[Layer]:
    """Which layers wrote a value of their own at `path`, newest first."""

    def has(table: Any) -> bool:
        for key in path:
            if not isinstance(table, dict) or key not in table:
                return False
            table = table[key]
        return True

    return sorted((layer for layer, table in tables.items() if has(table)), reverse=True)


@given(TABLES, TABLES)
def test_tables_merge_and_all_else_is_replaced_whole(low: Table, high: Table) -> None:
    tree, clashes = lay(sheet(low, Layer.BASE), sheet(high, Layer.OVERLAY))
    expected, expected_clashes = merged(within(low), within(high))
    assert plain(tree) == expected
    assert [clash.path for clash in clashes] == expected_clashes


@given(TABLES, TABLES)
def test_nothing_given_is_altered(low: Table, high: Table) -> None:
    lower, upper = sheet(low, Layer.BASE), sheet(high, Layer.OVERLAY)
    before = deepcopy((low, high, lower, upper))
    tree, _ = lay(lower, upper)
    take_away(tree, ("a",), BY)
    assert (low, high, lower, upper) == before


@given(TABLES, TABLES, TABLES)
def test_three_layers_may_be_laid_in_either_order(low: Table, middle: Table, high: Table) -> None:
    a, b, c = sheet(low, Layer.PROFILE), sheet(middle, Layer.BASE), sheet(high, Layer.OVERLAY)
    ab, clashes_ab = lay(a, b)
    ab_c, clashes_abc = lay(ab, c)
    bc, clashes_bc = lay(b, c)
    a_bc, clashes_a = lay(a, bc)
    assume(not (clashes_ab or clashes_abc or clashes_bc or clashes_a))
    assert ab_c == a_bc


@given(TABLES, TABLES, TABLES)
def test_a_chain_names_the_layers_that_wrote_the_value_newest_first(low: Table, middle: Table, high: Table) -> None:
    tables = {Layer.PROFILE: within(low), Layer.BASE: within(middle), Layer.OVERLAY: within(high)}
    tree: Tree = {}
    for layer, table in tables.items():
        tree, clashes = lay(tree, tree_of(table, layer, f"{layer.name}.toml"))
        assume(not clashes)
    for path, leaf in leaves(tree):
        assert [covered.layer for covered in leaf.chain()] == writers(tables, path)
        assert all(covered.origin == Origin(f"{covered.layer.name}.toml", path) for covered in leaf.chain())


@given(TABLES, PATHS)
def test_unset_takes_away_what_is_at_and_below_the_path(low: Table, path: KeyPath) -> None:
    tree, _ = take_away(sheet(low, Layer.BASE), path, BY)
    assert plain(settled(tree)) == without(within(low), path)


@given(TABLES, PATHS)
def test_what_was_taken_is_every_value_that_is_gone(low: Table, path: KeyPath) -> None:
    lower = sheet(low, Layer.BASE)
    tree, taken = take_away(lower, path, BY)
    left = dict(leaves(settled(tree)))
    assert {where for where, _ in taken} == {where for where, _ in leaves(lower)} - left.keys()
    assert all(find(lower, where) is leaf for where, leaf in taken)


@given(TABLES, PATHS, TABLES)
def test_what_is_unset_may_be_set_again_to_anything(low: Table, path: KeyPath, high: Table) -> None:
    lower, _ = take_away(sheet(low, Layer.BASE), path, BY)
    tree, clashes = lay(lower, sheet(high, Layer.OVERLAY))
    expected, expected_clashes = merged(without(within(low), path), within(high))
    assert plain(settled(tree)) == expected
    assert [clash.path for clash in clashes] == expected_clashes


def test_a_value_set_after_an_unset_covers_the_unset_and_what_that_covered() -> None:
    lower, _ = take_away(sheet({"a": 1}, Layer.BASE), ("vllm", "a"), BY)
    tree, _ = lay(lower, sheet({"a": 2}, Layer.OVERLAY))
    leaf = find(tree, ("vllm", "a"))
    assert isinstance(leaf, Leaf)
    assert [covered.value for covered in leaf.chain()] == [2, UNSET, 1]


def test_unsetting_twice_takes_nothing_the_second_time() -> None:
    tree, _ = take_away(sheet({"a": {"b": 1}}, Layer.BASE), ("vllm", "a"), BY)
    assert take_away(tree, ("vllm", "a", "b"), BY)[1] == []
    assert settled(tree) == {}


def test_a_whole_section_may_be_unset() -> None:
    tree, taken = take_away(sheet({"a": 1, "b": {"c": 2}}, Layer.BASE), ("vllm",), BY)
    assert settled(tree) == {}
    assert [where for where, _ in taken] == [("vllm", "a"), ("vllm", "b", "c")]


def test_an_empty_table_over_a_table_adds_nothing() -> None:
    tree, clashes = lay(sheet({"a": {"b": 1}}, Layer.BASE), sheet({"a": {}}, Layer.OVERLAY))
    assert (plain(tree), clashes) == ({"vllm": {"a": {"b": 1}}}, [])


def test_an_empty_table_and_a_value_clash_as_any_table_does() -> None:
    for low, high in ((1, {}), ({}, 1)):
        tree, clashes = lay(sheet({"a": low}, Layer.BASE), sheet({"a": high}, Layer.OVERLAY))
        assert plain(tree) == {"vllm": {"a": low}}
        assert [clash.path for clash in clashes] == [("vllm", "a")]


def test_an_empty_table_stays_where_it_was_written() -> None:
    assert plain(settled(sheet({"hf-overrides": {}}, Layer.BASE))) == {"vllm": {"hf-overrides": {}}}


def test_an_empty_list_replaces_a_list() -> None:
    tree, _ = lay(sheet({"a": [1, 2]}, Layer.BASE), sheet({"a": []}, Layer.OVERLAY))
    assert plain(tree) == {"vllm": {"a": []}}
