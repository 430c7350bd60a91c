"""The KV cache: figures that vLLM logged or that are known of models, and what must hold of any."""

from dataclasses import replace
from typing import Any

import pytest
from fit_models import GIB, H100, QWEN_HYBRID, architecture, known, laid_out, layers, model, own
from hypothesis import given
from hypothesis import strategies as st

from stowplan.fit.batch import kv_dtype
from stowplan.fit.kv import NO_CACHE, plan
from stowplan.fit.layers import Unknown, cache_layers
from stowplan.fit.settings import Settings
from stowplan.fit.states import state_size
from stowplan.fit.verdict import estimate
from stowplan.nouns.facts import Architecture, LayerRun, Mla, Quantization
from stowplan.nouns.state import DELTA, KDA, LINEAR, MAMBA1, MAMBA2, SHORT_CONV, State

LITE = Mla(kv_lora_rank=512, qk_rope_head_dim=64)
"""DeepSeek-V2-Lite."""
GEMMA_27B = "sssssf" * 10 + "ss"


def test_qwen2_5_vl_7b_keeps_57344_bytes_a_token() -> None:
    found = laid_out(own("qwen2.5-vl-7b-instruct-awq").architecture, version="0.11.0")
    assert found.token_bytes() == 57_344
    assert found.kept(128_000) == found.needed(128_000) == 7_340_032_000


def test_gpt_oss_20b_has_heads_of_64_and_half_its_layers_slide() -> None:
    found = laid_out(own("gpt-oss-20b").architecture, version="0.19.0", batch=8192)
    assert found.token_bytes() == 24 * 2 * 8 * 64 * 2
    assert found.kept(131_072) == 12 * 2048 * 131_072 + 12 * 2048 * 128
    # as logged on an H100 with tensor parallelism 2 (twice the heads here): 337.17 at 8192 tokens in 345,596 blocks
    assert found.blocks(8192) == 512 + 513


def test_deepseek_v2_lite_keeps_31104_bytes_a_token_whatever_the_cards() -> None:
    of = architecture("f" * 27, heads=16, kv_heads=16, head_dim=None, mla=LITE)
    assert laid_out(of).token_bytes() == 31_104
    assert laid_out(of, Settings(tensor_parallel=4)).token_bytes() == 31_104


def test_gemma_3_27b_keeps_2_906_gib_at_32768_tokens() -> None:
    of = architecture(GEMMA_27B, kv_heads=16, head_dim=128, sliding_window=1024)
    assert laid_out(of).kept(32_768) / GIB == pytest.approx(2.906, abs=0.0005)


def test_gemma_3_4b_as_logged() -> None:
    of = architecture("sssssf" * 5 + "ssss", kv_heads=4, head_dim=256, sliding_window=1024)
    found = laid_out(of, version="0.19.0", batch=8192)
    assert (found.tokens(204_817, 8192), round(found.concurrency(204_817, 8192), 2)) == (468_144, 57.05)


@pytest.mark.parametrize(
    ("pattern", "numbers", "block", "length", "concurrency", "tokens"),
    [
        ("ffff", {}, 128, 8192, 128.0, 1_048_576),
        ("ssssssf", {}, 128, 8192, 172.46, 1_412_818),
        ("ssss", {}, 128, 8192, 390.10, 3_195_660),
        ("ff", {"kv_heads": 1}, 128, 256, 16_384.0, 4_194_304),
        ("ff", {"mla": LITE, "head_dim": None}, 16, 8192, 56.89, 466_032),
    ],
)
def test_a_pool_of_one_gib_as_the_real_engine_counts_it(
    pattern: str, numbers: dict[str, object], block: int, length: int, concurrency: float, tokens: int
) -> None:
    """vLLM 0.32.0 for CPUs, with `VLLM_CPU_KVCACHE_SPACE=1` and a batch of 2048 tokens."""
    of = architecture(pattern, **{"kv_heads": 2, "head_dim": 32, "sliding_window": 512, **numbers})
    found = laid_out(of, block=block, platform="cpu")
    blocks = found.pool(GIB)
    assert (round(found.concurrency(blocks, length), 2), found.tokens(blocks, length)) == (concurrency, tokens)


