"""What a schema says of one flag: as the parser and the configuration behind it read it, and never stricter."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowplan.engines.flags import flag_table, versions
from stowplan.engines.nested import mismatches
from stowplan.engines.spelling import misfit
from stowplan.engines.values import refused
from stowplan.nouns.flags import Flag, FlagTable
from stowplan.stages.emit.flag_schema import flags_schema, values

VALUES: list[Any] = [True, False, 0, 1, -1, 0.5, 2.5, 100, "x", "auto", "AWQ", "", "-x", "8k", {}, {"a": 1}]
LISTS: list[Any] = [[], ["x"], ["-x"], [1], [True], [[1]], [{}], [{"name": "x"}]]
OBJECTS: dict[str, dict[str, dict[str, Any]]] = {
    "Plan": {
        "level": {"type": "integer", "minimum": 0, "maximum": 3, "default": 0, "description": "How much."},
        "sizes": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"enum": ["all"]}]}},
        "share": {"exclusiveMinimum": 0, "anyOf": [{"type": "number"}, {"enum": ["auto"]}]},
        "method": {"names": "methods", "any_case": True, "anyOf": [{"enum": ["awq"]}, {"type": "string"}]},
        "connector": {"type": "string", "names": "methods", "opened_by": "module"},
        "passes": {"type": "object", "additionalProperties": {"type": "string"}},
        "extra": {"type": "object"},
        "draft": {"object": "Draft", "description": "The smaller one."},
        "free": {"description": "Any value."},
    },
    "Draft": {"plan": {"object": "Plan"}, "depth": {"type": "integer"}},
    "Bare": {},
}
NAMES = {"methods": ("awq", "gptq_marlin", "fp8.v1", "a+b")}


def table(*flags: Flag, version: str = "1.0.0", objects: Mapping[str, Any] = OBJECTS) -> FlagTable:
    """A flag table with these flags and nothing else."""
    return FlagTable(
        engine="vllm",
        version=version,
        source="by hand",
        flags={flag.name: flag for flag in flags},
        spellings={},
        names=NAMES,
        objects=objects,
    )


def schema(*tables: FlagTable, name: str = "x") -> Any:
    """The schema of one flag of one or several versions."""
    whole = flags_schema(tables)
    jsonschema.Draft7Validator.check_schema(whole)
    return whole["properties"][name]


def taken(form: Any, *tried: Any) -> list[Any]:
    """Which of `tried` a schema takes."""
    validator = jsonschema.Draft7Validator(form)
    return [value for value in tried if validator.is_valid(value)]


def flag(kind: str = "str", **more: Any) -> Flag:
    return Flag(name="x", type=kind, **more)


def test_every_flag_of_every_version_against_check() -> None:
    """An editor takes of one value what the parser and the configuration behind it take, no more and no less."""
    seen = set()
    for version in versions("vllm"):
        found = flag_table("vllm", version)
        assert found is not None
        for own in found.flags.values():
            if (mark := repr((replace(own, help="", group=""), found.names.get(own.names or "")))) in seen:
                continue
            seen.add(mark)
            validator = jsonschema.Draft7Validator(values(own, found))
            for value in (*VALUES, *LISTS, *own.choices, *own.suggestions, *found.names.get(own.names or "", ())[:3]):
                if (own.object is not None and isinstance(value, list)) or (own.names and not isinstance(value, str)):
                    continue  # no object is made of a list, and no name is a number: the engine alone says so
                assert validator.is_valid(value) == is_taken(own, value, found), (version, own.name, value)
    assert len(seen) > 300


def is_taken(own: Flag, value: Any, found: FlagTable) -> bool:
    """What check says of a flag's value by itself, where no plugin brings names."""
    if misfit(own, value) is not None:
        return False
    problems = [each for each in refused(own, value, found) if own.opened_by is None or not each.needs_opening]
    return not problems and (own.object is None or not [*mismatches(value, own.object, found)])


def test_every_field_of_every_version_against_check() -> None:
    """The same of each field of a JSON flag; a name that is no string is looked at by the engine alone."""
    seen = set()
    for version in versions("vllm"):
        found = flag_table("vllm", version)
        assert found is not None
        for name, fields in found.objects.items():
            whole = values(flag("json", object=name), found)
            for field, shape in fields.items():
                if (mark := repr((name, field, shape, found.names.get(shape.get("names", ""))))) in seen:
                    continue
                seen.add(mark)
                validator = jsonschema.Draft7Validator(whole["properties"][field])
                for value in (*VALUES, *LISTS, *shape.get("enum", ())):
                    fits = not [*mismatches({field: value}, name, found)]
                    if "names" in shape and (not isinstance(value, str) or "opened_by" in shape):
                        continue
                    assert validator.is_valid(value) == fits, (version, name, field, value)
    assert len(seen) > 200


