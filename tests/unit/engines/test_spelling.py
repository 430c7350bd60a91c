"""Spelling: whatever a flag takes, the engine's parser reads back from the tokens."""

import argparse
import json
from functools import cache
from typing import Any

import pytest
from argparse_model import document, parsed, parser
from hypothesis import given
from hypothesis import strategies as st

from stowplan.engines.flags import Flag, flag_table, versions
from stowplan.engines.spelling import misfit, spell

VERSIONS = versions("vllm")
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.sampled_from(["-x", "--host", "--", "-1", "-0.5", "-O3", "=", "a=b", "auto", "{}", '{"a": 1}', "None", ""])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
SAMPLES: list[Any] = [
    *(True, False, 0, 1, -1, 8, 2**40, 0.5, -0.5, -1e-5, -1e22, 1e300),
    *("", "auto", "x y", "-x", "--host", "-1", "-0.5", "-O3", "a=b", "a.b", "$(x)", "é\n", "None", "{}", "[1]", "1k"),
    *("--", ["x=/y"]),
    *({}, {"a": {"b": [1, "-x", True, 0.1]}}, [], ["*"], ["a", "b"], ["-x"], ["-1"], [1, -1], [1.5, -0.5], [{"a": 1}]),
    *(["None"], [["a"]]),
]


@cache
def engine(version: str) -> tuple[argparse.ArgumentParser, dict[str, Flag], dict[str, str]]:
    """The parser, the flags, and each flag's type as the table writes it."""
    table = flag_table("vllm", version)
    assert table is not None
    kinds = {name.removeprefix("--"): entry["type"] for name, entry in document(version)["flags"].items()}
    return parser(version), dict(table.flags), kinds


def meant(flag: Flag, kind: str, value: Any) -> Any:
    """What the engine should understand by `value`."""
    if isinstance(value, list) and (flag.many or flag.repeat):
        return [meant_item(flag, kind, item) for item in value]
    return meant_item(flag, kind, value)


def meant_item(flag: Flag, kind: str, value: Any) -> Any:
    if kind.endswith("?") and value in ("", "None"):
        return None  # how vLLM says "nothing" for a value that may be left out
    if value == "auto" and kind == "human_readable_int_or_auto":
        return -1
    if flag.type == "float":
        return float(value)
    if (
        flag.type in ("str", "<lambda>", "parse_reasoning_parser")
        and isinstance(value, int | float)
        and not isinstance(value, bool)
    ):
        return str(value)
    return value


def assert_reads_back(version: str, name: str, value: Any) -> None:
    made, flags, kinds = engine(version)
    flag = flags[name]
    tokens = list(spell(flag, value))
    assert all(isinstance(token, str) for token in tokens)
    read = parsed(made, tokens)
    if not tokens:  # leaving the flag out must mean the same
        assert not value
        assert not flag.default
        return
    assert read.keys() == {f"--{name}"}
    understood = read[f"--{name}"]
    if flag.json_items:  # read item by item, by an action of its own
        understood = [
            json.loads(text) if isinstance(item, dict) else text for text, item in zip(understood, value, strict=True)
        ]
    assert understood == meant(flag, kinds[name], value)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_flag_reads_back_every_sample_it_takes(version: str) -> None:
    for name, flag in engine(version)[1].items():
        for value in [*SAMPLES, *flag.choices, *([choice] for choice in flag.choices)]:
            if misfit(flag, value) is None:
                assert_reads_back(version, name, value)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_flag_takes_something(version: str) -> None:
    for name, flag in engine(version)[1].items():
        samples = [*SAMPLES, *flag.choices, *([choice] for choice in flag.choices)]
        assert any(misfit(flag, value) is None for value in samples), name


@pytest.mark.parametrize("version", VERSIONS)
@given(data=st.data())
def test_any_flag_reads_back_any_value_it_takes(version: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(engine(version)[1])))
    flag = engine(version)[1][name]
    value = data.draw(JSON)
    if misfit(flag, value) is None:
        assert_reads_back(version, name, value)


@pytest.mark.parametrize("version", VERSIONS)
def test_flags_do_not_disturb_each_other(version: str) -> None:
    """All of them on one command line, each with the first sample it takes that says something."""
    made, flags, kinds = engine(version)
    argv: list[str] = []
    expected: dict[str, Any] = {}
    for name, flag in flags.items():
        samples = [*SAMPLES, *flag.choices, *([choice] for choice in flag.choices)]
        value = next(value for value in samples if value not in (False, "") and misfit(flag, value) is None)
        if tokens := spell(flag, value):
            argv += tokens
            expected[f"--{name}"] = meant(flag, kinds[name], value)
    read = parsed(made, ["model", *argv])
    assert read.pop("model_tag") == "model"
    assert read == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_a_boolean_that_can_be_turned_off_has_both_forms(version: str) -> None:
    made, flags, _ = engine(version)
    for name, flag in flags.items():
        if flag.off is not None:
            assert parsed(made, list(spell(flag, True))) == {f"--{name}": True}
            assert parsed(made, list(spell(flag, False))) == {f"--{name}": False}
        elif flag.type in ("bool", "flag"):
            assert parsed(made, list(spell(flag, True))) == {f"--{name}": True}
            assert (misfit(flag, False) is None) is not flag.default


# how it looks


def flag(name: str, version: str = "0.32.0") -> Flag:
    return engine(version)[1][name]