@pytest.mark.parametrize(
    ("state", "pattern", "settings", "memory", "length", "version", "logged"),
    [
        # Qwen3-Next-80B-A3B, 48 layers, prefixes cached
        (QWEN_HYBRID, "lllf" * 12, Settings(prefix_caching=True), 5.85, 65_536, "0.21.0", (3.70, 242_534)),
        # Qwen3.5-2B, 24 layers, states of 32 bits
        (
            State(kind="gated-delta", kernel=4, key_heads=16, key_dim=128, heads=16, head_dim=128, dtype="float32"),
            *("lllf" * 6, Settings(), 5.95, 262_144, "0.19.0", (1.97, 129_472)),
        ),
        # Qwen3.8-27B on two cards, 64 layers, states of 32 bits, prefixes not cached
        (
            State(kind="gated-delta", kernel=4, key_heads=16, key_dim=128, heads=48, head_dim=128, dtype="float32"),
            *("lllf" * 16, Settings(tensor_parallel=2, prefix_caching=False), 2.67, 16_384, "0.27.1", (4.62, 75_776)),
        ),
    ],
)
def test_hybrids_of_states_and_attention_as_logged(
    state: State,
    pattern: str,
    settings: Settings,
    memory: float,
    length: int,
    version: str,
    logged: tuple[float, int],
) -> None:
    heads = 4 if settings.tensor_parallel == 2 else 2
    of = architecture(pattern, kv_heads=heads, head_dim=256, state=state)
    found = laid_out(of, settings, version=version)
    blocks = found.pool(int(memory * GIB))
    assert found.concurrency(blocks, length) == pytest.approx(logged[0], abs=0.01)
    assert found.tokens(blocks, length) == pytest.approx(logged[1], rel=0.0025)  # a block, of 470


def test_encoders_keep_nothing() -> None:
    of = architecture("eeee")
    assert plan(layers(of, Settings()), Settings(), known(), 2048, 16) is NO_CACHE
    assert NO_CACHE.longest(0, 512) == 512


def test_the_last_layers_may_read_what_others_keep() -> None:
    alone = laid_out(architecture("ssssf" * 4))
    shared = laid_out(architecture("ssssf" * 6, kv_shared_layers=10))
    assert shared == alone


def test_layers_without_attention_keep_nothing() -> None:
    assert laid_out(architecture("fnfn")) == laid_out(architecture("ff"))


@pytest.mark.parametrize(("version", "size", "groups"), [("0.17.1", 12, 3), ("0.18.1", 13, 2), ("0.32.0", 13, 2)])
def test_groups_are_of_the_rarest_kind_or_since_0_18_of_a_little_more(version: str, size: int, groups: int) -> None:
    found = laid_out(architecture("sf" * 12 + "f"), version=version)
    for pattern in ("f" * 10 + "s" * 15, "f" * 10 + "s" * 16):
        assert laid_out(architecture(pattern), version=version).block_bytes == (10 * 16 * 2 * 8 * 128 * 2,)
    assert found.block_bytes == (size * 16 * 2 * 8 * 128 * 2,)
    assert sum(share.groups for share in found.shares) == groups


def test_without_the_hybrid_manager_windows_are_kept_whole() -> None:
    on = laid_out(architecture("sssf"))
    off = laid_out(architecture("sssf"), Settings(hybrid_manager=False))
    assert off.blocks(131_072) == 131_072 // 16
    assert off.needed(131_072) > 2 * on.needed(131_072)
    assert off.kept(131_072) == 131_072 * off.token_bytes()


def test_windows_alone_stay_windows_without_the_hybrid_manager() -> None:
    assert laid_out(architecture("ssss"), Settings(hybrid_manager=False)) == laid_out(architecture("ssss"))


