"""The verdict: the incident's model, and what must hold of any launch."""

from dataclasses import replace

import pytest
from fit_models import GIB, H100, MIB, RTX_4080, model, own
from hypothesis import given
from hypothesis import strategies as st

from stowplan.fit.constants import constants
from stowplan.fit.estimate import DOES_NOT_FIT, FITS, TIGHT, UNKNOWN, Estimate
from stowplan.fit.lacking import Lacking
from stowplan.fit.settings import FIT, Settings
from stowplan.fit.verdict import estimate
from stowplan.nouns.facts import Facts, Weights
from stowplan.nouns.profile import Gpu

INCIDENT = Settings(gpu_memory_utilization=0.75, enforce_eager=True)


def the_model() -> Facts:
    """Qwen2.5-VL-7B-Instruct-AWQ, with the bytes that its folder was measured to hold."""
    facts = own("qwen2.5-vl-7b-instruct-awq")
    return replace(facts, weights=replace(facts.weights, bytes=6_939_970_304))


def judged(facts: Facts, settings: Settings, gpu: Gpu | None = RTX_4080, version: str | None = "0.11.0") -> Estimate:
    """The estimate, with the order of its ranges looked at."""
    found = estimate(facts, settings, gpu, version)
    for span in (found.weights, found.activations, found.non_torch, found.graphs, found.unseen, found.needed):
        assert 0 <= span.low <= span.likely <= span.high
    assert found.pool.low <= found.pool.likely <= found.pool.high
    return found


def test_the_incident_does_not_fit() -> None:
    found = judged(the_model(), INCIDENT)
    assert found.verdict == DOES_NOT_FIT
    assert found.tokens == 128_000
    assert found.granted == 12_878_610_432
    assert found.weights.low == 6_939_970_304
    assert found.kv == 7_340_032_000
    assert found.needed.low > found.granted
    assert found.reasons == ("even at the least it needs more than is granted",)
    assert found.batch.tokens == 2048


def test_at_4096_tokens_the_incident_fits() -> None:
    found = judged(the_model(), replace(INCIDENT, max_model_len=4096))
    assert (found.verdict, found.kv) == (FITS, 4096 * 57_344)
    assert found.longest > 4096


def test_the_grant_is_rounded_up() -> None:
    found = judged(the_model(), replace(INCIDENT, gpu_memory_utilization=0.3))
    assert found.granted == 5_151_444_173 > RTX_4080.memory * 0.3


def test_the_longest_context_is_the_longest_that_fits() -> None:
    longest = judged(the_model(), INCIDENT).longest
    assert judged(the_model(), replace(INCIDENT, max_model_len=longest)).verdict == FITS
    assert judged(the_model(), replace(INCIDENT, max_model_len=longest + 16)).verdict == TIGHT
    assert longest <= judged(the_model(), INCIDENT).longest_likely <= 128_000


def test_vllm_may_be_told_to_take_the_longest() -> None:
    found = judged(the_model(), replace(INCIDENT, max_model_len=FIT))
    assert (found.verdict, found.tokens) == (FITS, judged(the_model(), INCIDENT).longest)


def test_what_others_hold_keeps_it_from_starting() -> None:
    settings = Settings(gpu_memory_utilization=0.95, max_model_len=4096)
    found = judged(the_model(), settings)
    assert found.verdict == DOES_NOT_FIT
    assert found.reasons == ("vLLM does not start: it asks for more than is free beside what is reserved",)
    assert judged(the_model(), settings, replace(RTX_4080, reserved=0)).verdict == TIGHT


def test_graphs_are_of_the_grant_since_0_20() -> None:
    facts, settings = model(), Settings(max_model_len=8192)
    assert judged(facts, settings, H100, "0.19.1").graphs.high == 0
    newer = judged(facts, settings, H100, "0.20.0")
    assert newer.graphs.low > 0
    assert judged(facts, replace(settings, graphs_counted=False), H100, "0.20.0").graphs.high == 0
    assert judged(facts, replace(settings, graphs_counted=True), H100, "0.19.1").graphs.low > 0


def test_graphs_outside_of_the_grant_may_not_find_room() -> None:
    full = replace(H100, memory=24 * GIB)
    settings = Settings(max_model_len=4096, gpu_memory_utilization=0.96)
    assert judged(model(), settings, full, "0.19.1").verdict == TIGHT
    eager = replace(settings, enforce_eager=True)
    assert judged(model(), eager, full, "0.19.1").verdict == FITS


