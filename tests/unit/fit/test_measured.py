"""What a start was seen to take, in place of the formulas: where it holds as it is, where scaled, where not at all."""

from typing import Any

import pytest
from fit_models import GIB, MIB, model
from hypothesis import given
from hypothesis import strategies as st

from stowplan.fit.estimate import Estimate
from stowplan.fit.settings import Settings
from stowplan.fit.span import NOTHING, Span
from stowplan.fit.verdict import estimate
from stowplan.nouns.measured import Start
from stowplan.nouns.profile import Gpu

CARD = Gpu("NVIDIA H100 80GB HBM3", 1, 81559 * MIB, 0, (9, 0))
FACTS = model(size=15 * GIB)
FILE = "profiles/measured/h100.toml"
SAME = Settings(max_model_len=8192, gpu_memory_utilization=0.95)
LAUNCH = {
    "max-model-len": 8192,
    "max-num-batched-tokens": 8192,
    "max-num-seqs": 1024,
    "tensor-parallel-size": 1,
    "gpu-memory-utilization": 0.95,
}
PARTS = {"weights": 15100.0, "activations": 1935.36, "non-torch": 256.0, "available-kv": 58000.0, "graphs": 900.0}
SUM = {"weights": 15100.0, "others": 2300.0, "available-kv": 58000.0, "graphs": 900.0}


def start(mib: dict[str, float] = PARTS, version: str = "0.19.1", number: int = 0, **flags: Any) -> Start:
    """A row; `flags` differ from the usual launch, with dashes for underscores."""
    launch = LAUNCH | {name.replace("_", "-"): value for name, value in flags.items()}
    about = {"file": FILE, "number": number, "model": "m", "engine": "vllm", "kind": "vllm"}
    return Start(**about, version=version, launch=launch, mib=mib)


def estimated(settings: Settings = SAME, *starts: Start, version: str = "0.19.1") -> Estimate:
    return estimate(FACTS, settings, CARD, version, starts=starts)


def near(span: Span, mib: float) -> bool:
    """Within a hundredth of a GiB."""
    return span.likely // MIB == int(mib) and span.high - span.low <= 0.021 * GIB and span.low <= mib * MIB <= span.high


def width(span: Span) -> float:
    """As a share of what is likely."""
    return (span.high - span.low) / span.likely


def test_the_same_launch_takes_what_it_took() -> None:
    found = estimated(SAME, start())
    assert near(found.weights, 15100)
    assert near(found.activations, 1935.36)
    assert near(found.non_torch, 256)
    assert found.measured == f"{FILE}, `start[0]`: a start with the same numbers"
    assert estimated().measured is None


def test_so_does_one_of_another_context_that_runs_the_same_batch() -> None:
    other = Settings(max_model_len=131072, gpu_memory_utilization=0.5)
    assert near(estimated(other, start()).activations, 1935.36)


def test_a_card_that_was_seen_hides_no_more_than_it_did() -> None:
    found = estimated(SAME, start(PARTS | {"card": 81088.0}))
    assert near(found.unseen, (81559 - 81088) * 0.95)
    assert found.pool.high - found.pool.low < 0.12 * GIB
    assert estimated(SAME, start()).unseen == estimated().unseen


def test_a_sum_gives_the_cache_back_to_the_digit() -> None:
    cache = 81559 * 0.95 - 15100 - 2300
    found = estimated(SAME, start(SUM | {"available-kv": cache}))
    assert found.pool.likely / MIB == pytest.approx(cache, abs=1)
    assert found.pool.high - found.pool.low <= 0.041 * GIB
    assert found.unseen == NOTHING
    more = estimated(Settings(max_model_len=8192, gpu_memory_utilization=0.9), start(SUM | {"available-kv": cache}))
    assert more.pool.likely < found.pool.likely - 0.049 * 81559 * MIB
    assert more.unseen.low <= more.unseen.likely <= more.unseen.high