@pytest.mark.parametrize(("version", "whole"), [("0.13.0", True), ("0.14.0", False)])
def test_chunks_are_kept_whole_until_0_13(version: str, whole: bool) -> None:
    found = laid_out(architecture("cccf"), version=version)
    assert (len(found.shares) == 1) is whole
    for allowed in (True, False):
        told = laid_out(architecture("cccf"), Settings(keeps_chunks=allowed), version=version)
        assert (len(told.shares) == 2) is allowed


def test_windows_reserve_what_is_in_flight() -> None:
    of = architecture("sssf", sliding_window=513)
    # the 512 tokens before the batch, and one block more: a window need not begin where a block does
    assert laid_out(of, version="0.25.1", batch=2048).shares[0].blocks(131_072) == (512 + 2048) // 16 + 1
    assert laid_out(of, version="0.26.0", batch=2048).shares[0].blocks(131_072) == (512 + 2 * 2048) // 16 + 1
    stages = laid_out(of, Settings(pipeline_parallel=2), version="0.26.0", batch=2048)
    assert stages.shares[0].blocks(131_072) == (512 + 3 * 2048) // 16 + 1
    for settings, platform in ((Settings(async_scheduling=False), "cuda"), (Settings(), "cpu")):
        found = laid_out(of, settings, version="0.26.0", batch=2048, platform=platform)
        assert found.shares[0].blocks(131_072) == (512 + 2048) // 16 + 1


def test_chunks_reserve_what_is_in_flight() -> None:
    found = laid_out(architecture("cccf", chunk_size=8192), version="0.19.1", batch=2048)
    assert found.shares[0].blocks(131_072) == (8192 + 2048) // 16


def test_the_check_at_start_counts_padding_since_0_14() -> None:
    of = architecture("s" * 7 + "f" * 3)
    before, since = (laid_out(of, version=version) for version in ("0.13.0", "0.14.0"))
    page = 16 * 2 * 8 * 128 * 2
    sliding = before.shares[0].blocks(131_072)
    assert before.needed(131_072) == (7 * sliding + 3 * 8192) * page
    assert since.needed(131_072) == (9 * sliding + 3 * 8192) * page
    assert before.blocks(131_072) == since.blocks(131_072) == 3 * sliding + 8192


def test_smaller_pages_hold_more_tokens() -> None:
    found = laid_out(unlike(4))
    assert [share.tokens for share in found.shares] == [32, 16]
    padded = laid_out(unlike(3))
    assert [share.tokens for share in padded.shares] == [16, 16]
    assert padded.block_bytes == found.block_bytes


def test_the_null_block_is_spared_since_0_29() -> None:
    for version, spare in (("0.28.0", 0), ("0.29.0", 1)):
        found = laid_out(architecture("ffff"), version=version)
        assert found.longest(100, 10**6) == (100 - spare) * 16


def test_fp8_halves_and_32_bits_double() -> None:
    token = laid_out(architecture()).token_bytes()
    assert laid_out(architecture(), Settings(kv_cache_dtype="fp8")).token_bytes() * 2 == token
    assert laid_out(architecture(), Settings(dtype="float32")).token_bytes() == token * 2
    packed = laid_out(architecture("ff", mla=LITE), Settings(kv_cache_dtype="fp8_ds_mla"))
    assert packed.token_bytes() == 2 * 656


def test_an_unknown_dtype_is_unknown_not_guessed() -> None:
    found = cache_layers(architecture(), Settings(kv_cache_dtype="nvfp4"), known())
    assert found == Unknown(("how `nvfp4` packs the KV cache is not known here",))


def test_states_that_facts_do_not_hold_are_unknown() -> None:
    found = cache_layers(architecture("lllf"), Settings(), known())
    assert isinstance(found, Unknown)
    assert "state layers" in found.why[0]


@pytest.mark.parametrize(
    ("pattern", "numbers", "word"),
    [
        ("", {}, "kinds of layers"),
        ("ff", {"kv_heads": None}, "KV heads"),
        ("ff", {"head_dim": None}, "KV heads"),
        ("fs", {"sliding_window": None}, "window"),
        ("fc", {"chunk_size": None}, "chunks"),
        ("fx", {}, "encoder"),
    ],
)
def test_what_is_missing_is_said(pattern: str, numbers: dict[str, object], word: str) -> None:
    found = cache_layers(architecture(pattern, **numbers), Settings(), known())
    assert isinstance(found, Unknown)
    assert word in found.why[0]


