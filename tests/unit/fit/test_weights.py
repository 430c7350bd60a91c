"""The bytes of weights on each card, and what a launch makes of them."""

from dataclasses import replace

import pytest
from fit_models import GIB, known, model, own
from hypothesis import given
from hypothesis import strategies as st

from stowplan.fit.layers import Unknown
from stowplan.fit.settings import Settings
from stowplan.fit.span import Span
from stowplan.fit.weights import weights
from stowplan.nouns.facts import Facts, Mla, Quantization, Rope, Tower, Weights

NONE = Settings()


def loaded(facts: Facts, settings: Settings = NONE, version: str = "0.19.1") -> tuple[Span, ...]:
    """The bytes on each stage's card, which must be known."""
    found = weights(facts, settings, known(version))
    assert isinstance(found, tuple), found
    return found


def of_groups(facts: Facts, **sizes: int) -> Facts:
    """The same with other groups of tensors, all of bfloat16."""
    total = sum(sizes.values())
    return replace(facts, weights=Weights(format="safetensors", bytes=total, dtypes={"BF16": total}, groups=sizes))


def test_the_headers_are_the_least() -> None:
    (found,) = loaded(model(size=16_060_522_496))
    assert found.low == 16_060_522_496
    assert found.likely == pytest.approx(14.99 * GIB, rel=0.01)  # as logged, Llama-3.1-8B
    assert found.high < found.low * 1.02


def test_a_quantised_checkpoint_comes_out_by_itself() -> None:
    facts = own("qwen2.5-vl-7b-instruct-awq")
    (found,) = loaded(facts)
    assert found.low == facts.weights.bytes


def test_unknown_bytes_are_unknown() -> None:
    facts = replace(model(), weights=Weights(format="gguf"))
    assert isinstance(weights(facts, NONE, known()), Unknown)


def test_fp8_at_load_halves_the_layers_alone() -> None:
    facts = of_groups(model(), layers=13_959_692_288, embedding=1_050_673_152, head=1_050_673_152, other=8192)
    (found,) = loaded(facts, Settings(quantization="fp8"))
    assert found.likely == pytest.approx(8.49 * GIB, rel=0.01)  # as logged, Llama-3.1-8B
    assert found.low < found.likely < found.high


def test_int8_experts_leave_the_rest() -> None:
    facts = of_groups(model(), layers=2 * GIB, experts=20 * GIB, embedding=GIB, head=GIB)
    (found,) = loaded(facts, Settings(quantization="experts_int8"))
    assert found.likely == pytest.approx(14 * GIB, rel=0.01)


def test_a_method_unheard_of_is_unknown() -> None:
    found = weights(model(), Settings(quantization="torchao"), known())
    assert found == Unknown(("what `quantization torchao` makes of these weights is not known here",))
    quantised = replace(model(), quantization=Quantization(method="torchao"))
    assert loaded(quantised, Settings(quantization="torchao"))[0].low == quantised.weights.bytes


def test_32_bits_double_and_are_halved() -> None:
    bf16 = loaded(model(size=16 * GIB), Settings(dtype="float32"))[0]
    assert bf16.likely == pytest.approx(32 * GIB, rel=0.01)
    f32 = replace(model(), weights=Weights(format="safetensors", bytes=8 * GIB, dtypes={"F32": 8 * GIB}))
    assert loaded(f32)[0].likely == pytest.approx(4 * GIB, rel=0.01)
    mixed = replace(
        model(), weights=Weights(format="safetensors", bytes=8 * GIB, dtypes={"BF16": 6 * GIB, "F32": 2 * GIB})
    )
    assert (loaded(mixed)[0].low, round(loaded(mixed)[0].high / GIB)) == (7 * GIB, 8)


def test_32_bits_of_a_quantised_checkpoint_may_double_what_is_not() -> None:
    facts = own("qwen3-vl-8b-instruct-fp8")
    (found,) = loaded(facts, Settings(dtype="float32"))
    assert found.low == facts.weights.bytes
    assert found.likely > found.low + 3 * GIB


def test_experts_that_are_padded_for_their_kernel() -> None:
    (found,) = loaded(own("gpt-oss-20b"))
    assert found.low == 13_761_264_768
    assert found.likely == pytest.approx(13.72 * GIB, rel=0.01)  # as logged on an A100


@pytest.mark.parametrize(
    ("version", "card", "sides"),
    [
        ("0.11.0", (9, 0), (3072, 2880)),  # 13.47 GiB as logged on an H100
        ("0.19.1", (9, 0), (3072, 2944)),
        ("0.11.0", (8, 9), (3072, 2944)),
        ("0.32.0", (12, 0), (3072, 2944)),
        ("0.32.0", None, (3072, 2944)),
        ("0.32.0", (10, 0), (3072, 3072)),
    ],
)
def test_which_kernel_decides_on_the_padding(
    version: str, card: tuple[int, int] | None, sides: tuple[int, int]
) -> None:
    facts = own("gpt-oss-20b")
    found = weights(facts, NONE, known(version), card)
    assert isinstance(found, tuple)
    experts = facts.weights.groups["experts"]
    more = experts * (sides[0] * sides[1] / 2880**2 - 1)
    assert found[0].likely - found[0].low == pytest.approx(more + 32 * 2**20, abs=2**20)  # and a table of rotations


