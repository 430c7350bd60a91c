"""Activations, libraries and graphs: that the formula follows the model, and that ignorance makes ranges wide."""

from dataclasses import replace
from typing import Any

import pytest
from fit_models import GIB, RTX_4080, known, model
from hypothesis import given
from hypothesis import strategies as st

from stowplan.fit.batch import batch
from stowplan.fit.lacking import NOTHING_MORE, Lacking
from stowplan.fit.layers import Unknown
from stowplan.fit.overhead import Batch, Peak, activation, context, families, graphs, non_torch, peak, spread
from stowplan.fit.settings import Settings
from stowplan.fit.settings import settings as told
from stowplan.fit.span import NOTHING, Factor, Span
from stowplan.nouns.facts import Experts, Facts, Quantization, Tower

BIG = Batch(8192, 1024)
SMALL = Batch(2048, 256)
AS_IS = Factor(1, 1, 1)
NONE = Factor(0, 0, 0)


def parts(
    facts: Facts,
    at_once: Batch = BIG,
    version: str = "0.19.1",
    settings: Settings | None = None,
    more: Lacking = NOTHING_MORE,
) -> Peak:
    """The parts of the peak, which must be known."""
    found = peak(facts, settings or Settings(), known(version), at_once, more)
    assert isinstance(found, Peak)
    return found


def likely(facts: Facts, at_once: Batch = BIG, version: str = "0.19.1", settings: Settings | None = None) -> float:
    """The likely peak in GiB."""
    return activation(parts(facts, at_once, version, settings), AS_IS, NONE).likely / GIB


@pytest.mark.parametrize(("version", "logged"), [("0.19.0", 1.89), ("0.15.0", 4.76)])
def test_sorting_the_vocabulary_took_two_and_a_half_times_as_much(version: str, logged: float) -> None:
    assert likely(model(), BIG, version) == pytest.approx(logged, rel=0.02)


def test_what_is_at_its_height_depends_on_the_model() -> None:
    wide = parts(model(vocab_size=32_000))
    assert wide.forward > wide.sampler + wide.hidden
    many = parts(model())
    assert many.sampler + many.hidden > many.forward


def test_smaller_batches_take_less() -> None:
    assert likely(model(), SMALL) < likely(model(), BIG) / 3


def test_poolers_sample_nothing() -> None:
    assert parts(model(), settings=Settings(pooling=True)).sampler == 0.0


def test_experts_work_in_rooms_of_their_own() -> None:
    experts = Experts(count=60, per_token=4, intermediate_size=1408)
    mixed = model(experts=experts, hidden_size=2048, vocab_size=151_936)
    assert likely(mixed) == pytest.approx(2.47, rel=0.02)  # as logged, Qwen1.5-MoE-A2.7B
    assert families(mixed, Settings()) == ("experts",)


def test_rooms_that_are_not_kept_are_of_the_pass() -> None:
    experts = Experts(count=32, per_token=4, intermediate_size=2880)
    plain = model(experts=experts, hidden_size=2880)
    packed = replace(plain, quantization=Quantization(method="mxfp4"))
    kept, passing = parts(plain, SMALL), parts(packed, SMALL)
    assert passing.workspace == 0.0 < kept.workspace
    assert passing.forward - kept.forward == pytest.approx(kept.workspace)


def test_an_encoder_of_which_nothing_is_known_makes_the_range_wide() -> None:
    seeing = model(vision=Tower(model_type="unheard-of", hidden_size=1280), hidden_size=3584)
    found = parts(seeing, SMALL)
    assert found.guessed
    span = activation(found, AS_IS, NONE)
    assert span.high > 5 * span.low
    told = parts(seeing, SMALL, more=Lacking(encoder_item=1024, encoder_patches=4))
    narrow = activation(told, AS_IS, NONE)
    assert not told.guessed
    assert (narrow.low, narrow.high) == (narrow.likely, narrow.likely)
    assert span.low <= narrow.likely <= span.high


def test_only_the_last_stage_samples() -> None:
    settings = Settings(pipeline_parallel=2)
    first = peak(model(), settings, known("0.19.1"), BIG, NOTHING_MORE, last=False)
    assert isinstance(first, Peak)
    assert (first.sampler, parts(model(), settings=settings).sampler > 0) == (0.0, True)
    # as logged by the first of four ranks of Llama-3.1-8B
    assert activation(first, AS_IS, NONE).likely / GIB == pytest.approx(1.05, rel=0.05)


def test_what_an_encoder_leaves_behind_is_beside_the_rest() -> None:
    tower = Tower(model_type="unheard-of", hidden_size=8)
    seeing, blind = model(vision=tower), model()
    more = Lacking(encoder_item=1024, encoder_patches=1)
    found = (
        activation(parts(seeing, SMALL, more=more), AS_IS, NONE).likely
        - activation(parts(blind, SMALL), AS_IS, NONE).likely
    )
    assert found == pytest.approx(2 * 2048 * 4096 * 2, abs=2)


