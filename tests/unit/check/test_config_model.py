"""What is asked for against the model and the card: quantization, dtype, cache, attention, architecture, runner."""

from typing import Any

import pytest
from configured import brief, errors, told, warnings

from stowplan.nouns.facts import Mla, ModelFile, Weights

Flags = dict[str, Any]
HALF = {"architecture": {"dtype": "float16"}}
MLA = {"architecture": {"mla": Mla(kv_lora_rank=512, qk_rope_head_dim=64)}}
BERT = {"architecture": {"names": ("BertModel",), "dtype": "float32"}, "capabilities": {"embedding": "modules.json"}}

QUANTIZATION_REFUSED: list[tuple[str, Flags, str | None, tuple[str, str]]] = [
    # version, flags, the checkpoint's method, what is told
    ("0.11.0", {"quantization": "fp8"}, "awq", ("quantization-differs", "quantization")),
    ("0.33.0", {"quantization": "awq"}, "fp8", ("quantization-differs", "quantization")),
    ("0.33.0", {"quantization": "fp8"}, "compressed-tensors", ("quantization-differs", "quantization")),
    ("0.33.0", {"quantization": "marlin"}, "fp8", ("quantization-differs", "quantization")),
    ("0.33.0", {"quantization": "marlin"}, None, ("bad-choice", "quantization")),
    ("0.33.0", {"quantization": "gguf"}, None, ("bad-choice", "quantization")),
    ("0.33.0", {}, "bitsandbytes", ("quantization-unsupported", "method")),
    ("0.33.0", {}, "fbgemm_fp8", ("quantization-unsupported", "method")),
    ("0.14.0", {"quantization": "hqq"}, None, ("quantization-unsupported", "quantization")),
    # dtypes
    ("0.11.0", {"quantization": "awq", "dtype": "bfloat16"}, "awq", ("flags-conflict", "dtype")),
    ("0.33.0", {"dtype": "float32"}, "awq", ("flags-conflict", "dtype")),
    ("0.33.0", {"dtype": "float"}, "fp8", ("flags-conflict", "dtype")),
    ("0.33.0", {"dtype": "half"}, "gpt_oss_mxfp4", ("flags-conflict", "dtype")),
]

QUANTIZATION_FINE: list[tuple[str, Flags, str | None]] = [
    ("0.11.0", {"quantization": "awq"}, "awq"),
    ("0.11.0", {"quantization": "AWQ"}, "awq"),
    ("0.11.0", {"quantization": "awq_marlin"}, "awq"),
    ("0.33.0", {"quantization": "marlin"}, "gptq"),
    ("0.33.0", {"quantization": "moe_wna16"}, "gptq"),
    ("0.33.0", {"quantization": "humming"}, "fp8"),
    ("0.33.0", {"quantization": "fp8"}, "modelopt"),
    ("0.33.0", {"quantization": "fp8"}, None),
    ("0.33.0", {"quantization": "mxfp4", "dtype": "float16"}, None),
    ("0.27.1", {}, "bitsandbytes"),
    ("0.33.0", {}, "auto-round"),
    ("0.33.0", {"allow-deprecated-quantization": True}, "fbgemm_fp8"),
    ("0.13.0", {"quantization": "hqq"}, None),
    # 0.11.0 turns AWQ into Marlin, which computes in both
    ("0.11.0", {"dtype": "bfloat16"}, "awq"),
    ("0.33.0", {"dtype": "float32"}, "compressed-tensors"),
    ("0.33.0", {"dtype": "auto"}, "fp8"),
]


@pytest.mark.parametrize(("version", "flags", "method", "expected"), QUANTIZATION_REFUSED)
def test_a_quantization_that_cannot_run_is_refused(
    version: str, flags: Flags, method: str | None, expected: tuple[str, str]
) -> None:
    assert errors(flags, version=version, method=method, **HALF) == [expected]


@pytest.mark.parametrize(("version", "flags", "method"), QUANTIZATION_FINE)
def test_a_quantization_that_can_run_is_let_through(version: str, flags: Flags, method: str | None) -> None:
    assert told(flags, version=version, method=method, **HALF) == []


