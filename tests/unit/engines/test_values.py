"""Bounds and names: what a configuration refuses of a value that the parser lets through."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowplan.engines.flags import flag_table, versions
from stowplan.engines.values import Refused, elsewhere, has_limits, outside, refused, span, unknown_name
from stowplan.nouns.flags import Flag, FlagTable

NUMBERS = st.one_of(st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False))
BOUNDS = st.none() | NUMBERS


def table(version: str = "0.33.0") -> FlagTable:
    found = flag_table("vllm", version)
    assert found is not None
    return found


def seen(name: str, value: Any, version: str = "0.33.0") -> list[Refused]:
    return list(refused(table(version).flags[name], value, table(version)))


def numeric(**bounds: Any) -> Flag:
    return Flag(name="x", type="float", **bounds)


@pytest.mark.parametrize(
    ("value", "bounds", "wants"),
    [
        (0, {"minimum": 1}, "a number at least 1"),
        (1, {"minimum": 1}, None),
        (0, {"above": 0, "maximum": 1}, "a number above 0 and at most 1"),
        (1, {"above": 0, "maximum": 1}, None),
        (1.0001, {"above": 0, "maximum": 1}, "a number above 0 and at most 1"),
        (1.0, {"minimum": 0, "below": 1}, "a number at least 0 and below 1"),
        (0.999, {"minimum": 0, "below": 1}, None),
        (70000, {"minimum": 1, "maximum": 65535}, "a number at least 1 and at most 65535"),
        (-2, {"minimum": -1}, "a number at least -1"),
    ],
)
def test_bounds(value: float, bounds: dict[str, float], wants: str | None) -> None:
    found = [problem.wants for problem in refused(numeric(**bounds), value, table())]
    assert found == ([wants] if wants else [])


@pytest.mark.parametrize("value", [True, False, "0", [], {}, None])
def test_what_is_no_number_has_no_bounds(value: Any) -> None:
    assert list(refused(numeric(minimum=5), value, table())) == []


@given(NUMBERS, BOUNDS, BOUNDS, BOUNDS, BOUNDS)
def test_a_span_holds_what_is_not_outside(value: float, minimum: Any, maximum: Any, above: Any, below: Any) -> None:
    flag = numeric(minimum=minimum, maximum=maximum, above=above, below=below)
    low, high = span(flag)
    if low <= value <= high:
        assert outside(value, minimum, maximum, above, below) is None
    elif not any(isinstance(bound, int) and abs(bound) > 2**52 for bound in (above, below)):
        assert outside(value, minimum, maximum, above, below) is not None


def test_a_span_without_bounds_holds_everything_but_nan() -> None:
    low, high = span(numeric())
    assert low <= 10**30 <= high
    assert low <= -math.inf <= math.inf <= high
    assert not low <= math.nan <= high


def test_a_default_is_always_fine() -> None:
    assert list(refused(numeric(minimum=5, default=0), 0, table())) == []
    assert list(refused(Flag(name="x", type="str", names="load_formats", default="odd"), "odd", table())) == []


def test_the_items_of_a_list_are_looked_at_one_by_one() -> None:
    flag = Flag(name="x", type="int", many=True, minimum=1)
    assert [problem.path for problem in refused(flag, [1, 0, 2, -1], table())] == [(1,), (3,)]


def test_names_of_a_registry() -> None:
    assert seen("load-format", "safetensors") == []
    assert seen("load-format", "SafeTensors") == []
    (problem,) = seen("load-format", "safetensor")
    assert (problem.id, problem.needs_opening) == ("bad-choice", True)
    assert problem.hint == "did you mean `safetensors` or `fastsafetensors` or `instanttensor`?"
    assert seen("reasoning-parser", "qwen3") == []
    assert len(seen("reasoning-parser", "Qwen3")) == 1
    assert seen("tokenizer-mode", "auto") == [], "a word beside the registry"
    assert seen("quantization", 8) == [], "the parser's business"


def test_a_registry_that_the_table_has_not_is_not_looked_into() -> None:
    assert "tokenizer_modes" not in table("0.11.0").names
    assert seen("tokenizer-mode", "nobody", "0.11.0") == []
    assert unknown_name("x", "no-such-registry", table()) is None


def test_a_name_says_which_versions_have_it() -> None:
    assert elsewhere("gguf", "quantization", table()) == (
        "vllm had it up to 0.23.0: It moved into the plugin vllm-gguf-plugin, to be installed beside vLLM"
    )
    assert elsewhere("auto_awq", "quantization", table("0.11.0")) == "it came with vllm 0.24.0"
    assert elsewhere("nobody", "quantization", table()) is None
    (problem,) = seen("quantization", "bitsandbytes")
    assert str(problem.hint).startswith("vllm had it up to 0.27.1")


def test_a_short_registry_is_listed() -> None:
    found = unknown_name("nobody", "tokenizer_modes", table())
    assert found is not None
    assert found.wants.startswith("one of ")
    assert '"mistral"' in found.wants
    long = unknown_name("nobody", "tool_parsers", table())
    assert long is not None
    assert long.wants == "a name that vllm 0.33.0 knows"


@pytest.mark.parametrize("version", versions("vllm"))
def test_every_default_and_every_suggestion_of_every_version_is_fine(version: str) -> None:
    flags = table(version).flags
    for name in flags:
        flag = flags[name]
        if has_limits(flag):
            for value in (flag.default, *flag.suggestions):
                assert list(refused(flag, value, table(version))) == [], (name, value)
            known = table(version).names.get(flag.names or "", ())
            assert all(not list(refused(flag, value, table(version))) for value in known), name
