"""What differs between two flag tables, and that the tables that come with Stowplan differ by just that."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from stowplan.engines.changes import CameAndWent, MovedDefault, changes, moved_defaults
from stowplan.engines.flags import flag_table, versions
from stowplan.nouns.flags import Flag, FlagTable

VERSIONS = versions("vllm")


def table(*flags: Flag, spellings: Mapping[str, str] | None = None, **more: Any) -> FlagTable:
    """A table of these flags."""
    found = {flag.name: flag for flag in flags}
    return FlagTable(engine="vllm", version="1", source="a test", flags=found, spellings=spellings or {}, **more)


def flag(name: str, kind: str = "int", **more: Any) -> Flag:
    """A flag of that type."""
    return Flag(name=name, type=kind, **more)


def known(version: str) -> FlagTable:
    """A table that comes with Stowplan."""
    found = flag_table("vllm", version)
    assert found is not None
    return found


def test_flags_that_came_and_went_under_any_name() -> None:
    before = table(flag("stays"), flag("goes"), flag("old-name"))
    after = table(flag("stays"), flag("new-name"), flag("comes"), spellings={"old-name": "new-name"})
    found = changes(before, after)
    assert found.flags == CameAndWent(came=("comes", "new-name"), went=("goes",))
    assert found.renamed == {"old-name": "new-name"}


def test_a_flag_that_was_there_as_an_alias_has_not_come() -> None:
    before = table(flag("name"), spellings={"short": "name"})
    assert changes(before, table(flag("name"), flag("short"))).flags.came == ()


def test_types_choices_names_fields_and_variables() -> None:
    before = table(
        flag("a"),
        flag("b", "str", choices=("x", "y")),
        names={"parsers": ("p", "q"), "asked-once": ("z",)},
        objects={"Config": {"old": {}, "both": {}}},
        variables=frozenset({"V_OLD", "V"}),
    )
    after = table(
        flag("a", "float"),
        flag("b", "str", choices=("y", "z", 1)),
        names={"parsers": ("q",)},
        objects={"Config": {"both": {}, "new": {}}, "Other": {"x": {}}},
        variables=frozenset({"V", "V_NEW"}),
    )
    found = changes(before, after)
    assert found.retyped == {"a": ("int", "float")}
    assert found.choices == {"b": CameAndWent(came=("1", "z"), went=("x",))}
    assert found.names == {"parsers": CameAndWent(came=(), went=("p",))}
    assert found.fields == {"Config": CameAndWent(came=("new",), went=("old",))}
    assert found.variables == CameAndWent(came=("V_NEW",), went=("V_OLD",))


@pytest.mark.parametrize(
    ("old", "new", "moves"),
    [
        (0.9, 0.92, True),
        (None, 0, True),
        (False, 0, True),
        (True, None, True),
        ([], ["*"], True),
        (0, 0.0, False),
        ({"$repr": "a"}, {"$repr": "b"}, False),
        (None, {"$suppress": True}, False),
        ({"a": 1}, {"a": 2}, True),
    ],
)
def test_a_default_moves_where_it_says_something_else(old: Any, new: Any, moves: bool) -> None:
    found = moved_defaults(table(flag("x", default=old)), table(flag("x", default=new)))
    assert found == ((MovedDefault("x", old, new),) if moves else ())


def test_what_is_gone_has_no_default_that_moves() -> None:
    assert moved_defaults(table(flag("x", default=1)), table()) == ()


def test_nothing_differs_from_itself() -> None:
    for version in VERSIONS:
        found = changes(known(version), known(version))
        assert not found.flags
        assert not found.variables
        assert (found.renamed, found.retyped, found.choices, found.defaults, found.names, found.fields) == (
            *({}, {}, {}),
            *((), {}, {}),
        )


@pytest.mark.parametrize(("old", "new"), list(itertools.pairwise(VERSIONS)))
def test_backwards_is_the_reverse(old: str, new: str) -> None:
    there, back = changes(known(old), known(new)), changes(known(new), known(old))
    assert (there.variables.came, there.variables.went) == (back.variables.went, back.variables.came)
    assert {name: (both.came, both.went) for name, both in there.names.items()} == {
        name: (both.went, both.came) for name, both in back.names.items()
    }
    assert {(move.flag, str(move.old), str(move.new)) for move in there.defaults} == {
        (move.flag, str(move.new), str(move.old)) for move in back.defaults
    }


def test_the_memory_a_server_takes_by_default_moved_in_0_20() -> None:
    found = {move.flag: move for move in moved_defaults(known("0.19.1"), known("0.20.0"))}
    assert found["gpu-memory-utilization"] == MovedDefault("gpu-memory-utilization", 0.9, 0.92)
    assert "swap-space" in changes(known("0.11.0"), known("0.18.1")).flags.went
    assert "gguf" in changes(known("0.19.1"), known("0.32.0")).names["quantization"].went