def test_the_models_own_dtype_counts_where_none_is_asked_for() -> None:
    asked = {"quantization": "awq"}
    assert errors(asked, version="0.11.0", method="awq") == [("flags-conflict", "quantization")]
    assert told(asked, version="0.11.0", method="awq", **HALF) == []
    assert told(asked, version="0.11.0", method="awq", card="7.5") == [], "vLLM computes in float16 there"
    assert told(asked, version="0.11.0", method="awq", card=None) == [], "nobody knows in which"
    assert told(asked, version="0.11.0", method="awq", architecture={"dtype": "float32"}) == []


def test_what_is_not_known_of_the_weights_is_not_compared() -> None:
    gguf = Weights(format="gguf", bytes=1, headers_sha256="c" * 64)
    assert told({"quantization": "fp8"}, method="awq", weights=gguf) == []
    assert told({"quantization": "fp8", "hf-overrides": {"x": 1}}, method="awq") == []
    assert told({"quantization": "fp8", "load-format": "auto"}, method="awq") == []


def test_plain_weights_have_nothing_that_a_method_of_checkpoints_could_read() -> None:
    assert errors({"quantization": "awq"}, version="0.32.0", **HALF) == [("quantization-differs", "quantization")]
    beside = (ModelFile(path="quant_config.json", size=1),)
    assert told({"quantization": "awq"}, version="0.32.0", files=beside, **HALF) == []
    assert told({"quantization": "fp8"}, version="0.32.0", **HALF) == []


def test_what_had_a_method_that_is_gone_is_named() -> None:
    (problem,) = told({}, method="bitsandbytes")
    assert str(problem.hint).startswith("vllm had it up to 0.27.1: ")
    assert [label.at.key for label in problem.also] == [("engine", "vllm", "version")]


def test_the_method_needs_a_card() -> None:
    assert errors({}, version="0.11.0", method="fp8", card="7.5") == [("gpu-too-old", "method")]
    assert told({}, version="0.33.0", method="fp8", card="7.5") == []
    assert errors({"quantization": "fp8"}, version="0.11.0", card="7.5") == [("gpu-too-old", "quantization")]
    assert told({"quantization": "fp8"}, version="0.11.0", card="8.0") == []
    assert told({}, version="0.11.0", method="awq", card="7.5", **HALF) == [], "without Marlin"
    assert errors({}, version="0.11.0", method="awq", card="7.0", **HALF) == [("gpu-too-old", "method")]
    assert told({}, version="0.11.0", method="fp8", card=None) == []
    (problem,) = told({}, version="0.11.0", method="fp8", card="7.5")
    assert "8.0" in problem.message
    assert "7.5" in problem.message
    assert [label.at.key for label in problem.also] == [("gpu", "capability")]


def test_bfloat16_needs_a_card() -> None:
    assert errors({"dtype": "bfloat16"}, card="7.5") == [("gpu-too-old", "dtype")]
    assert told({"dtype": "bfloat16"}, card="8.0") == []
    assert told({"dtype": "half"}, card="7.5") == []
    assert told({"dtype": "auto"}, card="7.5") == [], "vLLM takes float16"


def test_an_attention_backend_needs_a_card() -> None:
    assert errors({"attention-backend": "FLASHMLA"}, card="8.9") == [("gpu-too-old", "attention-backend")]
    assert errors({"attention-config": {"backend": "flashmla"}}, card="8.9") == [("gpu-too-old", "backend")]
    assert told({"attention-backend": "FLASHMLA"}, card="9.0", **MLA) == []
    assert told({"attention-backend": "FLASH_ATTN"}, card="8.9") == []
    assert told({"attention-backend": "auto"}, card="8.9") == []
    assert told({"attention-backend": "CUTLASS_MLA"}, card="8.9") == [], "it could not be asked"
    assert told({"attention-backend": "FLASHMLA"}, card="11.0") == [], "no such card was asked about"