def test_a_tied_head_is_not_loaded_twice() -> None:
    tied = of_groups(model(tied_embeddings=True), layers=8 * GIB, embedding=GIB, head=GIB)
    assert loaded(tied)[0].low == 9 * GIB
    untied = of_groups(model(tied_embeddings=False), layers=8 * GIB, embedding=GIB, head=GIB)
    assert loaded(untied)[0].low == 10 * GIB


def test_layers_that_predict_ahead_are_loaded_when_asked_for() -> None:
    facts = of_groups(model(), layers=8 * GIB, embedding=GIB, head=GIB, draft=GIB)
    assert loaded(facts)[0].low == 10 * GIB
    assert loaded(facts, Settings(draft_layers=1))[0].low == 11 * GIB


def test_an_encoder_may_be_left_out() -> None:
    facts = of_groups(model(vision=Tower(hidden_size=1280)), layers=8 * GIB, embedding=GIB, head=GIB, vision=GIB)
    assert loaded(facts)[0].low == 11 * GIB
    assert loaded(facts, Settings(encoder=False))[0].low == 10 * GIB


def test_tensor_parallelism_cuts_all_but_what_is_whole_everywhere() -> None:
    facts = of_groups(model(), layers=13_959_692_288, embedding=1_050_673_152, head=1_050_673_152, other=8192)
    (found,) = loaded(facts, Settings(tensor_parallel=4))
    assert found.likely == pytest.approx(3.77 * GIB, rel=0.01)  # as logged


def test_an_encoder_that_every_card_has_whole() -> None:
    facts = of_groups(model(vision=Tower(hidden_size=1280)), layers=8 * GIB, embedding=GIB, head=GIB, vision=2 * GIB)
    cut = loaded(facts, Settings(tensor_parallel=2))[0]
    whole = loaded(facts, Settings(tensor_parallel=2, encoder_whole=True))[0]
    assert whole.likely - cut.likely == GIB
    assert cut.high == whole.high


def test_kv_heads_are_copied_where_there_are_more_cards() -> None:
    facts = model("f" * 10, kv_heads=2)
    spare = [loaded(facts, Settings(tensor_parallel=cards))[0].likely for cards in (2, 4)]
    assert spare[1] > (spare[0] + 10 * 4 * 4096 * 128) / 2


def test_latent_attentions_way_down_is_whole_everywhere() -> None:
    plain, latent = model("f" * 10), model("f" * 10, mla=Mla(kv_lora_rank=512, qk_rope_head_dim=64))
    settings = Settings(tensor_parallel=2)
    assert loaded(latent, settings)[0].likely - loaded(plain, settings)[0].likely == 10 * 4096 * 576


def test_pipeline_stages_have_layers_and_the_ends_more() -> None:
    facts = of_groups(model(), layers=13_959_692_288, embedding=1_050_673_152, head=1_050_673_152, other=8192)
    first, *middle, last = loaded(facts, Settings(pipeline_parallel=4))
    assert first.likely == pytest.approx(4.26 * GIB, rel=0.01)  # as logged by the first rank
    assert middle[0] == middle[1]
    assert middle[0].likely == pytest.approx(13_959_692_288 / 4, rel=0.01)
    assert last.likely == pytest.approx(first.likely, rel=0.001)


def test_a_tied_embedding_is_on_both_ends() -> None:
    facts = of_groups(model(tied_embeddings=True), layers=8 * GIB, embedding=2 * GIB)
    assert [span.low for span in loaded(facts, Settings(pipeline_parallel=2))] == [6 * GIB, 6 * GIB]


def test_a_draft_model_is_loaded_beside() -> None:
    facts, draft = model(), model(size=2 * GIB)
    with_draft = loaded(facts, Settings(draft=draft))[0]
    assert with_draft.low == loaded(facts)[0].low + 2 * GIB


def test_adapters_take_their_room_at_start() -> None:
    facts = model("f" * 32)
    plain = loaded(facts)[0]
    some = loaded(facts, Settings(loras=4, lora_rank=16))[0]
    more = loaded(facts, Settings(loras=4, lora_rank=32))[0]
    # Llama-3.1-8B, rank 16: 2 matrices of 16 for 7 linear layers in each of 32, 2 bytes a number
    once = 2 * 32 * 16 * (7 * 4096 + 2 * (4096 + 1024) + 3 * 14336)
    assert some.likely - plain.likely == 4 * once
    assert more.likely - plain.likely == 8 * once


@pytest.mark.parametrize(
    ("rope", "rows"),
    [
        (None, 0),
        (Rope(kind="default"), 131_072),
        (Rope(kind="linear", factor=8.0), 8 * 131_072),
        (Rope(kind="mrope"), 4 * 131_072),
        (Rope(kind="yarn", factor=4.0, original_max_positions=65_536), 4 * 65_536),
    ],
)
def test_the_table_of_rotations(rope: Rope | None, rows: int) -> None:
    plain, rotating = loaded(model())[0], loaded(model(rope=rope))[0]
    assert (rotating.low, rotating.likely - plain.likely) == (plain.low, rows * 128 * 2)


@given(st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2, 3, 4]), st.booleans())
def test_cards_share_out_no_less_than_the_whole(cards: int, stages: int, whole: bool) -> None:
    facts = of_groups(model(tied_embeddings=False), layers=8 * GIB, embedding=GIB, head=GIB, other=4096, vision=GIB)
    settings = Settings(tensor_parallel=cards, pipeline_parallel=stages, encoder_whole=whole)
    found = loaded(facts, settings)
    assert sum(span.low for span in found) * cards >= 11 * GIB - cards * stages
    assert all(span.low <= span.likely <= span.high for span in found)
