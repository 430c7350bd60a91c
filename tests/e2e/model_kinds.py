"""One small folder for each kind of model that configuration depends on: config and tokenizer, and hardly any weights.

vLLM's configuration classes read config.json and the tokenizer's files; `stowplan discover` wants safetensors too,
so each folder has one with a single tensor. Nothing here can be served. The same bytes every time.
"""

import json
from pathlib import Path
from typing import Any

import tiny_model
from stowplan.nouns.facts import Facts

Config = dict[str, Any]

_TOKENS: Config = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3, "vocab_size": tiny_model.VOCAB}
_SIZES: Config = {
    "hidden_act": "silu",
    "hidden_size": 384,
    "intermediate_size": 512,
    "max_position_embeddings": 4096,
    "num_attention_heads": 12,
    "num_hidden_layers": 4,
    "num_key_value_heads": 4,
    "rms_norm_eps": 1e-06,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    **_TOKENS,
}
_DENSE: Config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "head_dim": 32, **_SIZES}
_BERT: Config = {
    "model_type": "bert",
    "hidden_size": 64,
    "intermediate_size": 128,
    "max_position_embeddings": 512,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "torch_dtype": "float32",
    "type_vocab_size": 2,
    "vocab_size": tiny_model.VOCAB,
}


def _quantized(dtype: str, **how: Any) -> Config:
    return {**_DENSE, "torch_dtype": dtype, "quantization_config": how}


KINDS: dict[str, Config] = {
    "dense": _DENSE,
    "draft": {**_DENSE, "num_hidden_layers": 1, "max_position_embeddings": 2048},
    "yarn": {**_DENSE, "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096}},
    "sliding": {**_SIZES, "architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": 1024},
    "interleaved": {
        **_SIZES,
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "head_dim": 32,
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": 32,
        "sliding_window": 512,
        "layer_types": ["sliding_attention", "sliding_attention", "sliding_attention", "full_attention"],
    },
    "experts": {
        **_SIZES,
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": "qwen3_moe",
        "head_dim": 32,
        "decoder_sparse_step": 1,
        "moe_intermediate_size": 128,
        "num_experts": 8,
        "num_experts_per_tok": 2,
    },
    "latent": {
        **_SIZES,
        "architectures": ["DeepseekV2ForCausalLM"],
        "model_type": "deepseek_v2",
        "first_k_dense_replace": 1,
        "kv_lora_rank": 64,
        "moe_intermediate_size": 128,
        "n_group": 1,
        "n_routed_experts": 8,
        "n_shared_experts": 1,
        "num_experts_per_tok": 2,
        "num_key_value_heads": 12,
        "q_lora_rank": None,
        "qk_nope_head_dim": 32,
        "qk_rope_head_dim": 16,
        "topk_group": 1,
        "topk_method": "greedy",
        "v_head_dim": 32,
    },
    "hybrid": {
        **_SIZES,
        "architectures": ["GraniteMoeHybridForCausalLM"],
        "model_type": "granitemoehybrid",
        "layer_types": ["mamba", "attention", "mamba", "attention"],
        "mamba_d_head": 32,
        "mamba_d_state": 16,
        "mamba_n_groups": 1,
        "mamba_n_heads": 24,
        "num_experts_per_tok": 0,
        "num_local_experts": 0,
        "position_embedding_type": "rope",
        "shared_intermediate_size": 512,
    },
    "mamba": {
        "architectures": ["MambaForCausalLM"],
        "model_type": "mamba",
        "conv_kernel": 4,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "state_size": 16,
        "time_step_rank": 4,
        "torch_dtype": "bfloat16",
        **_TOKENS,
    },
    "embedding": {"architectures": ["BertModel"], **_BERT},
    "reranker": {"architectures": ["BertForSequenceClassification"], "num_labels": 1, **_BERT},
    "vision": {
        "architectures": ["Idefics3ForConditionalGeneration"],
        "model_type": "idefics3",
        "image_token_id": 4,
        "scale_factor": 2,
        "text_config": _DENSE,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "vision_config": {
            "model_type": "idefics3_vision",
            "hidden_size": 64,
            "image_size": 224,
            "intermediate_size": 128,
            "num_attention_heads": 4,
            "num_hidden_layers": 2,
            "patch_size": 14,
        },
    },
    "speech": {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "d_model": 64,
        "decoder_attention_heads": 4,
        "decoder_ffn_dim": 128,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 128,
        "encoder_layers": 2,
        "is_encoder_decoder": True,
        "max_source_positions": 1500,
        "max_target_positions": 448,
        "num_mel_bins": 80,
        "torch_dtype": "bfloat16",
        **_TOKENS,
    },
    "awq": _quantized("float16", quant_method="awq", bits=4, group_size=128, version="gemm", zero_point=True),
    "gptq": _quantized("float16", quant_method="gptq", bits=4, group_size=128, desc_act=False, sym=True),
    "fp8": _quantized("bfloat16", quant_method="fp8", activation_scheme="dynamic", weight_block_size=[128, 128]),
    "compressed-tensors": _quantized(
        "bfloat16",
        quant_method="compressed-tensors",
        format="int-quantized",
        ignore=["lm_head"],
        config_groups={
            "group_0": {
                "targets": ["Linear"],
                "weights": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False},
                "input_activations": {
                    "num_bits": 8,
                    "type": "int",
                    "symmetric": True,
                    "strategy": "token",
                    "dynamic": True,
                },
            }
        },
    ),
    "mxfp4": _quantized("bfloat16", quant_method="mxfp4"),
    "unheard-of": {**_DENSE, "architectures": ["UnheardOfForCausalLM"], "model_type": "llama"},
}
"""Kind → its config.json."""

_PICTURES: Config = {
    "image_processor_type": "Idefics3ImageProcessor",
    "max_image_size": {"longest_edge": 224},
    "processor_class": "Idefics3Processor",
    "size": {"longest_edge": 448},
}


def make(root: Path) -> None:
    """Write the folder of each kind below `root`."""
    for kind, config in KINDS.items():
        _make(root / kind, config)


def _make(folder: Path, config: Config) -> None:
    tiny_model.make(folder)
    (folder / "generation_config.json").unlink()
    (folder / "model.safetensors").write_bytes(tiny_model.safetensors({"model.norm.weight": (8,)}))
    _write(folder / "config.json", config)
    if "vision_config" in config:
        _write(folder / "preprocessor_config.json", _PICTURES)


def _write(file: Path, values: Config) -> None:
    file.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def make_like(facts: Facts, folder: Path) -> None:
    """Write a folder of the nearest kind, with the quantization, the context and the sizes that the facts tell."""
    config = dict(KINDS[nearest(facts)])
    known = facts.architecture
    sizes: Config = {
        "max_position_embeddings": None if facts.context is None else facts.context.tokens,
        "num_attention_heads": known.heads,
        "num_key_value_heads": known.kv_heads,
        "num_hidden_layers": known.layers,
        "hidden_size": known.hidden_size,
    }
    told = {key: value for key, value in sizes.items() if value is not None}
    if "text_config" in config:
        config["text_config"] = {**config["text_config"], **told}
    else:
        config |= told
    if facts.quantization is not None:
        quantized = KINDS[facts.quantization.method]
        config |= {key: quantized[key] for key in ("quantization_config", "torch_dtype")}
    _make(folder, config)


def nearest(facts: Facts) -> str:
    """The kind that a model is nearest to, its quantization apart."""
    for ability, kind in (("vision", "vision"), ("audio", "speech"), ("embedding", "embedding")):
        if ability in facts.capabilities:
            return kind
    return "experts" if facts.architecture.experts is not None else "dense"