def test_a_cache_dtype_needs_a_backend() -> None:
    assert errors({"kv-cache-dtype": "fp8_inc"}, card="7.0") == [("gpu-too-old", "kv-cache-dtype")]
    assert told({"kv-cache-dtype": "fp8_inc"}, card="7.0", version="0.11.0") == [], "it could not be asked"
    assert told({"kv-cache-dtype": "fp8"}, card="8.9") == []
    assert told({"kv-cache-dtype": "fp8"}, card="8.9", **MLA) == []
    assert told({"kv-cache-dtype": "auto"}, card="7.0") == []
    flex = {"attention-backend": "FLEX_ATTENTION"}
    assert errors({**flex, "kv-cache-dtype": "fp8"}) == [("flags-conflict", "kv-cache-dtype")]
    assert told({**flex, "kv-cache-dtype": "bfloat16"}) == []
    beyond = {"attention-backend": "FLASH_ATTN", "kv-cache-dtype": "fp8"}
    assert told(beyond, version="0.12.0", card="9.0") == [], "its class lists less than it takes"


def test_an_architecture_that_the_version_has_not() -> None:
    new = {"architecture": {"names": ("Qwen3_5ForConditionalGeneration",)}}
    assert warnings({}, version="0.11.0", **new) == [("architecture-unknown", "names")]
    assert errors({"model-impl": "vllm"}, version="0.11.0", **new) == [("architecture-unknown", "model-impl")]
    assert told({"model-impl": "transformers"}, version="0.11.0", **new) == []
    assert told({}, version="0.33.0", **new) == []
    assert told({}, version="0.11.0", env={"VLLM_PLUGINS": "mine"}, **new) == []
    assert told({"hf-overrides": {"architectures": ["LlamaForCausalLM"]}}, version="0.11.0", **new) == []
    (problem,) = told({}, version="0.11.0", **new)
    assert "it came with vllm 0.17.1" in str(problem.hint)


def test_a_name_with_another_ending_stands_for_one_that_is_there() -> None:
    assert told({}, architecture={"names": ("Qwen3ForSequenceClassification",)}) == []
    assert warnings({}, architecture={"names": ("NobodyForSequenceClassification",)}) == [
        ("architecture-unknown", "names")
    ]
    assert told({}, architecture={"names": ("NobodyModel", "LlamaForCausalLM")}) == []
    assert told({}, architecture={"names": ()}) == []


def test_what_gives_vectors_does_not_generate() -> None:
    assert errors({"runner": "generate"}, **BERT) == [("runner-differs", "runner")]
    assert "runner-differs" in [kind for _, kind, _ in brief(told({"task": "generate"}, version="0.11.0", **BERT))]
    assert told({"runner": "pooling"}, **BERT) == []
    assert told({"runner": "auto"}, **BERT) == []
    embedding = {"capabilities": {"embedding": "modules.json: a pooling module"}}
    assert warnings({"runner": "generate"}, **embedding) == [("runner-differs", "runner")]
    both = {"capabilities": {"embedding": "x", "text": "y"}}
    assert told({"runner": "generate"}, **both) == []


def test_what_generates_pools_by_conversion() -> None:
    text = {"capabilities": {"text": "config.json"}}
    assert told({"runner": "pooling"}, **text) == []
    assert told({"runner": "pooling", "convert": "embed"}, **text) == []
    assert warnings({"runner": "pooling", "convert": "none"}, **text) == [("runner-differs", "runner")]


def test_variables_that_the_version_does_not_know() -> None:
    assert warnings({}, env={"VLLM_LOGGING_LEVLE": "DEBUG"}) == [("unknown-variable", "VLLM_LOGGING_LEVLE")]
    assert told({}, env={"VLLM_LOGGING_LEVEL": "DEBUG", "HF_HUB_OFFLINE": "1"}) == []
    (problem,) = told({}, env={"VLLM_LOGGING_LEVLE": "DEBUG"})
    assert problem.hint == "did you mean `VLLM_LOGGING_LEVEL`?"
    (gone,) = told({}, env={"VLLM_USE_V1": "1"})
    assert "`VLLM_USE_V1` was removed in vllm 0.11.2" in gone.message
    assert gone.fix is not None
    (moved,) = told({}, env={"VLLM_ATTENTION_BACKEND": "FLASHINFER"})
    assert moved.fix is not None
    assert moved.fix.put == ((("vllm", "attention-backend"), "FLASHINFER"),)
    strict = {"fail-on-environ-validation": True}
    assert errors(strict, env={"VLLM_USE_V1": "1"}) == [("unknown-variable", "VLLM_USE_V1")]
