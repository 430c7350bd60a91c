"""How a model is shared among cards, and how many tokens and requests are taken at once."""

from typing import Any

import pytest
from configured import errors, told, warnings

from stowplan.nouns.facts import Context, Experts

Flags = dict[str, Any]
RANKS = {"data-parallel-size": 4}
MOE = {"architecture": {"experts": Experts(count=8)}}
WHOLE = {"enable-chunked-prefill": False}

REFUSED: list[tuple[str, Flags, tuple[str, str]]] = [
    ("0.11.0", {"tensor-parallel-size": 3}, ("flags-conflict", "tensor-parallel-size")),
    ("0.33.0", {"tensor-parallel-size": 3}, ("flags-conflict", "tensor-parallel-size")),
    (
        "0.33.0",
        {"tensor-parallel-size": 2, "decode-context-parallel-size": 4},
        ("flags-conflict", "decode-context-parallel-size"),
    ),
    ("0.33.0", {"enable-eplb": True, **RANKS}, ("flag-missing", "enable-eplb")),
    ("0.33.0", {"eplb-config": {"num_redundant_experts": 2}}, ("flag-missing", "num_redundant_experts")),
    ("0.33.0", {"data-parallel-size-local": 2}, ("flags-conflict", "data-parallel-size-local")),
    ("0.11.0", {**RANKS, "data-parallel-size-local": 8}, ("flags-conflict", "data-parallel-size-local")),
    (
        "0.11.0",
        {**RANKS, "data-parallel-rank": 1, "data-parallel-size-local": 2},
        ("flags-conflict", "data-parallel-size-local"),
    ),
    ("0.33.0", {"data-parallel-rank": 0}, ("flags-conflict", "data-parallel-rank")),
    ("0.33.0", {**RANKS, "data-parallel-rank": 4}, ("flags-conflict", "data-parallel-rank")),
    (
        "0.33.0",
        {**RANKS, "data-parallel-start-rank": 4, "data-parallel-size-local": 2},
        ("flags-conflict", "data-parallel-start-rank"),
    ),
    ("0.33.0", {**RANKS, "data-parallel-hybrid-lb": True}, ("flag-missing", "data-parallel-hybrid-lb")),
    ("0.33.0", {**RANKS, "data-parallel-external-lb": True}, ("flag-missing", "data-parallel-external-lb")),
    (
        "0.33.0",
        {**RANKS, "data-parallel-external-lb": True, "data-parallel-hybrid-lb": True, "data-parallel-rank": 1},
        ("flags-conflict", "data-parallel-hybrid-lb"),
    ),
    ("0.11.0", {"max-num-batched-tokens": 128, "max-num-seqs": 256}, ("flags-conflict", "max-num-batched-tokens")),
    ("0.33.0", {"max-num-batched-tokens": 128, "max-num-seqs": 256}, ("flags-conflict", "max-num-batched-tokens")),
    (
        "0.11.2",
        {**WHOLE, "max-num-batched-tokens": 512, "max-model-len": 1024},
        ("flags-conflict", "max-num-batched-tokens"),
    ),
    ("0.33.0", {**WHOLE, "max-num-batched-tokens": 512}, ("flags-conflict", "max-num-batched-tokens")),
    ("0.33.0", {"max-num-active-seqs": 8, "max-num-seqs": 4}, ("flags-conflict", "max-num-active-seqs")),
    (
        "0.33.0",
        {"long-prefill-token-threshold": 2048, "max-model-len": 1024},
        ("flags-conflict", "long-prefill-token-threshold"),
    ),
    (
        "0.19.1",
        {"max-long-partial-prefills": 4, "max-num-partial-prefills": 2},
        ("flags-conflict", "max-long-partial-prefills"),
    ),
    ("0.19.1", {**WHOLE, "max-num-partial-prefills": 2}, ("flags-conflict", "max-num-partial-prefills")),
    ("0.33.0", {"max-model-len": 0}, ("bad-value", "max-model-len")),
]

