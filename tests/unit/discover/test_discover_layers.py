"""What layers keep of a sequence, in the words that families of models have for it."""

from pathlib import Path
from typing import Any

import pytest
from discover_cases import CONFIGS, LLAMA, write_folder

from stowplan.discover.files import Folder
from stowplan.discover.folder import facts
from stowplan.nouns.facts import Architecture, Facts, LayerRun, Quantization, write
from stowplan.nouns.state import State
from stowplan.words.diagnostic import Diagnostic

DELTA = {
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
    "linear_value_head_dim": 128,
}
MAMBA2 = {
    "attn_layer_indices": [1],
    "mamba_d_conv": 4,
    "mamba_d_state": 16,
    "mamba_expand": 2,
    "mamba_n_groups": 1,
    "mamba_n_heads": 24,
}
KDA = {"full_attn_layers": [4], "head_dim": 128, "kda_layers": [1, 2, 3], "num_heads": 32, "short_conv_kernel_size": 4}


def read(base: Path, config: Any, **files: Any) -> tuple[Facts, list[Diagnostic]]:
    folder = Folder("weights", base, write_folder(base / "Org/Model", config, **files).relative_to(base).as_posix())
    found = facts(folder)
    assert found is not None
    return found, folder.problems


def small(base: Path, **change: Any) -> Architecture:
    """The architecture of a model of four layers; nothing in its config may be odd."""
    config = {**LLAMA, "model_type": "own", "num_hidden_layers": 4, **change}
    found, problems = read(base, config)
    assert problems == []
    return found.architecture


def kinds(of: Architecture) -> list[tuple[str, int]]:
    return [(run.kind, run.count) for run in of.attention]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"attn_layer_indices": [1]}, [("mamba", 1), ("full", 1), ("mamba", 2)]),
        ({"full_attn_idxs": [0, 3]}, [("full", 1), ("conv", 2), ("full", 1)]),
        ({"hybrid_layer_ids": [3]}, [("mamba", 3), ("hybrid", 1)]),
        ({"linear_attn_config": KDA}, [("linear", 3), ("full", 1)]),
        (
            {"hybrid_layer_pattern": [0, 1, 1, 0], "sliding_window_size": 128},
            [("full", 1), ("sliding", 2), ("full", 1)],
        ),
        ({"attn_type_list": [0, 0, 0, 1]}, [("linear", 3), ("full", 1)]),
        ({"attn_layer_period": 2, "attn_layer_offset": 0}, [("full", 1), ("mamba", 1)] * 2),
        ({"attn_layer_period": 4, "attn_layer_offset": 1}, [("mamba", 1), ("full", 1), ("mamba", 2)]),
        ({"layer_group_size": 4}, [("linear", 3), ("full", 1)]),
        ({"layer_group_size": 3}, [("linear", 2), ("full", 1), ("linear", 1)]),
        ({"layer_group_size": 3, "short_conv_kernel_size": 4}, [("linear", 2), ("full", 2)]),
        ({"layer_types": ["mamba", "hybrid", "mamba", "hybrid"]}, [("mamba", 1), ("hybrid", 1)] * 2),
        ({"attn_layer_indices": ["1"]}, [("full", 4)]),
        ({"hybrid_layer_pattern": [1, 1]}, [("full", 4)]),
        ({"hybrid_layer_pattern": [7, -1, 0, 0]}, [("full", 4)]),
    ],
)
def test_layers_are_told_in_many_words(tmp_path: Path, words: dict[str, Any], expected: list[tuple[str, int]]) -> None:
    assert kinds(small(tmp_path, **words)) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            {"full_attention_interval": 4, **DELTA},
            State(kind="gated-delta", key_heads=16, key_dim=128, heads=32, head_dim=128, kernel=4),
        ),
        (
            {"full_attention_interval": 4, **DELTA, "mamba_ssm_dtype": "float32"},
            State(kind="gated-delta", key_heads=16, key_dim=128, heads=32, head_dim=128, kernel=4, dtype="float32"),
        ),
        (
            {"hidden_size": 384, **MAMBA2, "mamba_d_head": "auto"},
            State(kind="mamba2", channels=768, groups=1, heads=24, head_dim=32, state_size=16, kernel=4),
        ),
        (
            {"hidden_size": 384, **MAMBA2, "mamba_d_head": 64, "mamba_d_ssm": 512},
            State(kind="mamba2", channels=512, groups=1, heads=24, head_dim=64, state_size=16, kernel=4),
        ),
        (
            {"linear_attn_config": KDA},
            State(kind="kda", heads=32, head_dim=128, kernel=4, dtype="float32"),
        ),
        ({"layer_group_size": 4, "head_dim": 96}, State(kind="linear", heads=32, head_dim=96)),
        ({"full_attn_idxs": [0], "conv_L_cache": 3}, State(kind="short-conv", channels=4096, kernel=3)),
        ({"full_attention_interval": 4}, None),
        ({**DELTA}, None),
        ({"hidden_size": 384, **MAMBA2, "mamba_d_state": 0}, None),
    ],
)
def test_the_numbers_of_a_state(tmp_path: Path, words: dict[str, Any], expected: State | None) -> None:
    assert small(tmp_path, **words).state == expected


@pytest.mark.parametrize("bad", [-1, True, "4", 1.5, [], {}, 1 << 60])
def test_an_odd_number_of_a_state_is_no_number(tmp_path: Path, bad: Any) -> None:
    config = {**LLAMA, "full_attention_interval": 4, **DELTA, "linear_key_head_dim": bad}
    found, problems = read(tmp_path, config)
    assert found.architecture.state is None
    assert [problem for problem in problems if "linear_key_head_dim" in problem.message]