@pytest.mark.parametrize("version", versions("vllm"))
def test_every_table_makes_a_schema(version: str) -> None:
    found = flag_table("vllm", version)
    assert found is not None
    jsonschema.Draft7Validator.check_schema(flags_schema([found]))


class TestBounds:
    def test_inclusive_and_exclusive(self) -> None:
        form = schema(table(flag("int", minimum=1, maximum=8)))
        assert taken(form, 0, 1, 8, 9, True, "1") == [1, 8]
        form = schema(table(flag("float", above=0, below=1)))
        assert taken(form, 0, 0.0, 0.01, 0.99, 1) == [0.01, 0.99]

    def test_beside_a_word(self) -> None:
        form = schema(table(flag("human_readable_int_or_auto", minimum=-1)))
        assert taken(form, -2, -1, "auto", "other") == [-1, "auto"]
        assert form["anyOf"][0] == {"type": "integer", "minimum": -1}

    def test_of_each_item(self) -> None:
        assert taken(schema(table(flag("int", many=True, above=0))), [1, 2], [0], []) == [[1, 2]]


class TestNames:
    def test_a_registry_that_is_closed(self) -> None:
        form = schema(table(flag(names="methods", suggestions=("auto",))))
        assert form["enum"] == ["awq", "gptq_marlin", "fp8.v1", "a+b", "auto"]

    def test_in_any_case(self) -> None:
        form = schema(table(flag(names="methods", any_case=True, suggestions=("auto", "awq"))))
        assert taken(form, "AWQ", "Gptq_Marlin", "Auto", "FP8.V1", "A+B") == [
            "AWQ",
            "Gptq_Marlin",
            "Auto",
            "FP8.V1",
            "A+B",
        ]
        assert taken(form, "awk", "xawq", "awqx", "fp8xv1", "aab", "gptq-marlin", 1) == []
        assert form["examples"] == ["awq", "gptq_marlin", "fp8.v1", "a+b", "auto"]

    def test_a_plugin_brings_others(self) -> None:
        form = schema(table(flag(names="methods", opened_by="plugin")))
        assert taken(form, "awq", "mine", 1) == ["awq", "mine"]
        assert form["examples"] == list(NAMES["methods"])

    def test_a_registry_that_is_not_known_is_open(self) -> None:
        assert taken(schema(table(flag(names="parsers", suggestions=("a",)))), "a", "b", 1) == ["a", "b"]

    def test_suggestions_are_offered_not_required(self) -> None:
        form = schema(table(flag(suggestions=("auto", "hf"))))
        assert (form["examples"], taken(form, "auto", "mine")) == (["auto", "hf"], ["auto", "mine"])

    @given(st.text("aAbB.+*?[](){}|^$\\\\-_/ ", min_size=1), st.text("aAbB.+*?[](){}|^$\\\\-_/ ", min_size=1))
    def test_a_name_is_itself_and_no_pattern(self, name: str, other: str) -> None:
        form = values(flag(names="methods", any_case=True), replace(table(), names={"methods": (name,)}))
        assert taken(form, name, name.upper(), name.lower()) == [name, name.upper(), name.lower()]
        assert bool(taken(form, other)) is (other.lower() == name.lower())


class TestChoices:
    def test_are_all_there_is(self) -> None:
        assert schema(table(flag(choices=("a", "b"))))["enum"] == ["a", "b"]
        assert schema(table(flag("int", choices=(1, 8))))["enum"] == [1, 8]

    def test_a_converter_of_its_own_reads_other_spellings(self) -> None:
        own = flag("<lambda>", choices=("flashinfer_cutlass", "auto"))
        tried = ["flashinfer_cutlass", "Flashinfer-Cutlass", "AUTO", "flashinfercutlass", "cutlass"]
        assert taken(schema(table(own)), *tried) == tried[:3] == [each for each in tried if misfit(own, each) is None]

    def test_a_flag_that_cannot_be_turned_off(self) -> None:
        assert taken(schema(table(flag("flag", default=True))), True, False) == [True]
        assert taken(schema(table(flag("flag", default=False))), True, False) == [True, False]

    def test_a_flag_that_may_stand_alone(self) -> None:
        assert taken(schema(table(flag(bare=True, choices=("a",)))), True, False, "a", "b") == [True, "a"]


