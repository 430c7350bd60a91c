"""Flags that need, exclude or repeat each other; adapters; the way tokens are proposed."""

from typing import Any

import pytest
from configured import brief, errors, told, warnings

NGRAM = {"method": "ngram", "num_speculative_tokens": 3}
DRAFT = {"model": "/srv/draft", "num_speculative_tokens": 3}
MODULES = ["a=/srv/a"]

Flags = dict[str, Any]

REFUSED: list[tuple[str, Flags, tuple[str, str]]] = [
    # one needs another
    ("0.33.0", {"enable-auto-tool-choice": True}, ("flag-missing", "enable-auto-tool-choice")),
    ("0.11.0", {"enable-log-outputs": True}, ("flag-missing", "enable-log-outputs")),
    ("0.33.0", {"lora-modules": MODULES}, ("flag-missing", "lora-modules")),
    ("0.33.0", {"lora-modules": MODULES, "enable-lora": False}, ("flag-missing", "lora-modules")),
    # one excludes another
    (
        "0.33.0",
        {"enable-per-request-metrics": True, "disable-log-stats": True},
        ("flags-conflict", "enable-per-request-metrics"),
    ),
    # said twice
    (
        "0.33.0",
        {"attention-backend": "TRITON_ATTN", "attention-config": {"backend": "TRITON_ATTN"}},
        ("flags-conflict", "attention-backend"),
    ),
    (
        "0.12.0",
        {"cuda-graph-sizes": [1], "compilation-config": {"cudagraph_capture_sizes": [1]}},
        ("flags-conflict", "cuda-graph-sizes"),
    ),
    (
        "0.33.0",
        {"cudagraph-capture-sizes": [1], "compilation-config": {"cudagraph_capture_sizes": [1]}},
        ("flags-conflict", "cudagraph-capture-sizes"),
    ),
    ("0.33.0", {"spec-tokens": 2, "speculative-config": NGRAM}, ("flags-conflict", "spec-tokens")),
    # adapters
    ("0.33.0", {"enable-lora": True, "max-loras": 4, "max-cpu-loras": 2}, ("flags-conflict", "max-cpu-loras")),
    ("0.11.0", {"enable-lora": True, "max-lora-rank": 20}, ("bad-choice", "max-lora-rank")),
    # how tokens are proposed
    ("0.33.0", {"speculative-config": {"method": "ngram"}}, ("flag-missing", "speculative-config")),
    ("0.11.0", {"speculative-config": {"method": "mtp"}}, ("flag-missing", "speculative-config")),
    ("0.33.0", {"speculative-config": {"num_speculative_tokens": 3}}, ("flag-missing", "speculative-config")),
    ("0.33.0", {"spec-method": "eagle3", "spec-tokens": 3}, ("flag-missing", "spec-method")),
    ("0.33.0", {"spec-method": "ngram"}, ("flag-missing", "spec-method")),
    (
        "0.33.0",
        {"speculative-config": {**NGRAM, "prompt_lookup_min": 5, "prompt_lookup_max": 2}},
        ("flags-conflict", "prompt_lookup_min"),
    ),
    ("0.14.0", {"speculative-config": {**DRAFT, "method": "draft_model"}}, ("bad-choice", "method")),
    (
        "0.33.0",
        {"speculative-config": {**DRAFT, "draft_tensor_parallel_size": 2}},
        ("flags-conflict", "draft_tensor_parallel_size"),
    ),
    (
        "0.33.0",
        {"speculative-config": {**DRAFT, "max_model_len": 2048}, "max-model-len": 1024},
        ("flags-conflict", "max_model_len"),
    ),
]

