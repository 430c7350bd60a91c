"""config.json → architecture, context, quantization, capabilities, in the forms that published models take."""

from pathlib import Path
from typing import Any

import pytest
from discover_cases import CONFIGS, LLAMA, write_folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stowplan.discover.files import Folder
from stowplan.discover.folder import facts
from stowplan.nouns.facts import Experts, Facts, LayerRun, Mla, Quantization, Rope, Tower
from stowplan.words.diagnostic import Diagnostic


def read(base: Path, config: Any, **files: Any) -> tuple[Facts | None, list[Diagnostic]]:
    folder = Folder("weights", base, write_folder(base / "Org/Model", config, **files).relative_to(base).as_posix())
    return facts(folder), folder.problems


def known(base: Path, name: str) -> Facts:
    found, problems = read(base, CONFIGS[name])
    assert found is not None
    assert problems == []
    return found


def runs(found: Facts) -> list[tuple[str, int]]:
    return [(run.kind, run.count) for run in found.architecture.attention]


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_no_published_form_is_odd(tmp_path: Path, name: str) -> None:
    found = known(tmp_path, name)
    assert found.architecture.layers
    runs_of_layers = [run.count for run in found.architecture.attention if run.kind != "cross"]
    assert sum(runs_of_layers) == found.architecture.layers


def test_a_plain_model(tmp_path: Path) -> None:
    found = known(tmp_path, "llama-3.1")
    numbers = found.architecture
    assert (numbers.layers, numbers.heads, numbers.kv_heads, numbers.head_dim) == (32, 32, 8, 128)
    assert numbers.dtype == "bfloat16"
    assert numbers.rope == Rope(kind="llama3", factor=8.0, original_max_positions=8192, theta=500000.0)
    assert found.context is not None
    assert (found.context.tokens, found.context.evidence) == (
        131072,
        "config.json: max_position_embeddings = 131072",
    )
    assert runs(found) == [("full", 32)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"head_dim": 96}, 96),
        ({"head_dim": None}, 128),
        ({"head_dim": 0}, 128),
        ({"hidden_size": 4096, "num_attention_heads": 64}, 64),
        ({"model_type": "gemma"}, 256),
    ],
)
def test_head_dim_is_the_explicit_one_else_derived(tmp_path: Path, change: dict[str, Any], expected: int) -> None:
    found, _ = read(tmp_path, {**LLAMA, **change})
    assert found is not None
    assert found.architecture.head_dim == expected


def test_what_config_json_leaves_out_is_what_transformers_assumes(tmp_path: Path) -> None:
    numbers = known(tmp_path, "silent-llava").architecture
    assert (numbers.layers, numbers.heads, numbers.kv_heads, numbers.head_dim) == (32, 32, 32, 128)
    assert numbers.vocab_size == 32064


def test_an_assumed_context_says_so(tmp_path: Path) -> None:
    found, _ = read(tmp_path, {key: value for key, value in LLAMA.items() if key != "max_position_embeddings"})
    assert found is not None
    assert found.context is not None
    assert found.context.tokens == 2048
    assert "transformers" in found.context.evidence


@pytest.mark.parametrize(
    ("name", "tokens", "default"),
    [
        ("linear-rope", 16384, None),
        ("yarn", 131072, None),
        ("longrope", 131072, 4096),
        ("gemma3", 131072, None),
        ("whisper", 448, None),
        ("bert", 512, None),
    ],
)
def test_the_longest_context(tmp_path: Path, name: str, tokens: int, default: int | None) -> None:
    context = known(tmp_path, name).context
    assert context is not None
    assert (context.tokens, context.default) == (tokens, default)


def test_model_max_length_wins_over_longer_and_shorter(tmp_path: Path) -> None:
    found, _ = read(tmp_path, {**LLAMA, "model_max_length": 200000, "seq_length": 5})
    assert found is not None
    assert found.context is not None
    assert found.context.tokens == 200000


def test_the_tokenizer_bounds_an_embedding_model_with_absolute_positions(tmp_path: Path) -> None:
    found, _ = read(tmp_path, CONFIGS["bert"], tokenizer_config__json={"model_max_length": 128})
    assert found is not None
    assert found.context is not None
    assert (found.context.tokens, found.context.evidence) == (
        128,
        "tokenizer_config.json: model_max_length = 128",
    )
    found, _ = read(tmp_path, LLAMA, tokenizer_config__json={"model_max_length": 128})
    assert found is not None
    assert found.context is not None
    assert found.context.tokens == 131072