def test_a_fixed_cache_needs_room_for_all() -> None:
    settings = replace(INCIDENT, max_model_len=4096, kv_cache_memory_bytes=2 * GIB)
    found = judged(the_model(), settings)
    assert (found.verdict, found.kv, found.pool.low) == (FITS, 2 * GIB, 2 * GIB)
    assert found.granted == RTX_4080.memory - RTX_4080.reserved
    assert judged(the_model(), replace(settings, kv_cache_memory_bytes=9 * GIB)).verdict == DOES_NOT_FIT
    assert judged(the_model(), replace(settings, max_model_len=128_000)).verdict == DOES_NOT_FIT


def test_blocks_may_be_told() -> None:
    found = judged(the_model(), replace(INCIDENT, max_model_len=4096, num_gpu_blocks=1000))
    assert (found.blocks.low, found.held.low, found.longest) == (1000, 16_000, 16_000)


@pytest.mark.parametrize(
    ("facts", "gpu", "word"),
    [
        (model(), None, "no GPU"),
        (model(size=2 * GIB), replace(RTX_4080, memory=None), "memory the card has"),
        (replace(model(context=8192), weights=Weights(format="gguf")), RTX_4080, "bytes its weights"),
        (model(size=2 * GIB, context=8192, hidden_size=None), RTX_4080, "wide"),
        (model("", size=2 * GIB), RTX_4080, "kinds of layers"),
        (model("lllf", size=2 * GIB), RTX_4080, "state layers"),
        (replace(model(size=2 * GIB, max_positions=None), context=None), RTX_4080, "context"),
    ],
)
def test_what_is_missing_makes_it_unknown(facts: Facts, gpu: Gpu | None, word: str) -> None:
    found = judged(facts, Settings(gpu_memory_utilization=0.8), gpu, "0.32.0")
    assert found.verdict == UNKNOWN
    assert any(word in sentence for sentence in found.missing), found.missing


def test_what_is_too_much_already_does_not_fit_whatever_is_missing() -> None:
    found = judged(model("lllf", size=40 * GIB), Settings(), RTX_4080, "0.32.0")
    assert (found.verdict, bool(found.missing)) == (DOES_NOT_FIT, True)


def test_a_setting_that_is_not_followed_makes_it_unknown() -> None:
    found = judged(model(), Settings(unknown=("cpu-offload-gb",), max_model_len=4096), H100, "0.32.0")
    assert found.verdict == UNKNOWN
    assert found.missing == ("what `cpu-offload-gb` changes is not followed here",)


@pytest.mark.parametrize("asked", [{}, {"gpu_memory_utilization": 0.99}, {"kv_cache_memory_bytes": GIB}])
def test_what_a_setting_moves_elsewhere_may_be_just_what_is_too_much(asked: dict[str, float]) -> None:
    settings = Settings(**asked)  # type: ignore[arg-type]
    assert judged(model(size=40 * GIB), settings).verdict == DOES_NOT_FIT
    found = judged(model(size=40 * GIB), replace(settings, unknown=("cpu-offload-gb",)))
    assert (found.verdict, found.reasons) == (UNKNOWN, ())


@pytest.mark.parametrize("gpu", [None, replace(RTX_4080, memory=None)])
def test_of_no_card_nothing_is_said_but_what_is_not_known(gpu: Gpu | None) -> None:
    found = judged(model(size=40 * GIB), Settings(), gpu, "0.32.0")
    assert (found.verdict, found.reasons, len(found.missing)) == (UNKNOWN, (), 1)


def test_an_unknown_version_is_as_wide_as_all() -> None:
    settings = Settings(max_model_len=8192, gpu_memory_utilization=0.9)
    anything = judged(model(), settings, H100, None)
    for version in ("0.11.0", "0.19.1", "0.32.0"):
        one = judged(model(), settings, H100, version)
        assert anything.pool.low <= one.pool.low <= one.pool.high <= anything.pool.high
    assert anything.notes == ("the engine's version is not known, so the ranges cover all of them",)