FINE: list[tuple[str, Flags]] = [
    ("0.33.0", {"enable-auto-tool-choice": True, "tool-call-parser": "hermes"}),
    ("0.33.0", {"enable-auto-tool-choice": False}),
    ("0.33.0", {"lora-modules": MODULES, "enable-lora": True}),
    ("0.33.0", {"enable-log-outputs": True, "enable-log-requests": True}),
    ("0.33.0", {"enable-per-request-metrics": True, "disable-log-stats": False}),
    ("0.33.0", {"attention-backend": "TRITON_ATTN", "attention-config": {"flash_attn_version": 2}}),
    # 0.11.0 takes both, and lets the table hold
    ("0.11.0", {"cuda-graph-sizes": [1], "compilation-config": {"cudagraph_capture_sizes": [1]}}),
    ("0.33.0", {"spec-method": "ngram", "spec-tokens": 2}),
    ("0.33.0", {"spec-tokens": 2, "speculative-config": {"method": "ngram"}}),
    ("0.33.0", {"enable-lora": True, "max-loras": 4, "max-cpu-loras": 0}),
    ("0.33.0", {"max-loras": 4, "max-cpu-loras": 2}),
    ("0.11.0", {"enable-lora": True, "max-lora-rank": 32}),
    ("0.11.0", {"max-lora-rank": 20}),
    ("0.33.0", {"enable-lora": True, "max-lora-rank": 1}),
    ("0.33.0", {"speculative-config": {"method": "ngram", "num-speculative-tokens": 3}}),
    ("0.33.0", {"speculative-config": {"method": "mtp", "num_speculative_tokens": 1}}),
    ("0.33.0", {"speculative-config": {"method": "suffix"}}),
    # the draft may say how many tokens
    ("0.33.0", {"speculative-config": {"model": "/srv/draft"}}),
    ("0.15.1", {"speculative-config": {**DRAFT, "method": "draft_model"}}),
    ("0.33.0", {"speculative-config": {**DRAFT, "draft_tensor_parallel_size": 1}, "tensor-parallel-size": 2}),
    ("0.33.0", {"speculative-config": {**DRAFT, "draft_tensor_parallel_size": 2}, "tensor-parallel-size": 2}),
    ("0.33.0", {"speculative-config": {**DRAFT, "max_model_len": 1024}, "max-model-len": 2048}),
]


@pytest.mark.parametrize(("version", "flags", "expected"), REFUSED)
def test_what_does_not_go_together_is_refused(version: str, flags: Flags, expected: tuple[str, str]) -> None:
    assert errors(flags, version=version) == [expected]


@pytest.mark.parametrize(("version", "flags"), FINE)
def test_what_goes_together_is_let_through(version: str, flags: Flags) -> None:
    assert told(flags, version=version) == []


def test_a_speculator_brings_its_own_method() -> None:
    flags = {"speculative-config": {"num_speculative_tokens": 3}}
    assert errors(flags, architecture={"names": ("Eagle3DraftModel",)}) == []


def test_graphs_beside_eager_are_idle() -> None:
    eager = {"enforce-eager": True, "max-cudagraph-capture-size": 8, "compilation-config": {"cudagraph_mode": "FULL"}}
    assert sorted(warnings(eager)) == [
        ("flag-ignored", "cudagraph_mode"),
        ("flag-ignored", "max-cudagraph-capture-size"),
    ]
    assert told({**eager, "enforce-eager": False}) == []
    assert told({"enforce-eager": True, "compilation-config": {"cudagraph_mode": "NONE", "custom_ops": ["all"]}}) == []


def test_both_places_are_shown() -> None:
    (problem,) = told({"enable-lora": True, "max-loras": 4, "max-cpu-loras": 2})
    assert problem.at is not None
    assert [label.at.key for label in problem.also] == [("vllm", "max-loras")]
    assert "2" in problem.message
    assert "4" in problem.message


def test_a_table_is_shown_where_its_key_was_written() -> None:
    incomplete = {"speculative-config": {"method": "ngram"}}
    for about, key in (
        ({"vllm": incomplete}, ("vllm", "speculative-config")),
        ({"vllm": {}, "defaults": incomplete}, ("defaults", "vllm", "speculative-config")),
    ):
        (problem,) = told(**about)
        assert problem.at is not None
        assert problem.at.key == key


def test_an_alias_is_no_second_flag() -> None:
    """A key that is no flag of this version takes part in no rule; the first stage tells of it."""
    assert told({"enable_auto_tool_choice": True}) == []
    assert brief(told({"spec-tokens": 2, "speculative-config": NGRAM}, version="0.11.0")) == []
