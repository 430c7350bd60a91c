"""Capture what transformers' config classes assume where config.json is silent.

A config.json is saved as a difference to its class: llava-1.5's text_config names neither its 32
layers nor its 32 heads, because those are LlamaConfig's defaults. Run once per transformers release,
in an environment that has it; the result is committed beside this file:

    python capture_defaults.py > transformers.json

For each model type: `defaults` of the keys discover reads, `names` the class calls them by instead
(attribute_map: GPT-2's hidden_size is n_embd), `sections` (the model types of nested configs) and
`pattern`, the cycle of attention kinds over the layers where they are not all the same.
"""

import inspect
import json
import os

KEYS = (
    *("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"),
    *("head_dim", "vocab_size", "tie_word_embeddings", "sliding_window", "use_sliding_window"),
    *("attention_chunk_size", "max_window_layers", "sliding_window_pattern", "full_attention_interval"),
    *("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "model_max_length"),
    *("max_target_positions", "max_sequence_length", "max_seq_length", "seq_len", "num_kv_shared_layers"),
    *("kv_lora_rank", "q_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"),
    *("num_experts", "n_routed_experts", "num_local_experts", "num_experts_per_tok", "n_shared_experts"),
    *("moe_intermediate_size", "patch_size", "image_size", "depth", "embed_dim", "num_heads"),
    *("linear_num_key_heads", "linear_num_value_heads", "linear_key_head_dim", "linear_value_head_dim"),
    *("linear_conv_kernel_dim", "linear_num_heads", "linear_head_dim", "conv_L_cache", "conv_kernel", "state_size"),
    *("expand", "n_groups", "mamba_d_conv", "mamba_d_head", "mamba_d_ssm", "mamba_d_state", "mamba_expand"),
    *("mamba_head_dim", "mamba_n_groups", "mamba_n_heads", "mamba_ngroups", "mamba_num_heads", "n_mamba_heads"),
    *("ssm_state_size", "attention_k_eq_v", "decoder_layers", "max_source_positions"),
)
LAYERS = 24
LONGEST_CYCLE = 8


def cycle(kinds: list[str]) -> list[str] | None:
    """The shortest run of kinds that, repeated, gives all; None if there is none or all are full."""
    for length in range(1, LONGEST_CYCLE + 1):
        if all(kind == kinds[i % length] for i, kind in enumerate(kinds)):
            return None if kinds[:length] == ["full_attention"] else kinds[:length]
    return None


def describe(kind: type) -> dict[str, object]:
    """One config class as the table holds it, without what is empty."""
    config = kind()
    names = {key: name for key, name in config.attribute_map.items() if key in KEYS}
    # what the signature says, not what the object holds: that may be computed from other defaults
    accepts = inspect.signature(kind).parameters
    values = {key: accepts[names.get(key, key)].default for key in KEYS if names.get(key, key) in accepts}
    nested = {name: getattr(section, "model_type", "") for name, section in config.sub_configs.items()}
    entry: dict[str, object] = {
        "defaults": {key: value for key, value in values.items() if isinstance(value, int)},
        "names": names,
        "sections": {name: model_type for name, model_type in nested.items() if model_type},
    }
    if isinstance(getattr(config, "layer_types", None), list):
        try:
            entry["pattern"] = cycle(list(kind(num_hidden_layers=LAYERS).layer_types))
        except Exception:  # a class whose other defaults do not go with this many layers
            entry["pattern"] = cycle(list(config.layer_types))
    return {key: value for key, value in entry.items() if value}


def main() -> None:
    """Print the table: one model type a line, sorted."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import transformers  # type: ignore[import-not-found]

    lines = []
    for name in sorted(transformers.CONFIG_MAPPING.keys()):
        try:
            entry = describe(transformers.CONFIG_MAPPING[name])
        except Exception:  # a class that cannot be made without arguments assumes nothing
            continue
        if "num_hidden_layers" in entry.get("defaults", {}) or "sections" in entry:  # type: ignore[operator]
            lines.append(f"{json.dumps(name)}: {json.dumps(entry, sort_keys=True)}")
    print(f'{{"transformers": "{transformers.__version__}",\n"types": {{\n' + ",\n".join(lines) + "\n}}")


if __name__ == "__main__":
    main()
