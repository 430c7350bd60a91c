"""Whether launches fit their card, alone and together: what is told, where, and that every way out was tried."""

import json
from typing import Any

import pytest
from configured import fleet
from hypothesis import given, settings
from hypothesis import strategies as st

from sources import PROFILE, PROFILE_TEXT, examined, facts, sources
from stowplan.fit import subject as fit_subject
from stowplan.nouns.facts import Architecture, Context, LayerRun, Quantization, Tower, Weights
from stowplan.nouns.project import Fleet
from stowplan.stages.check import fit, together
from stowplan.words.diagnostic import Diagnostic, Severity, has_errors

GIB = 1 << 30
SHAPE: dict[str, Any] = {
    "layers": 28,
    "heads": 28,
    "kv_heads": 4,
    "head_dim": 128,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "vocab_size": 152064,
    "max_positions": 128000,
    "attention": (LayerRun(kind="full", count=28),),
    "tied_embeddings": False,
}
"""A text model of 7B; 57,344 bytes of KV cache a token."""
CONTEXT = Context(tokens=128000, evidence="config.json: max_position_embeddings = 128000")


def model(vllm: dict[str, Any], *, gib: float = 6.5, memory: str = "", **about: Any) -> Fleet:
    """That model with so many GiB of weights, on a card of 16376 MiB."""
    weights = Weights(format="safetensors", bytes=int(gib * GIB), headers_sha256="b" * 64)
    about = {"gpu": memory, "architecture": SHAPE, "weights": weights, "context": CONTEXT, **about}
    return fleet({"gpu-memory-utilization": 0.75, **vllm}, **about)


def told(made: Fleet) -> list[Diagnostic]:
    return [problem for subject in made.subjects for problem in fit.check(subject)]


def only(made: Fleet) -> Diagnostic:
    (problem,) = told(made)
    return problem


def test_the_models_own_context_does_not_fit() -> None:
    problem = only(model({}))
    assert (problem.id, problem.severity, problem.about) == ("does-not-fit", Severity.ERROR, ("qwen", "rtx"))
    assert problem.at is not None
    assert problem.at.key == ("vllm", "gpu-memory-utilization")
    assert problem.label == "16376 MiB x 0.75 = 12.0 GiB"
    assert problem.also[0].text == "`max-model-len` is not set, so the model's own 128000 counts"
    assert "128000 tokens x 56 KiB, 1 sequence" in "\n".join(problem.details)


def test_what_fits_is_no_problem_and_what_straddles_a_warning() -> None:
    assert told(model({"max-model-len": 4096})) == []
    (straddles,) = told(model({"max-model-len": 80000}))
    assert straddles.severity is Severity.WARNING
    assert straddles.also[0].at.key == ("vllm", "max-model-len")


def test_of_what_is_not_known_nothing_is_said() -> None:
    assert told(model({"max-model-len": 4096, "cpu-offload-gb": 4}, gib=30)) == []  # it may be just enough
    assert told(model({"max-model-len": 4096}, architecture={**SHAPE, "vocab_size": None})) == []
    bare = fleet({}, weights=Weights(format="safetensors"))
    assert told(bare) == []


@pytest.mark.parametrize("vllm", [{}, {"max-model-len": 80000}, {"max-model-len": 100000}])
def test_the_longest_context_that_is_named_fits_and_no_longer_one(vllm: dict[str, Any]) -> None:
    hint = only(model(vllm)).hint or ""
    longest = int(hint.split(" ", 1)[0])
    assert "is the longest context that surely fits: `stowplan fit qwen/rtx --write`" in hint
    assert told(model({"max-model-len": longest})) == []
    assert told(model({"max-model-len": longest + 16})) != []


def test_a_smaller_cache_is_named_where_card_and_version_can() -> None:
    fp8 = '`kv-cache-dtype = "fp8"` makes it fit'
    long = {"max-model-len": 70000}
    assert fp8 in (only(model(long)).hint or "")
    assert told(model({**long, "kv-cache-dtype": "fp8"})) == []
    assert "fp8" not in (only(model(long, card=None)).hint or "")
    assert "fp8" not in (only(model(long, version="0.11.0")).hint or "")  # its backends could not be asked