def test_cross_attention_keeps_the_encoders_tokens() -> None:
    of = architecture("fxfx", encoder_tokens=1500)
    assert laid_out(of, version="0.12.0").blocks(448) == 448 // 16 + -(-1500 // 16)
    # since 0.13 as many as a batch has
    assert laid_out(of, version="0.13.0").blocks(448) == 448 // 16 + 2048 // 16
    assert laid_out(of).kept(448) == 2 * (448 + 1500) * 2 * 8 * 128 * 2


@pytest.mark.parametrize("pattern", ["lf", "xf"])
def test_some_layers_need_the_hybrid_manager(pattern: str) -> None:
    settings = Settings(hybrid_manager=False)
    of = architecture(pattern, state=QWEN_HYBRID, encoder_tokens=1500)
    found = plan(layers(of, settings), settings, known(), 2048, 16)
    assert isinstance(found, Unknown)


def test_a_second_state_where_prefixes_are_cached() -> None:
    of = architecture("lf", state=QWEN_HYBRID)

    def states(version: str, prefixes: bool | None) -> int:
        return laid_out(of, Settings(prefix_caching=prefixes), version=version).shares[0].blocks(10**6)

    assert (states("0.25.1", None), states("0.26.0", None)) == (1, 2)
    assert (states("0.25.1", True), states("0.26.0", False)) == (2, 1)


def test_a_mamba2_layer_keeps_a_third_state_since_0_32() -> None:
    mamba2 = State(kind=MAMBA2, channels=768, groups=1, heads=24, head_dim=32, state_size=16, kernel=4)
    found = laid_out(architecture("mf", state=mamba2), version="0.32.0")
    assert found.shares[0].blocks(4096) == 3
    before = cache_layers(architecture("mf", state=mamba2), Settings(), known("0.31.0"))
    assert isinstance(before, Unknown)