def test_an_encoder_that_is_not_run_takes_nothing() -> None:
    seeing = model(vision=Tower(model_type="qwen2_5_vl", hidden_size=1280), hidden_size=3584)
    for settings in (Settings(encoder=False), Settings(encoder_profiled=False)):
        assert likely(seeing, settings=settings) == likely(model(hidden_size=3584))
        assert families(seeing, settings) == ("dense",)
    assert likely(seeing) > likely(model(hidden_size=3584))


def test_an_unknown_width_is_unknown() -> None:
    facts = model(hidden_size=None)
    assert isinstance(peak(facts, Settings(), known(), BIG, NOTHING_MORE), Unknown)


def test_spreads_of_several_families_are_as_wide_as_each() -> None:
    both = spread(known("0.19.1"), ("experts", "state"))
    experts, state = (spread(known("0.19.1"), (family,)) for family in ("experts", "state"))
    assert (both.low, both.high) == (min(experts.low, state.low), max(experts.high, state.high))
    assert families(replace(model("lf")), Settings()) == ("state",)


def test_versions_that_were_not_measured_are_wider() -> None:
    measured, newer, older = (spread(known(version), ("dense",)) for version in ("0.19.1", "0.32.0", "0.8.5"))
    assert newer.low < measured.low < measured.high < newer.high
    assert older.low < spread(known("0.11.0"), ("dense",)).low


def test_libraries_take_more_on_several_cards() -> None:
    alone = non_torch(Settings(), known("0.19.1"), (9, 0))
    fast = non_torch(Settings(tensor_parallel=2), known("0.19.1"), (9, 0))
    slow = non_torch(Settings(tensor_parallel=2), known("0.19.1"), (8, 9))
    unknown = non_torch(Settings(tensor_parallel=2), known("0.19.1"), None)
    assert alone.high < fast.low
    assert slow.likely < fast.likely
    assert (unknown.low, unknown.high) == (min(slow.low, fast.low), max(slow.high, fast.high))
    assert context(Settings(), known("0.19.1")).high < context(Settings(tensor_parallel=2), known("0.19.1")).high


def test_graphs_are_none_in_eager_mode_and_more_with_more_layers() -> None:
    few, many = (drawn(model("f" * n)) for n in (10, 80))
    assert isinstance(few, Span)
    assert isinstance(many, Span)
    assert many.likely > few.likely > 0
    assert drawn(model(), Settings(enforce_eager=True)) == Span(0, 0, 0)


def test_an_image_of_known_size_makes_no_range() -> None:
    def of(tower: Tower, **settings: Any) -> Peak:
        return parts(model(vision=tower), SMALL, settings=told(settings, {}))

    guessed = of(Tower(hidden_size=1280, patch_size=14))
    known_one = of(Tower(hidden_size=1280, patch_size=14, image_tokens=8192, token_patches=4))
    assert (guessed.guessed, known_one.guessed) == (True, False)
    assert len(set(known_one.encoder)) == len(set(known_one.encoder_cache)) == 1
    assert known_one.encoder[0] == 8192 * 4 * known().encoder * 1280 * 2
    smaller = {"mm-processor-kwargs": {"max_pixels": 4096 * 4 * 14 * 14}}
    assert of(Tower(hidden_size=1280, patch_size=14, image_tokens=8192, token_patches=4), **smaller).encoder[0] == (
        known_one.encoder[0] / 2
    )
    row = Tower(model_type="qwen2_5_vl", hidden_size=1280, patch_size=14)
    assert of(row, **smaller).encoder[0] == of(row).encoder[0] / 4


def drawn(facts: Facts, settings: Settings | None = None, at_once: Batch = BIG, version: str = "0.19.1") -> Span:
    """What CUDA graphs take, which must be known."""
    found = graphs(facts.architecture, settings or Settings(), known(version), at_once, (9, 0))
    assert isinstance(found, Span)
    return found


def test_graphs_of_few_requests_are_few() -> None:
    usual, one, some = drawn(model()), drawn(model(), at_once=Batch(8192, 1)), drawn(model(), at_once=Batch(8192, 32))
    base = known("0.19.1").graphs_base
    assert base < one.likely < some.likely < usual.likely
    assert one.low < base * known("0.19.1").graphs_spread.low / 10  # what the first one takes may be less, too
    assert drawn(model(), Settings(loras=1)).likely > usual.likely