def test_a_smaller_cache_is_no_way_out_of_one_that_is_as_small_already() -> None:
    long = {"max-model-len": 120000}
    own = Quantization(method="compressed-tensors", bits=8, kv_cache="fp8")
    assert "fp8" in (only(model(long, gib=8)).hint or "")
    assert "fp8" not in (only(model(long, gib=8, quantization=own)).hint or "")


def test_more_of_the_card_and_more_cards() -> None:
    hint = only(model({"max-model-len": 70000, "kv-cache-dtype": "fp8"}, gib=9)).hint or ""
    share = next(part for part in hint.split("; ") if "gpu-memory-utilization" in part).split("`")[1].split(" = ")[1]
    assert (
        told(model({"max-model-len": 70000, "kv-cache-dtype": "fp8", "gpu-memory-utilization": float(share)}, gib=9))
        == []
    )
    large = {"max-model-len": 4096}
    assert "2 such cards would do (`tensor-parallel-size = 2`)" in (only(model(large, gib=10.5)).hint or "")
    assert "`tensor-parallel-size = 2` fits" in (only(model(large, gib=10.5, memory="count = 2\n")).hint or "")
    assert told(model({**large, "tensor-parallel-size": 2}, gib=10.5, memory="count = 2\n")) == []


def test_what_is_reserved_is_not_free() -> None:
    reserved = 'reserved = "1500 MiB"\n'
    asked = {"max-model-len": 4096, "gpu-memory-utilization": 0.9}
    problem = only(model(asked, memory=reserved))
    assert problem.severity is Severity.ERROR
    assert "vLLM would not start" in problem.message
    assert [label.at.key for label in problem.also] == [("gpu", "reserved"), ()]
    share = float((problem.hint or "").split("`")[1].split(" = ")[1])
    assert told(model({**asked, "gpu-memory-utilization": share}, memory=reserved)) == []


def test_a_fixed_cache_must_hold_the_context() -> None:
    problem = only(model({"max-model-len": 60000, "kv-cache-memory-bytes": 2 << 30}))
    assert problem.message == "`qwen` needs 3.2 GiB of KV cache for 60000 tokens; 2.0 are set aside"
    assert problem.at is not None
    assert problem.at.key == ("vllm", "kv-cache-memory-bytes")


def test_an_unsound_launch_is_not_estimated() -> None:
    weights = Weights(format="safetensors", bytes=int(6.5 * GIB), headers_sha256="b" * 64)
    known = facts(architecture=Architecture(names=("LlamaForCausalLM",), **SHAPE), weights=weights, context=CONTEXT)
    files = {"models.d/qwen/discovered.json": known}
    wrong = examined(sources({**files, "models.d/qwen/rtx.toml": '[vllm]\nmax-model-len = "4096"\n'}))[2]
    unset = examined(sources({**files, "models.d/qwen/rtx.toml": "[vllm]\nmax-num-seqs = 4\n"}))[2]
    assert [problem.id for problem in wrong] == ["bad-value"]
    assert [problem.id for problem in unset] == ["does-not-fit"]


def pair(one: float, other: float, *, env: str = "", gpu: str = "", **facts_of: Any) -> Fleet:
    """Two models that run together, with those shares of the card."""
    weights = Weights(format="safetensors", bytes=2 * GIB, headers_sha256="c" * 64)
    profile = PROFILE_TEXT.replace('capability = "8.9"\n', f'capability = "8.9"\n{gpu}') + 'mode = "together"\n'
    known = {"architecture": Architecture(names=("LlamaForCausalLM",), **SHAPE), "context": CONTEXT, **facts_of}
    overlay = "port = {}\n[vllm]\nmax-model-len = 2048\ngpu-memory-utilization = {}\n"
    return examined(
        sources(
            {
                PROFILE: profile,
                "models.d/qwen/discovered.json": facts(weights=weights, **known),
                "models.d/qwen/rtx.toml": overlay.format(24001, one),
                "models.d/other/discovered.json": facts("Other/model", weights=weights, **known),
                "models.d/other/rtx.toml": overlay.format(24002, other) + env,
            }
        )
    )[1]