def test_a_block_is_no_smaller_than_a_state() -> None:
    of = architecture("lllf", kv_heads=2, head_dim=256, state=QWEN_HYBRID)
    page = (2 * 16 * 128 + 32 * 128) * 3 * 2 + 32 * 128 * 128 * 2
    found = laid_out(of)
    assert found.shares[1].tokens == 544 == 16 * -(-page // (16 * 2048))
    assert found.block_bytes == (544 * 2048,)
    # a block that was asked for is made larger by whole blocks since 0.20, before by what kernels want
    asked = {version: laid_out(of, version=version, block=64).shares[1].tokens for version in ("0.19.1", "0.20.0")}
    assert asked == {"0.19.1": 544, "0.20.0": 576}
    drafting = laid_out(of, Settings(draft_tokens=4))
    assert drafting.shares[1].tokens == 16 * -(-(page + (2 * 16 * 128 + 32 * 128) * 4 * 2) // (16 * 2048))
    assert drafting.shares[0].blocks(10**6) == 2 + 4


@pytest.mark.parametrize(
    ("state", "cards", "size"),
    [
        (
            State(kind=MAMBA2, channels=1024, groups=1, heads=32, head_dim=32, state_size=16, kernel=4),
            1,
            1056 * 6 + 32_768,
        ),
        # a group that cannot be cut is on every card
        (
            State(kind=MAMBA2, channels=1024, groups=1, heads=32, head_dim=32, state_size=16, kernel=4),
            2,
            544 * 6 + 16_384,
        ),
        (State(kind=MAMBA1, channels=128, state_size=16, kernel=4), 2, 64 * (6 + 32)),
        (State(kind=SHORT_CONV, channels=128, kernel=3), 2, 64 * 4),
        (State(kind=LINEAR, heads=4, head_dim=32), 2, 2 * 32 * 32 * 2),
        (State(kind=KDA, heads=4, head_dim=32, kernel=4), 2, 3 * 2 * 32 * 3 * 2 + 2 * 32 * 32 * 2),
    ],
)
def test_the_size_of_a_state(state: State, cards: int, size: int) -> None:
    assert state_size(state, cards, 2, 2) == size


def test_no_other_kind_of_state_is_known() -> None:
    assert state_size(State(kind="rwkv"), 1, 2, 2) is None


def test_a_state_without_one_of_its_numbers_is_unknown() -> None:
    assert state_size(State(kind=MAMBA1, channels=128, kernel=4), 1, 2, 2) is None
    found = cache_layers(architecture("mf", state=State(kind=DELTA, kernel=4)), Settings(), known())
    assert isinstance(found, Unknown)
    assert "gated-delta" in found.why[0]


def test_a_hybrid_layer_counts_as_a_state_and_as_attention() -> None:
    mamba2 = State(kind=MAMBA2, channels=768, groups=1, heads=24, head_dim=32, state_size=16, kernel=4)
    both = laid_out(architecture("hhhh", state=mamba2))
    assert both.block_bytes == laid_out(architecture("fmfmfmfm", state=mamba2)).block_bytes
    assert both.blocks(4096) == laid_out(architecture("fmfmfmfm", state=mamba2)).blocks(4096)
    found = cache_layers(architecture("hhhh", state=mamba2), Settings(pipeline_parallel=2), known())
    assert isinstance(found, Unknown)


def test_value_heads_may_be_smaller_than_keys() -> None:
    assert laid_out(architecture("ff", head_dim=192, value_dim=128)).token_bytes() == 2 * 8 * (192 + 128) * 2


def unlike(sliding_kv_heads: int) -> Architecture:
    """A layer of each kind, the sliding one with heads of its own."""
    own = LayerRun(kind="sliding", count=1, kv_heads=sliding_kv_heads)
    return replace(architecture("sf"), attention=(own, LayerRun(kind="full", count=1)))


def test_layers_of_full_attention_may_each_have_their_own_heads() -> None:
    runs = (LayerRun(kind="full", count=2), LayerRun(kind="none", count=1), LayerRun(kind="full", count=1, kv_heads=2))
    of = replace(architecture("ffff"), attention=runs)
    assert laid_out(of).token_bytes() == (2 * 8 + 2) * 2 * 128 * 2
    assert laid_out(of).block_bytes == (16 * laid_out(of).token_bytes(),)
    assert isinstance(cache_layers(of, Settings(pipeline_parallel=2), known()), Unknown)


def test_windows_with_heads_that_differ_are_unknown_not_guessed() -> None:
    of = replace(architecture("ss"), attention=(*unlike(4).attention, LayerRun(kind="sliding", count=1)))
    found = cache_layers(of, Settings(), known())
    assert isinstance(found, Unknown)
    assert "sliding" in found.why[0]


def test_what_a_config_has_of_its_own_is_unknown_not_guessed() -> None:
    found = cache_layers(architecture("ff", mla=LITE, unfollowed=("index_topk",)), Settings(), known())
    assert found == Unknown(("what `index_topk` of its config.json makes of the KV cache is not followed here",))


@pytest.mark.parametrize(
    ("method", "version", "told", "found"),
    [
        ("compressed-tensors", "0.16.0", "auto", "auto"),
        ("compressed-tensors", "0.17.1", "auto", "fp8"),
        ("compressed-tensors", "0.21.0", "bfloat16", "fp8"),
        ("compressed-tensors", "0.22.1", "bfloat16", "bfloat16"),
        ("modelopt_fp4", "0.13.0", "auto", "auto"),
        ("modelopt_fp4", "0.14.0", "auto", "fp8"),
        ("modelopt", "0.32.0", "bfloat16", "bfloat16"),
        ("fp8", "0.32.0", "auto", "auto"),
    ],
)
def test_a_checkpoint_may_want_its_cache_in_8_bits(method: str, version: str, told: str, found: str) -> None:
    facts = replace(model(), quantization=Quantization(method=method, kv_cache="fp8"))
    assert kv_dtype(facts, Settings(kv_cache_dtype=told), known(version)) == found
    half = estimate(facts, Settings(kv_cache_dtype=told), H100, version).plan.token_bytes()
    assert half * (2 if found == "fp8" else 1) == laid_out(facts.architecture, version=version).token_bytes()


@pytest.mark.parametrize(
    ("version", "kind", "heeded"),
    [
        ("0.12.0", MAMBA2, False),
        ("0.13.0", MAMBA2, True),
        ("0.16.0", DELTA, False),
        ("0.17.1", DELTA, True),
        ("0.11.2", KDA, True),
    ],
)
def test_states_have_the_dtype_of_the_checkpoint_since_vllm_heeds_it(version: str, kind: str, heeded: bool) -> None:
    numbers: dict[str, Any] = {"kernel": 4, "key_heads": 16, "key_dim": 64, "heads": 16, "head_dim": 64, "groups": 1}
    plain = State(kind=kind, channels=1024, state_size=64, **numbers)
    told = Settings(prefix_caching=False)
    sizes = [
        layers(architecture("l", state=of), told, version).sizes["state"]
        for of in (plain, replace(plain, dtype="float32"))
    ]
    assert (sizes[1] > sizes[0]) is heeded


def test_pipeline_stages_share_layers_out() -> None:
    whole = laid_out(architecture("f" * 32))
    parts = laid_out(architecture("f" * 32), Settings(pipeline_parallel=4))
    assert parts.block_bytes == (whole.block_bytes[0] // 4,) * 4
    uneven = laid_out(architecture("f" * 10), Settings(pipeline_parallel=4))
    assert [size * 10 // laid_out(architecture("f" * 10)).block_bytes[0] for size in uneven.block_bytes] == [2, 3, 3, 2]


def test_a_drafts_layers_are_kept_too() -> None:
    plain = laid_out(architecture("f" * 10))
    own_layer = laid_out(architecture("f" * 10), Settings(draft_layers=1))
    assert own_layer.token_bytes() * 10 == plain.token_bytes() * 11
    three = laid_out(architecture("f" * 10, draft_layers=3), Settings(draft_layers=1))
    assert three.token_bytes() * 10 == plain.token_bytes() * 13
    assert laid_out(architecture("f" * 10, draft_layers=3)) == plain


patterns = st.text("fs", min_size=1, max_size=40) | st.text("fc", min_size=1, max_size=20)
versions = st.sampled_from(["0.11.0", "0.14.0", "0.19.1", "0.26.0", "0.32.0"])


@given(patterns, versions, st.integers(1, 300_000), st.integers(1, 300_000), st.sampled_from([1, 2, 4]))
def test_longer_needs_no_less(pattern: str, version: str, one: int, two: int, cards: int) -> None:
    found = laid_out(architecture(pattern), Settings(tensor_parallel=cards), version=version)
    short, long = sorted((one, two))
    assert found.needed(short) <= found.needed(long)
    assert found.kept(short) <= found.kept(long)
    assert found.kept(short) <= found.needed(short)


@given(patterns, versions, st.integers(0, 1 << 36))
def test_the_longest_is_the_longest(pattern: str, version: str, memory: int) -> None:
    found = laid_out(architecture(pattern), version=version)
    blocks = found.pool(memory)
    most = 262_144
    longest = found.longest(blocks, most)
    assert 0 <= longest <= most
    assert longest == 0 or found.needed(longest) <= blocks * found.block_bytes[0]
    assert longest == most or found.needed(longest + 1) > blocks * found.block_bytes[0]


@given(patterns, versions, st.integers(1, 200_000))
def test_more_cards_need_no_more_each(pattern: str, version: str, length: int) -> None:
    needed = [
        laid_out(architecture(pattern), Settings(tensor_parallel=cards), version=version).needed(length)
        for cards in (1, 2, 4, 8, 16)
    ]
    assert needed == sorted(needed, reverse=True)
    assert needed[3] == needed[4]