FINE: list[tuple[str, Flags]] = [
    ("0.33.0", {"tensor-parallel-size": 4}),
    ("0.33.0", {"tensor-parallel-size": 4, "decode-context-parallel-size": 2}),
    ("0.33.0", {**RANKS, "data-parallel-size-local": 4}),
    ("0.33.0", {**RANKS, "data-parallel-rank": 3}),
    ("0.33.0", {**RANKS, "data-parallel-rank": 3, "data-parallel-size-local": 1}),
    ("0.33.0", {**RANKS, "data-parallel-hybrid-lb": True, "data-parallel-size-local": 2}),
    ("0.33.0", {**RANKS, "data-parallel-external-lb": True, "data-parallel-rank": 0}),
    ("0.33.0", {**RANKS, "data-parallel-external-lb": True, "nnodes": 4}),
    # without the ranks that are here nobody looks at the first of them
    ("0.33.0", {**RANKS, "data-parallel-start-rank": 4}),
    ("0.33.0", {"data-parallel-backend": "ray", "data-parallel-size-local": 2}),
    ("0.33.0", {"max-num-batched-tokens": 256, "max-num-seqs": 256}),
    ("0.33.0", {"max-num-batched-tokens": 128}),
    ("0.33.0", {**WHOLE, "max-num-batched-tokens": 1024, "max-model-len": 1024}),
    ("0.33.0", {"max-num-batched-tokens": 512, "max-model-len": 1024}),
    # 0.11.0 chunks prompts whatever was asked
    ("0.11.0", {**WHOLE, "max-num-batched-tokens": 512, "max-model-len": 1024}),
    ("0.33.0", {"max-num-active-seqs": 4, "max-num-seqs": 4}),
    # only partial prefills look at it there
    ("0.19.1", {"long-prefill-token-threshold": 2048, "max-model-len": 1024}),
    ("0.33.0", {"long-prefill-token-threshold": 1024, "max-model-len": 1024}),
    ("0.19.1", {"max-long-partial-prefills": 2, "max-num-partial-prefills": 2}),
    ("0.33.0", {"max-model-len": -1}),
    ("0.11.0", {"max-model-len": 0}),
]


@pytest.mark.parametrize(("version", "flags", "expected"), REFUSED)
def test_what_cannot_be_is_refused(version: str, flags: Flags, expected: tuple[str, str]) -> None:
    assert errors(flags, version=version, **MOE) == [expected]


@pytest.mark.parametrize(("version", "flags"), FINE)
def test_what_can_be_is_let_through(version: str, flags: Flags) -> None:
    assert told(flags, version=version, **MOE) == []


def test_heads_that_are_not_known_are_not_counted() -> None:
    assert told({"tensor-parallel-size": 3}, architecture={"heads": None}) == []
    assert told({"tensor-parallel-size": 3, "hf-overrides": {"num_attention_heads": 24}}) == []


def test_the_sizes_that_heads_allow_are_named() -> None:
    (problem,) = told({"tensor-parallel-size": 3}, architecture={"heads": 28})
    assert problem.hint == "it may be 1, 2, 4, 7, 14, 28"
    assert [label.at.key for label in problem.also] == [("architecture", "heads")]


def test_experts_are_balanced_among_several_cards() -> None:
    flags = {"enable-eplb": True, "enable-expert-parallel": True}
    assert errors(flags, **MOE) == [("flags-conflict", "enable-eplb")]
    assert told({**flags, "tensor-parallel-size": 2}, **MOE) == []
    assert told({**flags, "tensor-parallel-size": 2, "eplb-config": {"num_redundant_experts": 2}}, **MOE) == []


def test_a_model_without_experts_may_be_refused() -> None:
    assert warnings({"enable-expert-parallel": True}) == [("flags-conflict", "enable-expert-parallel")]
    assert told({"enable-expert-parallel": True}, **MOE) == []


def test_more_cards_than_there_are() -> None:
    two = {"tensor-parallel-size": 2}
    assert errors(two, gpu="count = 1\n") == [("too-few-gpus", "tensor-parallel-size")]
    assert errors({"pipeline-parallel-size": 2, **two}, gpu="count = 2\n") == [("too-few-gpus", "tensor-parallel-size")]
    assert errors({"data-parallel-size": 2}, gpu="count = 1\n") == [("too-few-gpus", "data-parallel-size")]
    assert told(two, gpu="count = 2\n") == []
    assert told(two) == [], "how many there are is not said"
    assert told({**two, "distributed-executor-backend": "ray"}, gpu="count = 1\n") == []
    assert told({**two, "nnodes": 2}, gpu="count = 1\n") == []
    assert told({"data-parallel-size": 4, "data-parallel-size-local": 1}, gpu="count = 1\n") == []


def test_before_0_13_ray_may_have_the_other_cards() -> None:
    two = {"tensor-parallel-size": 2}
    assert warnings(two, version="0.12.0", gpu="count = 1\n") == [("too-few-gpus", "tensor-parallel-size")]
    here = {**two, "distributed-executor-backend": "mp"}
    assert errors(here, version="0.12.0", gpu="count = 1\n") == [("too-few-gpus", "tensor-parallel-size")]


def test_the_models_own_context_counts_where_none_is_asked_for() -> None:
    flags = {**WHOLE, "max-num-batched-tokens": 512}
    assert told(flags, context=Context(tokens=512, evidence="x")) == []
    assert told(flags, context=Context(tokens=4096, evidence="x", default=512)) == []
    assert told(flags, context=None) == []
    assert len(told(flags, context=Context(tokens=513, evidence="x"))) == 1


def test_ranks_that_the_environment_counts_are_left_alone() -> None:
    assert told({"data-parallel-rank": 3}, env={"VLLM_DP_SIZE": "4"}) == []