def test_shares_over_the_whole_card_do_not_fit_together() -> None:
    assert list(together.check(pair(0.4, 0.45))) == []
    (problem,) = together.check(pair(0.6, 0.5))
    assert (problem.id, problem.severity) == ("fits-not-together", Severity.ERROR)
    assert len(problem.also) == 2
    assert problem.message == "2 models of rtx take 17.6 GiB together of a card that has 16.0"
    (close,) = together.check(pair(0.5, 0.5))
    assert close.severity is Severity.WARNING  # what the driver takes for itself decides
    (reserved,) = together.check(pair(0.45, 0.5, gpu='reserved = "3 GiB"\n'))
    assert reserved.severity is Severity.ERROR


def test_the_shares_that_the_help_names_fit_together() -> None:
    (problem,) = together.check(pair(0.6, 0.5))
    shares = [float(part.split(" for ")[0]) for part in (problem.hint or "").split(": ")[1].split(", ")]
    assert list(together.check(pair(shares[1], shares[0]))) == []


def test_models_on_other_cards_are_not_in_the_way() -> None:
    two = "count = 2\n"
    assert has_errors(together.check(pair(0.6, 0.5, gpu=two)))
    assert list(together.check(pair(0.6, 0.5, gpu=two, env='[env]\nCUDA_VISIBLE_DEVICES = "1"\n'))) == []


whole = st.one_of(st.none(), st.integers(0, 1 << 40))
small = st.one_of(st.none(), st.integers(0, 512))
kinds = st.sampled_from(("full", "sliding", "chunked", "encoder", "linear", "mamba", "conv", "none", "odd"))
shapes = st.builds(
    Architecture,
    dtype=st.sampled_from((None, "bfloat16", "float32", "odd")),
    layers=small,
    hidden_size=whole,
    intermediate_size=whole,
    heads=small,
    kv_heads=small,
    head_dim=small,
    vocab_size=whole,
    tied_embeddings=st.sampled_from((None, True, False)),
    max_positions=whole,
    sliding_window=whole,
    chunk_size=whole,
    attention=st.lists(st.builds(LayerRun, kind=kinds, count=st.integers(0, 300)), max_size=4).map(tuple),
    kv_shared_layers=small,
    vision=st.one_of(st.none(), st.builds(Tower, hidden_size=whole, model_type=st.sampled_from((None, "odd")))),
)
flags = st.fixed_dictionaries(
    {},
    optional={
        "max-model-len": st.sampled_from((1, 4096, 10**9)),
        "max-num-seqs": st.sampled_from((1, 10**6)),
        "tensor-parallel-size": st.sampled_from((1, 2, 3, 16)),
        "pipeline-parallel-size": st.sampled_from((1, 2, 7)),
        "gpu-memory-utilization": st.sampled_from((0.01, 0.5, 1.0)),
        "kv-cache-dtype": st.sampled_from(("auto", "fp8", "nvfp4")),
        "block-size": st.sampled_from((1, 16, 4096)),
        "kv-cache-memory-bytes": st.sampled_from((1, 1 << 34)),
        "enable-lora": st.booleans(),
    },
)


@settings(max_examples=500, deadline=None)
@given(
    shapes,
    whole,
    st.one_of(st.none(), st.integers(1, 1 << 40)),
    flags,
    st.sampled_from(("0.11.0", "0.33.0", "1", "odd")),
)
def test_odd_facts_never_crash(
    shape: Architecture, size: int | None, context: int | None, vllm: dict[str, Any], version: str
) -> None:
    known = facts(
        architecture=shape,
        weights=Weights(format="safetensors", bytes=size, headers_sha256="b" * 64),
        context=None if context is None else Context(tokens=context, evidence="odd"),
    )
    profile = sources({})["profiles/rtx.toml"].decode().replace('"0.33.0"', json.dumps(version))
    overlay = "[vllm]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in vllm.items())
    made = examined(
        sources(
            {"profiles/rtx.toml": profile, "models.d/qwen/discovered.json": known, "models.d/qwen/rtx.toml": overlay}
        )
    )[1]
    for subject in made.subjects:
        found = fit_subject.of(subject)
        told(made)
        list(together.check(made))
        assert found is None or found.verdict in ("fits", "tight", "does-not-fit", "unknown")