@pytest.mark.parametrize(
    ("name", "value", "tokens"),
    [
        ("max-model-len", 4096, ("--max-model-len", "4096")),
        ("max-model-len", -1, ("--max-model-len", "-1")),
        ("max-model-len", "auto", ("--max-model-len", "auto")),
        ("enforce-eager", True, ("--enforce-eager",)),
        ("enforce-eager", False, ("--no-enforce-eager",)),
        ("headless", False, ()),
        ("gpu-memory-utilization", 0.75, ("--gpu-memory-utilization", "0.75")),
        ("gpu-memory-utilization", 1, ("--gpu-memory-utilization", "1")),
        ("cpu-offload-gb", -0.5, ("--cpu-offload-gb=-0.5",)),
        ("chat-template", "-x.jinja", ("--chat-template=-x.jinja",)),
        ("hf-overrides", {"b": 1, "a": [True]}, ("--hf-overrides", '{"a":[true],"b":1}')),
        ("limit-mm-per-prompt", {"image": 2}, ("--limit-mm-per-prompt", '{"image":2}')),
        ("allowed-origins", ["*"], ("--allowed-origins", '["*"]')),
        ("middleware", ["a.B", "-c"], ("--middleware", "a.B", "--middleware=-c")),
        ("middleware", [], ()),
        ("cudagraph-capture-sizes", [1, 2], ("--cudagraph-capture-sizes", "1", "2")),
        ("hf-token", True, ("--hf-token",)),
    ],
)
def test_values_become_tokens(name: str, value: object, tokens: tuple[str, ...]) -> None:
    assert misfit(flag(name), value) is None
    assert spell(flag(name), value) == tokens


def test_a_boolean_that_takes_a_word_gets_one() -> None:
    assert spell(flag("guided-decoding-disable-fallback", "0.11.0"), True) == (
        "--guided-decoding-disable-fallback",
        "true",
    )


# what does not fit


@pytest.mark.parametrize(
    ("name", "value", "wants", "hint"),
    [
        ("enforce-eager", "true", "true or false", None),
        ("enforce-eager", 1, "true or false", None),
        ("seed", True, "an integer", None),
        ("seed", 1.0, "an integer", None),
        ("seed", "8", "an integer", "write it without quotes: `seed = 8`"),
        ("seed", "8k", "an integer", None),
        ("seed", "9" * 5000, "an integer", None),
        ("gpu-memory-utilization", "0.9", "a number", "write it without quotes: `gpu-memory-utilization = 0.9`"),
        ("chat-template", 5, "a string", 'write it in quotes: `chat-template = "5"`'),
        ("chat-template", ["a"], "a string", None),
        ("max-model-len", "8k", "a plain integer", "write the number: 8000 (vLLM reads `k` as 1000 and `K` as 1024)"),
        ("max-model-len", "8K", "a plain integer", "write the number: 8192 (vLLM reads `k` as 1000 and `K` as 1024)"),
        ("max-model-len", "9" * 400 + "k", 'an integer or "auto"', None),
        ("max-model-len", "8192", 'an integer or "auto"', "write it without quotes: `8192`"),
        ("max-model-len", 1.5, 'an integer or "auto"', None),
        ("max-num-batched-tokens", "auto", "an integer", None),
        ("hf-overrides", 5, "a string or a table", None),
        ("hf-overrides", [1], "a string or a table", None),
        ("hf-overrides", "{a}", "a table (its JSON is made from it)", None),
        ("limit-mm-per-prompt", "image=2", "a table (its JSON is made from it)", None),
        ("limit-mm-per-prompt", "[" * 5000, "a table (its JSON is made from it)", None),
        ("limit-mm-per-prompt", 5, "a table", None),
        ("middleware", "a.B", "a list", 'write `middleware = ["a.B"]`'),
        ("cudagraph-capture-sizes", [], "at least one item", "leave the key out, or unset it"),
        ("cudagraph-capture-sizes", [1, "2"], "an integer", "write it without quotes: `cudagraph-capture-sizes = 2`"),
    ],
)
def test_a_misfit_says_what_is_wanted(name: str, value: object, wants: str, hint: str | None) -> None:
    problem = misfit(flag(name), value)
    assert problem is not None
    assert (problem.id, problem.wants, problem.hint) == ("bad-value", wants, hint)


def test_json_in_a_string_is_shown_as_the_toml_it_should_be() -> None:
    problem = misfit(flag("hf-overrides"), '{"a.b": [1, {"c": "x"}]}')
    assert problem is not None
    assert problem.hint == 'write `hf-overrides = { "a.b" = [1, { c = "x" }] }`; the JSON is made from it'


def test_a_long_json_string_is_not_repeated() -> None:
    problem = misfit(flag("hf-overrides"), '{"a": "' + "x" * 2000 + '"}')
    assert problem is not None
    assert problem.hint == "write `hf-overrides = { ... }`; the JSON is made from it"


def test_items_that_the_engine_would_read_as_options_are_refused() -> None:
    problem = misfit(flag("ignore-patterns"), ["a", "--host"])
    assert problem is not None
    assert problem.wants.startswith("items that do not begin with a dash")


def test_a_choice_lists_what_there_is() -> None:
    problem = misfit(flag("dtype"), "float8")
    assert problem is not None
    assert (problem.id, problem.wants) == (
        "bad-choice",
        'one of "auto", "bfloat16", "float", "float16", "float32", "half"',
    )


def test_what_is_on_and_cannot_be_turned_off_is_not_false() -> None:
    stuck = Flag(name="x", type="flag", default=True)
    problem = misfit(stuck, False)
    assert problem is not None
    assert problem.wants == "true: this version has no way to turn it off"