def test_a_version_that_was_not_looked_at_is_wider() -> None:
    settings = Settings(max_model_len=8192, gpu_memory_utilization=0.9)
    near, far = judged(model(), settings, H100, "0.33.0"), judged(model(), settings, H100, "0.40.0")
    assert far.pool.low < near.pool.low < near.pool.high < far.pool.high
    assert far.notes == ("memory of 0.40.0 was not looked at; the nearest version's is taken, wider",)


def test_lacking_facts_may_be_handed_over() -> None:
    guessed = estimate(the_model(), INCIDENT, RTX_4080, "0.11.0")
    told = estimate(the_model(), INCIDENT, RTX_4080, "0.11.0", Lacking(encoder_item=1280))
    assert told.activations.high < guessed.activations.high


def test_an_encoder_holds_any_number_of_sequences() -> None:
    found = judged(own("all-minilm-l6-v2"), Settings(pooling=True, gpu_memory_utilization=0.8), RTX_4080, "0.32.0")
    assert (found.verdict, found.kv, found.held.likely) == (FITS, 0, 0)
    assert found.concurrent[0] == float("inf")
    assert found.longest == 256


def test_the_fullest_stage_decides() -> None:
    settings = Settings(max_model_len=8192, pipeline_parallel=4, gpu_memory_utilization=0.95)
    found = judged(model("f" * 32), settings, H100, "0.19.1")
    # the sampler is at work on the last alone, so that has the least room for blocks
    assert found.activations.likely > 1.8 * GIB
    heavy = replace(
        model("f" * 32), weights=Weights(format="safetensors", bytes=40 * GIB, groups={"embedding": 40 * GIB})
    )
    first = judged(heavy, settings, H100, "0.19.1")
    assert first.weights.low == 40 * GIB
    assert first.activations.likely < 1.2 * GIB
    whole = judged(model("f" * 32), replace(settings, pipeline_parallel=1), H100, "0.19.1")
    assert found.blocks.likely > whole.blocks.likely


def test_nothing_is_known_of_other_engines() -> None:
    with pytest.raises(KeyError):
        constants("ollama", "0.1")


def test_the_same_again() -> None:
    assert judged(the_model(), INCIDENT) == judged(the_model(), INCIDENT)


lengths = st.integers(1, 128_000)
utilizations = st.floats(0.05, 1.0)
known_versions = st.sampled_from(["0.11.0", "0.16.0", "0.19.1", "0.26.0", "0.32.0", None])
ORDER = [FITS, TIGHT, DOES_NOT_FIT]


@given(lengths, lengths, utilizations, known_versions)
def test_a_longer_context_fits_no_better(one: int, two: int, utilization: float, version: str | None) -> None:
    short, long = sorted((one, two))
    settings = Settings(gpu_memory_utilization=utilization, max_num_seqs=256)
    # a short context makes a smaller batch, and with it activations: what is compared is told
    settings = replace(settings, max_num_batched_tokens=2048)
    verdicts = [judged(the_model(), replace(settings, max_model_len=n), version=version).verdict for n in (short, long)]
    assert ORDER.index(verdicts[0]) <= ORDER.index(verdicts[1])


@given(utilizations, utilizations, known_versions)
def test_a_greater_share_leaves_no_smaller_pool(one: float, two: float, version: str | None) -> None:
    less, more = (judged(the_model(), Settings(gpu_memory_utilization=u), version=version) for u in sorted((one, two)))
    assert less.granted <= more.granted
    # but for what CUDA does not see of the share
    assert less.pool.low <= more.pool.low + MIB
    assert less.longest <= more.longest + 32


@given(st.sampled_from([1, 2, 4]), known_versions)
def test_more_cards_leave_no_smaller_pool(cards: int, version: str | None) -> None:
    big = model("f" * 80, size=130 * GIB, hidden_size=8192, intermediate_size=28_672, heads=64)
    pools = [
        judged(big, Settings(tensor_parallel=n, max_model_len=8192), replace(H100, count=n), version).pool.likely
        for n in (cards, cards * 2)
    ]
    assert pools[0] <= pools[1]


@given(lengths, known_versions, st.booleans())
def test_what_surely_fits_fits(length: int, version: str | None, eager: bool) -> None:
    settings = Settings(gpu_memory_utilization=0.8, max_num_batched_tokens=2048, max_num_seqs=64, enforce_eager=eager)
    longest = judged(the_model(), settings, version=version).longest
    verdict = judged(the_model(), replace(settings, max_model_len=length), version=version).verdict
    assert (verdict == FITS) == (length <= longest)