def test_a_silent_config_has_the_state_that_transformers_assumes(tmp_path: Path) -> None:
    found, _ = read(tmp_path, CONFIGS["qwen3-next"])
    state = State(kind="gated-delta", key_heads=16, key_dim=128, heads=32, head_dim=128, kernel=4)
    assert found.architecture.state == state


def test_a_latent_vector_may_be_kept_head_by_head(tmp_path: Path) -> None:
    latent = {"kv_lora_rank": 256, "q_lora_rank": 768, "qk_nope_head_dim": 64, "qk_rope_head_dim": 32}
    of = small(tmp_path, **latent, model_type="minicpm3", num_attention_heads=40, num_key_value_heads=40)
    assert (of.mla, of.kv_heads, of.head_dim, of.value_dim) == (None, 40, 96, None)
    assert small(tmp_path / "other", **latent, model_type="deepseek_v3").mla is not None


def test_heads_of_sliding_layers(tmp_path: Path) -> None:
    own = {"swa_num_key_value_heads": 16, "swa_head_dim": 128, "swa_v_head_dim": 128, "sliding_window": 128}
    of = small(tmp_path, head_dim=192, v_head_dim=128, hybrid_layer_pattern=[0, 1, 1, 1], **own)
    assert of.value_dim == 128
    assert of.attention[0] == LayerRun(kind="full", count=1)
    assert of.attention[1] == LayerRun(kind="sliding", count=3, kv_heads=16, head_dim=128)


@pytest.mark.parametrize(("shared", "kv_heads"), [(True, 2), (False, None)])
def test_heads_of_full_layers(tmp_path: Path, shared: bool, kv_heads: int | None) -> None:
    own = {"attention_k_eq_v": shared, "global_head_dim": 512, "num_global_key_value_heads": 2}
    of = small(tmp_path, head_dim=256, sliding_window=512, sliding_window_pattern=4, **own)
    assert of.attention[1] == LayerRun(kind="full", count=1, kv_heads=kv_heads, head_dim=512)
    assert of.attention[0] == LayerRun(kind="sliding", count=3)


def test_heads_of_a_kind_that_a_table_names(tmp_path: Path) -> None:
    other = {"attention_type": "sliding_attention", "head_dim": 64, "num_attention_groups": 4}
    of = small(tmp_path, sliding_window=512, sliding_window_pattern=4, attention_other_setting=other)
    assert of.attention[0] == LayerRun(kind="sliding", count=3, kv_heads=4, head_dim=64)


def test_heads_of_single_layers(tmp_path: Path) -> None:
    of = small(tmp_path, per_layer_config={"1": {"head_dim": 64}, "9": {"head_dim": 32}, "x": {}, "2": 7})
    assert [run.head_dim for run in of.attention] == [None, 64, None]
    blocks = [{"attention": {"n_heads_in_group": group, "no_op": group is None}} for group in (4, None, 8, 8)]
    of = small(tmp_path, block_configs=blocks)
    assert [(run.kind, run.count, run.kv_heads) for run in of.attention] == [
        ("full", 1, None),
        ("none", 1, None),
        ("full", 2, 4),
    ]


def test_a_decoder_beside_an_encoder_has_layers_of_its_own(tmp_path: Path) -> None:
    found, _ = read(tmp_path, {**CONFIGS["whisper"], "encoder_layers": 32, "decoder_layers": 4})
    assert kinds(found.architecture) == [("full", 4), ("cross", 4)]
    assert (found.architecture.layers, found.architecture.encoder_tokens) == (32, 1500)


def test_layers_that_predict_ahead(tmp_path: Path) -> None:
    assert small(tmp_path, num_nextn_predict_layers=3).draft_layers == 3
    assert small(tmp_path, mtp_num_hidden_layers=1).draft_layers == 1
    assert small(tmp_path, num_nextn_predict_layers=0).draft_layers is None


def test_what_nobody_follows_is_named(tmp_path: Path) -> None:
    assert small(tmp_path, index_topk=2048).unfollowed == ("index_topk",)
    assert small(tmp_path, index_topk=None).unfollowed == ()


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"quant_method": "compressed-tensors", "kv_cache_scheme": {"num_bits": 8, "type": "float"}}, "fp8"),
        ({"quant_method": "compressed-tensors", "kv_cache_scheme": None}, None),
        ({"quant_method": "modelopt", "quantization": {"kv_cache_quant_algo": "FP8"}}, "fp8_e4m3"),
        ({"quant_method": "modelopt_fp4", "kv_cache_scheme": {"num_bits": 4, "type": "float"}}, "nvfp4"),
        ({"quant_method": "modelopt", "kv_cache_quant_algo": "INT3"}, None),
        ({"quant_method": "modelopt", "kv_cache_scheme": {"num_bits": 3}}, None),
        ({"quant_method": "fp8", "kv_cache_scheme": {"num_bits": 8, "type": "float"}}, None),
    ],
)
def test_a_cache_in_8_bits(tmp_path: Path, how: dict[str, Any], expected: str | None) -> None:
    found, _ = read(tmp_path, {**LLAMA, "quantization_config": how})
    assert found.quantization is not None
    assert found.quantization.kv_cache == expected


def test_what_is_absent_leaves_no_trace(tmp_path: Path) -> None:
    found, _ = read(tmp_path, {**LLAMA, "quantization_config": {"quant_method": "fp8"}})
    assert found.quantization == Quantization(method="fp8", bits=8)
    new = (b"state", b"value_dim", b"kv_cache", b"draft_layers", b"encoder_tokens", b"unfollowed")
    assert not [name for name in new if b'"' + name + b'"' in write(found)]