class TestObjects:
    @pytest.fixture
    def form(self) -> Any:
        return schema(table(flag("json:Plan", object="Plan")))

    @pytest.mark.parametrize(
        "value",
        [
            {},
            {"level": 3},
            {"sizes": [1, "all"]},
            {"share": "auto"},
            {"share": 0.5},
            {"method": "AWQ"},
            {"connector": "mine"},
            {"passes": {"a": "b"}},
            {"extra": {"a": {"b": 1}}},
            {"free": 1},
            {"free": {"a": {"b": 1}}},
            {"draft": {"depth": 1}},
            {"draft": {"plan": {"any": "thing"}}},
        ],
    )
    def test_what_it_takes(self, value: Any, form: Any) -> None:
        assert taken(form, value) == [value]

    @pytest.mark.parametrize(
        "value",
        [
            {"levels": 3},
            {"level": 4},
            {"level": "3"},
            {"sizes": ["some"]},
            {"share": 0},
            {"method": "awk"},
            {"connector": 1},
            {"passes": {"a": 1}},
            {"extra": 1},
            {"draft": {"depht": 1}},
            [],
            "{}",
        ],
    )
    def test_what_it_does_not(self, value: Any, form: Any) -> None:
        assert taken(form, value) == []

    def test_fields_keep_their_words(self, form: Any) -> None:
        assert form["properties"]["level"]["description"] == "How much."
        assert form["properties"]["level"]["default"] == 0
        assert form["properties"]["draft"]["description"] == "The smaller one."

    def test_one_that_is_not_known_is_open(self) -> None:
        for name in ("Bare", "Absent"):
            assert taken(schema(table(flag("json?", object=name))), {"a": {"b": 1}}, []) == [{"a": {"b": 1}}]

    def test_or_a_string(self) -> None:
        form = schema(table(flag("str|json", object="Draft")))
        assert taken(form, "a", {"depth": 1}, {"depht": 1}, 1) == ["a", {"depth": 1}]


class TestTwoVersions:
    def test_equal_ones_are_one(self) -> None:
        old = table(flag("int", default=1, help="Old words.", group="A"))
        new = table(flag("int", default=2, help="New words.", group="A"), version="2.0.0")
        assert schema(old, new) == {"type": "integer", "description": "New words.\n\nvllm 2.0.0, 1.0.0, A"}
        assert schema(old, table(old.flags["x"], version="2.0.0"))["default"] == 1

    def test_what_only_one_has(self) -> None:
        form = schema(table(), table(flag("int"), version="2.0.0"))
        assert form == {"type": "integer", "description": "vllm 2.0.0"}

    def test_different_ones_are_either(self) -> None:
        form = schema(table(flag(choices=("a", "b"))), table(flag(choices=("b", "c"), help="New."), version="2.0.0"))
        assert form == {
            "anyOf": [{"enum": ["b", "c"]}, {"enum": ["a", "b"]}],
            "description": "New.\n\nvllm 2.0.0, 1.0.0",
        }

    def test_objects_are_joined_key_by_key(self) -> None:
        later = {"Plan": {"level": {"type": "integer"}, "mode": {"enum": ["x"]}}}
        own = flag("json:Plan", object="Plan")
        form = schema(table(own), table(own, version="2.0.0", objects=later))
        assert form["additionalProperties"] is False
        assert form["properties"].keys() == OBJECTS["Plan"].keys() | {"mode"}
        assert taken(form, {"level": 9}, {"mode": "x"}, {"share": "auto"}, {"modes": "x"}) == [
            {"level": 9},
            {"mode": "x"},
            {"share": "auto"},
        ]

    def test_names_of_both_are_offered(self) -> None:
        own = flag(names="methods", opened_by="plugin")
        newer = replace(table(own, version="2.0.0"), names={"methods": ("new", "awq")})
        assert schema(table(own), newer)["examples"] == ["new", "awq", "gptq_marlin", "fp8.v1", "a+b"]

    def test_only_what_all_deprecate_is_deprecated(self) -> None:
        old, new = table(flag(deprecated=True)), table(flag(), version="2.0.0")
        assert "deprecated" not in schema(old, new)
        assert schema(old, table(flag(deprecated=True), version="2.0.0"))["deprecated"] is True

    def test_the_newest_is_the_highest_number(self) -> None:
        old, new = table(flag(help="Old."), version="0.9.0"), table(flag(help="New."), version="0.10.0")
        assert schema(new, old) == schema(old, new)
        assert schema(old, new)["description"] == "New.\n\nvllm 0.10.0, 0.9.0"

    def test_each_takes_what_it_takes_alone(self) -> None:
        """Of every flag of the oldest and the newest table that there is."""
        oldest, newest = (flag_table("vllm", versions("vllm")[at]) for at in (0, -1))
        assert oldest is not None
        assert newest is not None
        joined = flags_schema([oldest, newest])["properties"]
        for one in (oldest, newest):
            for name, form in flags_schema([one])["properties"].items():
                tried = [*VALUES, *LISTS, *one.flags[name].choices]
                assert set(map(repr, taken(form, *tried))) <= set(map(repr, taken(joined[name], *tried))), name


def test_defaults_that_stand_for_something_else_are_left_out() -> None:
    for default in ({"$obj": "Plan"}, {"$suppress": True}, {"$repr": "<a>"}, None):
        assert "default" not in schema(table(flag("json", default=default)))
    for default in (False, 0, "", {}):
        assert schema(table(flag("json", default=default)))["default"] == default
