"""Tables against the objects they become: what a form makes is accepted, and what is broken is refused there."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from stowplan.engines.flags import flag_table, versions
from stowplan.engines.nested import Mismatch, mismatches, wanted
from stowplan.nouns.flags import FlagTable, Shape
from stowplan.words.keypath import KeyPath

OBJECTS: dict[str, dict[str, Shape]] = {
    "Outer": {
        "on": {"type": "boolean"},
        "count": {"type": "integer", "minimum": 1},
        "share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "word": {"type": "string"},
        "anything": {},
        "kind": {"enum": ["a", "b", 2]},
        "method": {"enum": ["Awq", "fp8"], "any_case": True},
        "words": {"type": "array", "items": {"type": "string"}},
        "sizes": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]}},
        "table": {"type": "object"},
        "numbers": {"type": "object", "additionalProperties": {"type": "number"}},
        "either": {"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]},
        "inner": {"object": "Inner"},
        "maybe": {"anyOf": [{"object": "Inner"}, {"type": "integer"}]},
        "loose": {"anyOf": [{"object": "Inner"}, {"type": "object"}]},
        "unknown": {"object": "Nowhere"},
        "parser": {"type": "string", "names": "parsers", "opened_by": "plugin"},
        "plugin": {"type": "string"},
        "backend": {"names": "backends", "any_case": True},
        "elsewhere": {"type": "string", "names": "no-such-registry"},
    },
    "Inner": {"depth": {"type": "integer", "maximum": 9}, "outer": {"object": "Outer"}, "name": {"type": "string"}},
}
TABLE = FlagTable(
    engine="vllm",
    version="0.33.0",
    source="a test",
    flags={},
    spellings={},
    names={"parsers": ("hermes", "qwen3"), "backends": ("FLASH_ATTN", "TRITON_ATTN")},
    objects=OBJECTS,
)


def seen(value: Any, held: str = "Outer", *, dashed: bool = False) -> list[Mismatch]:
    return list(mismatches(value, held, TABLE, dashed=dashed))


def brief(value: Any, **how: Any) -> list[tuple[str, KeyPath]]:
    return [(problem.id, problem.path) for problem in seen(value, **how)]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"on": True, "count": 1, "share": 1, "word": "", "anything": [object]},
        {"kind": "a"},
        {"kind": 2},
        {"method": "AWQ"},
        {"words": [], "sizes": [1, "all"]},
        {"table": {"x": [1]}, "numbers": {"a": 1, "b": 1.5}},
        {"either": "x"},
        {"either": {"a": "x"}},
        {"inner": {"depth": 9, "outer": {"inner": {"name": "x"}}}},
        {"maybe": 3},
        {"maybe": {"depth": 1}},
        {"loose": {"depth": 10}},
        {"unknown": {"x": 1}},
        {"parser": "hermes"},
        {"parser": "mine", "plugin": "/srv/plugin.py"},
        {"backend": "flash_attn"},
        {"backend": "auto"},
        {"elsewhere": "whatever"},
    ],
)
def test_what_fits_is_accepted(value: dict[str, Any]) -> None:
    assert seen(value) == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"no": 1}, ("unknown-field", ("no",))),
        ({"on": 1}, ("bad-value", ("on",))),
        ({"on": "true"}, ("bad-value", ("on",))),
        ({"count": True}, ("bad-value", ("count",))),
        ({"count": 1.0}, ("bad-value", ("count",))),
        ({"count": 0}, ("bad-value", ("count",))),
        ({"share": 0}, ("bad-value", ("share",))),
        ({"share": False}, ("bad-value", ("share",))),
        ({"word": 1}, ("bad-value", ("word",))),
        ({"kind": "c"}, ("bad-choice", ("kind",))),
        ({"kind": "A"}, ("bad-choice", ("kind",))),
        ({"kind": 2.5}, ("bad-choice", ("kind",))),
        ({"kind": True}, ("bad-choice", ("kind",))),
        ({"method": "gptq"}, ("bad-choice", ("method",))),
        ({"words": "a"}, ("bad-value", ("words",))),
        ({"words": ["a", 1]}, ("bad-value", ("words", 1))),
        ({"sizes": [1, 1.5]}, ("bad-value", ("sizes", 1))),
        ({"numbers": {"a": "1"}}, ("bad-value", ("numbers", "a"))),
        ({"either": 1}, ("bad-value", ("either",))),
        ({"either": {"a": 1}}, ("bad-value", ("either", "a"))),
        ({"inner": 1}, ("bad-value", ("inner",))),
        ({"inner": {"depth": 10}}, ("bad-value", ("inner", "depth"))),
        ({"inner": {"outer": {"inner": {"nam": "x"}}}}, ("unknown-field", ("inner", "outer", "inner", "nam"))),
        ({"maybe": {"depth": 10}}, ("bad-value", ("maybe", "depth"))),
        ({"maybe": "x"}, ("bad-value", ("maybe",))),
        ({"parser": "mine"}, ("bad-choice", ("parser",))),
        ({"parser": "mine", "plugin": ""}, ("bad-choice", ("parser",))),
        ({"parser": 1}, ("bad-value", ("parser",))),
        ({"backend": "nobody"}, ("bad-choice", ("backend",))),
        ({"elsewhere": 1}, ("bad-value", ("elsewhere",))),
    ],
)
def test_what_does_not_fit_is_told_where_it_is(value: dict[str, Any], problem: tuple[str, KeyPath]) -> None:
    assert brief(value) == [problem]


def test_every_problem_is_told() -> None:
    assert brief({"on": 1, "count": "x", "inner": {"depth": "y", "x": 1}}) == [
        ("bad-value", ("on",)),
        ("bad-value", ("count",)),
        ("bad-value", ("inner", "depth")),
        ("unknown-field", ("inner", "x")),
    ]


def test_dashes_stand_for_underscores_only_where_that_is_said() -> None:
    objects: dict[str, dict[str, Shape]] = {
        "Outer": {"num_tokens": {"type": "integer"}, "inner": {"object": "Inner"}},
        "Inner": {"num_words": {"type": "integer"}},
    }
    table = FlagTable(engine="vllm", version="0.33.0", source="", flags={}, spellings={}, objects=objects)
    (problem,) = mismatches({"num-tokens": 3}, "Outer", table)
    assert (problem.id, problem.instead) == ("unknown-field", "num_tokens")
    assert list(mismatches({"num-tokens": 3}, "Outer", table, dashed=True)) == []
    (problem,) = mismatches({"num-tokens": "3"}, "Outer", table, dashed=True)
    assert problem.path == ("num-tokens",)
    (problem,) = mismatches({"inner": {"num-words": 3}}, "Outer", table, dashed=True)
    assert (problem.id, problem.path) == ("unknown-field", ("inner", "num-words")), "at the top only"


def test_the_next_step_is_named() -> None:
    assert seen({"coun": 1})[0].instead == "count"
    assert seen({"coun": 1})[0].hint == "did you mean `count`?"
    assert seen({"count": "5"})[0].hint == "write it without quotes: `count = 5`"
    assert seen({"on": "True"})[0].hint == "write it without quotes: `on = true`"
    assert seen({"word": 5})[0].hint == 'write it in quotes: `word = "5"`'
    assert seen({"words": "a"})[0].hint == 'write `words = ["a"]`'
    assert seen({"words": [5]})[0].hint == 'write it in quotes: `"5"`'
    assert seen({"kind": "c"})[0].wants == 'one of "a", "b", 2'
    assert seen({"either": 1})[0].wants == "a string or a table"


def test_an_object_that_holds_itself_ends() -> None:
    value: dict[str, Any] = {}
    for _ in range(2000):
        value = {"inner": {"outer": value}}
    assert seen(value) == []
    assert seen([], "Outer") == []
    assert seen({"x": 1}, "Nowhere") == []


@st.composite
def values_of(draw: st.DrawFn, table: FlagTable, shape: Shape, depth: int = 0) -> Any:
    """A value of that form, as `nouns.flags.Shape` describes it."""
    if shape.get("names") in table.names and shape.get("type", "string") == "string":
        return draw(st.sampled_from(sorted(table.names[shape["names"]])))
    if "object" in shape:
        return draw(tables_of(table, shape["object"], depth + 1))
    if "anyOf" in shape:
        return draw(values_of(table, draw(st.sampled_from(shape["anyOf"])), depth))
    if "enum" in shape:
        return draw(st.sampled_from(shape["enum"]))
    if shape.get("type") == "array":
        return draw(st.lists(values_of(table, shape.get("items", {}), depth + 1), max_size=2))
    if shape.get("type") == "object":
        return draw(
            st.dictionaries(
                st.text(max_size=4), values_of(table, shape.get("additionalProperties", {}), depth + 1), max_size=2
            )
        )
    low, high = shape.get("minimum"), shape.get("maximum")
    above, below = shape.get("exclusiveMinimum"), shape.get("exclusiveMaximum")
    if shape.get("type") == "integer":
        least = low if above is None else int(above) + 1
        return draw(st.integers(None if least is None else int(least), None if high is None else int(high)))
    if shape.get("type") == "number":
        floats = st.floats(
            above if above is not None else low,
            below if below is not None else high,
            exclude_min=above is not None,
            exclude_max=below is not None,
            allow_nan=False,
            allow_infinity=False,
        )
        return draw(floats)
    return draw({"boolean": st.booleans(), "string": st.text(max_size=8)}.get(shape.get("type", ""), st.integers()))


@st.composite
def tables_of(draw: st.DrawFn, table: FlagTable, held: str, depth: int = 0) -> dict[str, Any]:
    """A table for the object `held`, with a few of its fields."""
    fields = table.objects.get(held, {})
    few = 0 if depth > 3 or not fields else 4
    keys = draw(st.lists(st.sampled_from(sorted(fields)), max_size=few, unique=True)) if few else []
    return {key: draw(values_of(table, fields[key], depth)) for key in keys}


def real(version: str) -> FlagTable:
    found = flag_table("vllm", version)
    assert found is not None
    return found


ANY_REAL = st.sampled_from(["0.11.0", "0.19.1", "0.33.0"]).flatmap(
    lambda version: st.sampled_from(sorted(real(version).objects)).map(lambda held: (version, held))
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), ANY_REAL | st.just(("", "Outer")))
def test_what_is_made_by_a_form_fits_it(data: st.DataObject, where: tuple[str, str]) -> None:
    version, held = where
    table = real(version) if version else TABLE
    value = data.draw(tables_of(table, held))
    assert list(mismatches(value, held, table)) == []


WRONG: dict[str, list[Any]] = {
    "boolean": [1, "true", []],
    "integer": ["1", 1.5, True, []],
    "number": ["1", True, []],
    "string": [1, True, []],
    "array": ["x", 1, {}],
    "object": ["x", 1, []],
}


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), ANY_REAL | st.just(("", "Outer")))
def test_what_is_broken_in_one_place_is_refused_there(data: st.DataObject, where: tuple[str, str]) -> None:
    version, held = where
    table = real(version) if version else TABLE
    fields = table.objects[held]
    checked = sorted(key for key, shape in fields.items() if "type" in shape or "enum" in shape or "object" in shape)
    value = data.draw(tables_of(table, held))
    key = data.draw(st.sampled_from([*checked, "no_such_field"]))
    if key == "no_such_field":
        broken: Any = data.draw(st.integers())
    elif "type" in fields[key]:
        broken = data.draw(st.sampled_from(WRONG[fields[key]["type"]]))
    else:
        broken = data.draw(st.sampled_from([[], "no such word"] if "enum" in fields[key] else [[], 1, "x"]))
    assume(fields.get(key, {}).get("names") is None)
    found = list(mismatches({**value, key: broken}, held, table))
    assert [problem.path[:1] for problem in found] == [(key,)]


@pytest.mark.parametrize("version", versions("vllm"))
def test_every_default_of_every_version_fits(version: str) -> None:
    """A field's own default is of its form, and what a form wants can be said."""
    for held, fields in real(version).objects.items():
        for key, shape in fields.items():
            assert wanted(shape)
            json.dumps(shape)
            if "default" in shape and shape.get("names") is None:
                found = list(mismatches({key: shape["default"]}, held, real(version)))
                assert found == [], (held, key, shape)