def test_sentence_transformers_length_wins_over_all(tmp_path: Path) -> None:
    found, _ = read(tmp_path, CONFIGS["bert"], sentence_bert_config__json={"max_seq_length": 256})
    assert found is not None
    assert found.context is not None
    assert (found.context.tokens, found.context.evidence) == (
        256,
        "sentence_bert_config.json: max_seq_length = 256",
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gemma3", [("sliding", 5), ("full", 1)] * 5 + [("sliding", 4)]),
        ("rope-parameters", [("sliding", 5), ("full", 1)] * 3),
        ("llama4", [("chunked", 3), ("full", 1)] * 12),
        ("gpt-oss", [("sliding", 1), ("full", 1)] * 12),
        ("qwen3-next", [("linear", 3), ("full", 1)] * 12),
        ("old-mistral", [("sliding", 32)]),
        ("yarn", [("full", 28)]),
        ("longrope", [("sliding", 32)]),
        ("bert", [("encoder", 6)]),
        ("whisper", [("full", 4), ("cross", 4)]),
    ],
)
def test_how_far_each_layer_sees(tmp_path: Path, name: str, expected: list[tuple[str, int]]) -> None:
    assert runs(known(tmp_path, name)) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"sliding_window": 64, "sliding_window_pattern": "LLG"},
            [("sliding", 2), ("full", 1), ("sliding", 1)],
        ),
        ({"hybrid_override_pattern": "M-M*"}, [("mamba", 1), ("none", 1), ("mamba", 1), ("full", 1)]),
        (
            {"layers_block_type": ["mamba", "mamba", "attention", "mamba"]},
            [("mamba", 2), ("full", 1), ("mamba", 1)],
        ),
        ({"layer_types": ["sliding_attention"] * 4}, [("full", 4)]),
        (
            {"model_type": "qwen2", "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
            [("full", 1), ("sliding", 3)],
        ),
    ],
)
def test_other_words_for_it(tmp_path: Path, change: dict[str, Any], expected: list[tuple[str, int]]) -> None:
    found, problems = read(tmp_path, {**LLAMA, "num_hidden_layers": 4, **change})
    assert found is not None
    assert problems == []
    assert runs(found) == expected


def test_an_unknown_kind_of_layer_counts_as_full_and_is_odd(tmp_path: Path) -> None:
    kinds = ["psychic_attention", "full_attention"]
    found, problems = read(tmp_path, {**LLAMA, "num_hidden_layers": 2, "layer_types": kinds})
    assert found is not None
    assert found.architecture.attention == (LayerRun(kind="full", count=2),)
    assert [problem.id for problem in problems] == ["config-odd"]
    assert "psychic_attention" in problems[0].message


def test_latent_attention_and_experts(tmp_path: Path) -> None:
    numbers = known(tmp_path, "deepseek-v2").architecture
    assert numbers.mla == Mla(kv_lora_rank=512, qk_rope_head_dim=64, qk_nope_head_dim=128, v_head_dim=128)
    assert numbers.head_dim is None
    assert numbers.experts == Experts(count=64, per_token=6, shared=2, intermediate_size=1408)
    assert numbers.remote_code is True
    assert known(tmp_path, "mixtral").architecture.experts == Experts(count=8, per_token=2)
    assert known(tmp_path, "qwen3-moe").architecture.experts == Experts(count=128, per_token=8, intermediate_size=768)
    assert known(tmp_path, "llama4").architecture.chunk_size == 8192


def test_vision(tmp_path: Path) -> None:
    found = known(tmp_path, "qwen2.5-vl")
    tower = found.architecture.vision
    assert tower == Tower(model_type="qwen2_5_vl", layers=32, hidden_size=1280, heads=16, patch_size=14)
    assert found.architecture.rope == Rope(kind="mrope", theta=1000000.0)
    assert found.capabilities == {
        "text": "config.json: architectures `Qwen2_5_VLForConditionalGeneration`",
        "vision": "config.json: vision_config",
    }
    assert found.quantization == Quantization(method="awq", bits=4, group_size=128)


def test_audio(tmp_path: Path) -> None:
    assert known(tmp_path, "whisper").capabilities == {"audio": "config.json: num_mel_bins"}
    found = known(tmp_path, "qwen2-audio")
    assert set(found.capabilities) == {"audio", "text"}
    assert found.architecture.audio == Tower(model_type="qwen2_audio_encoder", layers=32, hidden_size=1280, heads=20)


