"""The form of a flag table: every part of a real one is needed as it is."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from argparse_model import document

from stowplan.engines.flags import versions
from stowplan.engines.table_form import misshapen
from stowplan.words.keypath import format_keypath

TABLE: dict[str, Any] = {
    "format": 2,
    "engine": "vllm",
    "version": "0.99.0",
    "source": "this test",
    "allow_abbrev": True,
    "flags": {
        "--dtype": {
            "type": "str",
            "default": None,
            "group": "G",
            "help": "H.",
            "choices": ["auto", 1, None],
            "suggest": ["x"],
            "aliases": ["-d"],
            "neg": ["--no-dtype"],
            "nargs": "+",
            "action": "AppendAction",
            "minimum": 1,
            "maximum": 2.5,
            "exclusiveMinimum": 0,
            "exclusiveMaximum": 3,
            "deprecated": True,
            "names": "dtypes",
            "any_case": True,
            "opened_by": "plugin",
            "object": "Config",
        }
    },
    "objects": {
        "Config": {
            "field": {
                "type": "array",
                "description": "D.",
                "items": {"type": "string", "enum": ["a"]},
                "anyOf": [{"object": "Config"}],
                "additionalProperties": {"minimum": 1},
            }
        }
    },
    "names": {"dtypes": ["auto"]},
    "quantization": {"fp8": {"capability": 89, "dtypes": ["half"]}},
    "attention": {"FLASH_ATTN": {"capabilities": [80], "kv_cache_dtypes": ["auto"]}},
    "considered": {"89": {"mla": ["FLASH_ATTN"], "other": []}},
    "variables": ["VLLM_X"],
}
NEEDED = (
    *((key,) for key in TABLE if key not in ("format", "allow_abbrev")),
    *(("flags", "--dtype", key) for key in ("type", "default")),
    *(("quantization", "fp8", key) for key in ("capability", "dtypes")),
    *(("attention", "FLASH_ATTN", key) for key in ("capabilities", "kv_cache_dtypes")),
)
ALSO: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), (int, float)),
    **dict.fromkeys(("choices", "suggest", "enum"), (str, int, float, bool, type(None))),
    "additionalProperties": (bool,),
    "nargs": (int,),
}
"""Types that a part may have beside the one it has here; of a list, those of its items, too."""
FREE = ("format", "default")
"""Keys that may hold anything here: `format` is looked at before, a default is only shown."""


def parts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all that is inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from parts(each, (*path, key))


def put(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(TABLE)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


@pytest.mark.parametrize("version", versions("vllm"))
def test_every_captured_table_has_the_form(version: str) -> None:
    assert misshapen(document(version)) is None


def test_this_one_has_it_too() -> None:
    assert misshapen(TABLE) is None


@pytest.mark.parametrize("path", [path for path in parts(TABLE) if path[-1] not in FREE])
def test_a_part_of_another_type_is_named(path: tuple[Any, ...]) -> None:
    value: Any = TABLE
    for key in path:
        value = value[key]
    *_, last = (key for key in path if isinstance(key, str))
    others: tuple[Any, ...] = (None, 7, 7.5, "text", True, [], {}, [[]], {"x": []})
    for other in others:
        if type(other) not in {type(value), *ALSO.get(last, ())}:
            wrong = misshapen(put(path, other))
            assert wrong == format_keypath(path), other


@pytest.mark.parametrize("path", NEEDED)
def test_a_part_that_is_needed_is_missed(path: tuple[str, ...]) -> None:
    changed = copy.deepcopy(TABLE)
    place = changed
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    assert misshapen(changed) == format_keypath(path)


def test_a_list_that_may_not_be_empty() -> None:
    assert misshapen(put(("flags", "--dtype", "neg"), [])) == "flags.--dtype.neg"
    assert misshapen(put(("objects", "Config", "field", "anyOf"), [])) == "objects.Config.field.anyOf"
    assert misshapen(put(("flags", "--dtype", "aliases"), [])) is None


@pytest.mark.parametrize("bound", [float("nan"), float("inf"), -float("inf"), 10**400])
def test_a_bound_is_a_number_that_can_be_compared(bound: float) -> None:
    assert misshapen(put(("flags", "--dtype", "minimum"), bound)) == "flags.--dtype.minimum"


def test_what_is_no_table_at_all() -> None:
    assert misshapen([]) == misshapen(None) == misshapen("x") == ""