@given(
    st.integers(min_value=256, max_value=65536),
    st.integers(min_value=1, max_value=2048),
    st.booleans(),
    st.sampled_from((1, 2)),
)
def test_a_scaled_range_is_always_narrower_than_without(tokens: int, sequences: int, eager: bool, cards: int) -> None:
    asked = Settings(
        max_model_len=8192,
        max_num_batched_tokens=tokens,
        max_num_seqs=sequences,
        enforce_eager=eager,
        tensor_parallel=cards,
    )
    without, found = estimated(asked), estimated(asked, start(PARTS | {"activations": 3000.0}))
    rounded = Span(
        found.activations.low + int(0.01 * GIB), found.activations.likely, found.activations.high - int(0.01 * GIB)
    )
    assert found.activations.low <= found.activations.likely <= found.activations.high
    assert width(rounded) < width(without.activations) or found.activations.low == 0
    assert found.measured is not None
    assert found.measured.startswith(FILE)


def test_another_batch_is_never_quite_the_same() -> None:
    one_more = Settings(max_model_len=8192, max_num_batched_tokens=8193)
    assert not near(estimated(one_more, start()).activations, 1935.36)


def test_activations_are_scaled_by_what_the_formula_makes_of_both() -> None:
    asked = Settings(max_model_len=8192, max_num_batched_tokens=32768)
    usual = [estimated(one).activations.likely for one in (SAME, asked)]
    found = estimated(asked, start())
    assert found.activations.likely == pytest.approx(1935.36 * MIB * usual[1] / usual[0], rel=1e-6)
    assert found.measured is not None
    assert found.measured.endswith("scaled from a start with batches of 8192 tokens and 1024 sequences")


def test_what_follows_from_the_cards_and_the_loading_holds_only_there() -> None:
    two = estimated(Settings(max_model_len=8192, tensor_parallel=2), start())
    assert two.weights == estimated(Settings(max_model_len=8192, tensor_parallel=2)).weights
    assert two.non_torch == estimated(Settings(max_model_len=8192, tensor_parallel=2)).non_torch
    fp8 = estimated(Settings(max_model_len=8192, quantization="fp8"), start())
    assert fp8.weights == estimated(Settings(max_model_len=8192, quantization="fp8")).weights
    assert not near(fp8.activations, 1935.36)
    assert near(fp8.non_torch, 256)


def test_graphs_are_what_was_set_aside_where_that_is_of_the_grant() -> None:
    version = "0.33.0"
    row = start(PARTS | {"graphs-estimated": 700.0}, version=version)
    assert near(estimated(SAME, row, version=version).graphs, 700)
    eager = Settings(max_model_len=8192, enforce_eager=True)
    assert estimated(eager, row, version=version).graphs == NOTHING


def test_of_several_starts_the_most_similar_teaches() -> None:
    rows = [start(number=0, enforce_eager=True), start(PARTS | {"activations": 2500.0}, number=1)]
    for given_ in (rows, rows[::-1]):
        assert near(estimated(SAME, *given_).activations, 2500)
    eager = Settings(max_model_len=8192, enforce_eager=True)
    assert near(estimated(eager, *rows).activations, 1935.36)


@pytest.mark.parametrize(
    ("asked", "version", "why"),
    [
        (SAME, "0.33.0", f"{FILE} is of starts of 0.19.1, and nothing of it holds for 0.33.0"),
        (Settings(pipeline_parallel=2), "0.19.1", f"{FILE} says what one card took"),
    ],
)
def test_what_does_not_belong_says_so_and_changes_nothing(asked: Settings, version: str, why: str) -> None:
    without, found = estimated(asked, version=version), estimated(asked, start(), version=version)
    assert found.measured is None
    assert (found.pool, found.weights, found.verdict) == (without.pool, without.weights, without.verdict)
    assert [note for note in found.notes if note.startswith(why)]


def test_a_local_build_of_the_version_is_that_version() -> None:
    assert estimated(SAME, start(), version="0.19.1+cu130").measured is not None