def test_thinker_inside_an_omni_model(tmp_path: Path) -> None:
    text = {key: LLAMA[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")}
    thinker = {
        "text_config": {**text, "max_position_embeddings": 32768},
        "audio_config": {"num_mel_bins": 128},
    }
    config = {"architectures": ["Qwen2_5OmniModel"], "model_type": "qwen2_5_omni", "thinker_config": thinker}
    found, _ = read(tmp_path, config)
    assert found is not None
    assert found.context is not None
    assert found.context.evidence == "config.json: thinker_config.text_config.max_position_embeddings = 32768"
    assert found.capabilities["audio"] == "config.json: thinker_config.audio_config"


def test_what_a_model_is_for(tmp_path: Path) -> None:
    assert known(tmp_path, "bert").capabilities == {"embedding": "config.json: architectures `BertModel`"}
    said = "config.json: architectures `XLMRobertaForSequenceClassification`, one label"
    assert known(tmp_path, "reranker").capabilities == {"reranking": said}
    found, _ = read(tmp_path, {**CONFIGS["reranker"], "id2label": {"0": "bad", "1": "good"}})
    assert found is not None
    assert found.capabilities == {}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, Quantization(method="fp8", bits=8)),
        (
            {"quant_method": "AWQ", "w_bit": 4, "q_group_size": 64},
            Quantization(method="awq", bits=4, group_size=64),
        ),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1}, Quantization(method="gptq", bits=8)),
        ({"quant_method": "mxfp4"}, Quantization(method="mxfp4", bits=4)),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, Quantization(method="bitsandbytes", bits=4)),
        (
            {
                "quant_method": "compressed_tensors",
                "format": "pack-quantized",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 128, "type": "int"}}},
            },
            Quantization(method="compressed-tensors", format="pack-quantized", bits=4, group_size=128),
        ),
        (
            {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "nvfp4"}},
            Quantization(method="modelopt_fp4", bits=4),
        ),
    ],
)
def test_quantization_in_all_its_spellings(tmp_path: Path, stated: Any, expected: Quantization) -> None:
    for config in (
        {**LLAMA, "quantization_config": stated},
        {**LLAMA, "compression_config": stated},
        {
            **CONFIGS["gemma3"],
            "text_config": {**CONFIGS["gemma3"]["text_config"], "quantization_config": stated},
        },
    ):
        found, problems = read(tmp_path, config)
        assert found is not None
        assert found.quantization == expected
        assert problems == []


def test_modelopts_file_of_its_own(tmp_path: Path) -> None:
    beside = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8"}}
    found, _ = read(tmp_path, LLAMA, hf_quant_config__json=beside)
    assert found is not None
    assert found.quantization == Quantization(method="modelopt", bits=8)


@pytest.mark.parametrize(
    ("key", "value", "seen"),
    [
        ("num_hidden_layers", "32", 'is "32"; a whole number above zero was expected'),
        ("num_hidden_layers", True, "is true"),
        ("num_attention_heads", -4, "is -4"),
        ("hidden_size", [4096], "is a list"),
        ("hidden_size", 10**30, "is a number beyond all measure"),
        ("tie_word_embeddings", "no", 'is "no"; true or false was expected'),
        ("architectures", "LlamaForCausalLM", "a list of short texts was expected"),
        ("torch_dtype", 16, "a short text was expected"),
        ("rope_theta", float("inf"), "a number above zero was expected"),
        ("quantization_config", "awq", "a table was expected"),
        ("text_config", 7, "a table was expected"),
        ("sliding_window", {}, "is a table"),
    ],
)
def test_an_odd_value_is_named_and_left_out(tmp_path: Path, key: str, value: Any, seen: str) -> None:
    found, problems = read(tmp_path, {**LLAMA, key: value})
    assert found is not None
    (problem,) = problems
    assert problem.id == "config-odd"
    assert problem.severity == "warning"
    assert seen in problem.message
    assert problem.at is not None
    assert (problem.at.file, problem.at.key) == ("weights:Org/Model/config.json", (key,))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
paths = st.sampled_from(
    [(name, key) for name, config in CONFIGS.items() for key in config]
    + [
        (name, f"{outer}/{key}")
        for name, config in CONFIGS.items()
        for outer, inner in config.items()
        if isinstance(inner, dict)
        for key in inner
    ]
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paths, json_values)
def test_no_value_whatever_crashes_it(tmp_path: Path, path: tuple[str, str], value: Any) -> None:
    name, key = path
    outer, _, inner = key.partition("/")
    config = {**CONFIGS[name], outer: {**CONFIGS[name][outer], inner: value} if inner else value}
    found, problems = read(tmp_path, config)
    assert found is not None or any(problem.severity == "error" for problem in problems)