@pytest.mark.parametrize(
    ("flags", "of", "count"),
    [
        ({}, (8192, 1024), 102),
        ({}, (2048, 256), 51 + 35),
        ({}, (2048, 4), 4 + 3),
        ({}, (2048, 1), 2 + 1),
        ({}, (8, 256), 4 + 4),
        ({"cudagraph-capture-sizes": [1, 2, 4, 8]}, (2048, 256), 8),
        ({"cudagraph-capture-sizes": [1, 2, 4, 4096]}, (2048, 2), 3 + 2),
        ({"cuda-graph-sizes": [8]}, (2048, 256), 8),
        ({"cuda-graph-sizes": [4, 8]}, (2048, 256), 4),
        ({"max-cudagraph-capture-size": 16}, (2048, 256), 10),
        ({"compilation-config": {"cudagraph_capture_sizes": [1, 2]}}, (2048, 256), 4),
        ({"compilation-config": '{"max_cudagraph_capture_size": 8}'}, (2048, 256), 8),
        ({"compilation-config": {"cudagraph_mode": "piecewise"}}, (2048, 256), 51),
        ({"compilation-config": {"cudagraph-mode": "FULL_DECODE_ONLY"}}, (2048, 256), 35),
        ({"compilation-config": {"cudagraph_mode": "FULL"}}, (2048, 256), 51),
        ({"compilation-config": {"cudagraph_mode": "NONE"}}, (2048, 256), 0),
        ({"compilation-config": "{"}, (2048, 256), 86),
        ({"optimization-level": "O0"}, (2048, 256), 0),
        ({"optimization-level": "1"}, (2048, 256), 51),
        ({"performance-mode": "interactivity"}, (2048, 256), 76 + 60),
    ],
)
def test_graphs_are_counted_as_vllm_captures_them(flags: dict[str, object], of: tuple[int, int], count: int) -> None:
    settings = told(flags, {})
    assert settings.captures.count(*of, known("0.19.1").graphs_most[""]) == count
    if count == 0:
        assert drawn(model(), settings, Batch(*of)) == NOTHING


def test_a_token_ahead_makes_larger_graphs() -> None:
    captures = Settings().captures
    assert captures.count(8192, 4, 512, drafted=1) == 5 + 3  # 1, 2, 4, 8, 16; of which 2, 4 and 8 decode


def test_graphs_that_another_mode_may_not_capture_may_be_none() -> None:
    found = drawn(model(), told({"compilation-config": {"mode": 0}}, {}))
    assert (found.low, found.high) == (0, drawn(model()).high)


def test_newer_cards_capture_larger_ones() -> None:
    by_card = [graphs(model().architecture, Settings(), known("0.32.0"), BIG, card) for card in ((9, 0), (10, 0))]
    assert isinstance(by_card[0], Span)
    assert isinstance(by_card[1], Span)
    assert by_card[1].likely > by_card[0].likely


def test_batches_as_vllm_decides_them() -> None:
    big = replace(RTX_4080, name="NVIDIA H100 80GB HBM3", memory=80 << 30)
    a100 = replace(RTX_4080, name="NVIDIA A100-SXM4-80GB", memory=80 << 30)
    b200 = replace(RTX_4080, name="NVIDIA B200", memory=180 << 30)
    spark = replace(RTX_4080, name="NVIDIA GB10", memory=120 << 30)

    def usual(gpu: object, version: str) -> Batch:
        return batch(Settings(), known(version), gpu, 32_768)  # type: ignore[arg-type]

    assert usual(RTX_4080, "0.11.0") == usual(a100, "0.32.0") == SMALL
    assert usual(big, "0.11.0") == usual(b200, "0.27.1") == usual(spark, "0.32.0") == BIG
    assert usual(b200, "0.28.0") == Batch(16_384, 1024)
    assert usual(spark, "0.33.0") == SMALL
    assert usual(None, "0.32.0") == Batch(2048, 128)


@pytest.mark.parametrize(
    ("settings", "context", "expected"),
    [
        (Settings(max_num_seqs=4), 4096, Batch(2048, 4)),
        (Settings(max_num_batched_tokens=128), 4096, Batch(128, 128)),
        (Settings(max_num_seqs=2), 256, Batch(512, 2)),
        (Settings(chunked_prefill=False), 32_768, Batch(32_768, 256)),
        (Settings(pooling=True), 8192, Batch(8192, 256)),
        (Settings(max_num_seqs=512, max_num_batched_tokens=256), 4096, Batch(256, 256)),
    ],
)
def test_batches_as_told(settings: Settings, context: int, expected: Batch) -> None:
    assert batch(settings, known(), RTX_4080, context) == expected


@given(st.integers(1, 16_384), st.integers(1, 1024), st.sampled_from([1, 2, 4, 8]))
def test_more_at_once_takes_no_less_and_more_cards_no_more(tokens: int, sequences: int, cards: int) -> None:
    facts = model()
    settings = Settings(tensor_parallel=cards)
    one, more = (likely(facts, Batch(n, sequences), settings=settings) for n in (tokens, tokens + 1))
    assert one <= more
    assert likely(facts, Batch(tokens, sequences), settings=settings) <= likely(facts, Batch(tokens, sequences))
