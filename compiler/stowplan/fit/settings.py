"""The settings of a launch that memory depends on: a small frozen value, read from a model's `[vllm]` table."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stowplan.fit.captures import FLAGS, USUAL, Captures, captures
from stowplan.nouns.facts import Facts

AUTO = "auto"
FIT = -1
"""As a `max_model_len`: vLLM takes the longest context that fits (0.14 and newer)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `vllm serve` is told; None where it is told nothing and decides by itself.

    Lengths and batches are tokens, `kv_cache_memory_bytes` bytes on each card. `draft` are the facts of a draft
    model, `draft_layers` how many layers of the checkpoint's own predict ahead, `draft_tokens` how many tokens are
    drafted at a time. `unknown` names settings that change memory in a way that is not known here.
    """

    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None
    kv_cache_memory_bytes: int | None = None
    num_gpu_blocks: int | None = None
    kv_cache_dtype: str = AUTO
    block_size: int | None = None
    dtype: str = AUTO
    quantization: str | None = None
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    enforce_eager: bool = False
    hybrid_manager: bool | None = None
    chunked_prefill: bool | None = None
    prefix_caching: bool | None = None
    async_scheduling: bool | None = None
    state_dtype: str = AUTO
    conv_dtype: str = AUTO
    state_mode: str | None = None
    loras: int = 0
    lora_rank: int = 16
    lora_sharded: bool = False
    draft: Facts | None = None
    draft_layers: int = 0
    draft_tokens: int = 0
    pooling: bool = False
    encoder: bool = True
    encoder_profiled: bool = True
    encoder_whole: bool = False
    image_pixels: int | None = None
    graphs_counted: bool | None = None
    captures: Captures = USUAL
    keeps_chunks: bool | None = None
    unknown: tuple[str, ...] = ()


_PLAIN = {
    "max-model-len": "max_model_len",
    "max-num-seqs": "max_num_seqs",
    "max-num-batched-tokens": "max_num_batched_tokens",
    "gpu-memory-utilization": "gpu_memory_utilization",
    "kv-cache-memory-bytes": "kv_cache_memory_bytes",
    "num-gpu-blocks-override": "num_gpu_blocks",
    "kv-cache-dtype": "kv_cache_dtype",
    "block-size": "block_size",
    "dtype": "dtype",
    "quantization": "quantization",
    "tensor-parallel-size": "tensor_parallel",
    "pipeline-parallel-size": "pipeline_parallel",
    "enforce-eager": "enforce_eager",
    "enable-chunked-prefill": "chunked_prefill",
    "enable-prefix-caching": "prefix_caching",
    "async-scheduling": "async_scheduling",
    "mamba-ssm-cache-dtype": "state_dtype",
    "mamba-cache-dtype": "conv_dtype",
    "mamba-cache-mode": "state_mode",
    "max-lora-rank": "lora_rank",
    "fully-sharded-loras": "lora_sharded",
}
"""Flags of `vllm serve` that are a setting as they stand."""

_ELSEWHERE = {
    "cpu-offload-gb": 0,
    "decode-context-parallel-size": 1,
    "enable-dbo": False,
    "enable-expert-parallel": False,
    "hf-overrides": {},
    "kv-transfer-config": None,
    "prefill-context-parallel-size": 1,
}
"""Flags that move memory about in a way this estimate does not follow, and the value with which they do not."""


def settings(flags: Mapping[str, Any], env: Mapping[str, str], draft: Facts | None = None) -> Settings:
    """The settings that a launch's flags (canonical names, without dashes) and variables come to.

    `draft` are the facts of the model that `speculative-config` names, where they are known. Values of a wrong
    type are no concern of this: they count as not set, and the check of flags reports them.
    """
    found: dict[str, Any] = {}
    unknown = []
    for flag, value in flags.items():
        field = _PLAIN.get(flag)
        if field is not None:
            if _fits(field, value):
                found[field] = value
        elif flag in _ELSEWHERE and value != _ELSEWHERE[flag]:
            unknown.append(flag)
    if flags.get("max-model-len") == AUTO:
        found["max_model_len"] = FIT
    if "disable-hybrid-kv-cache-manager" in flags:
        found["hybrid_manager"] = flags["disable-hybrid-kv-cache-manager"] is False
    if not FLAGS.isdisjoint(flags):
        found["captures"] = captures(flags)
    if flags.get("enable-lora"):
        found["loras"] = flags.get("max-loras") or 1
    if "speculative-config" in flags:
        _speculative(flags["speculative-config"], draft, found, unknown)
    if flags.get("runner") == "pooling" or flags.get("task") in ("embed", "classify", "score", "reward"):
        found["pooling"] = True
    if flags.get("language-model-only"):
        found["encoder"] = False
    if flags.get("skip-mm-profiling") or _takes_none(flags.get("limit-mm-per-prompt")):
        found["encoder_profiled"] = False
    if (pixels := _pixels(flags.get("mm-processor-kwargs"))) is not None:
        found["image_pixels"] = pixels
    if flags.get("mm-encoder-tp-mode") == "data":
        found["encoder_whole"] = True
    if (counted := env.get("VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS")) is not None:
        found["graphs_counted"] = counted == "1"
    if (chunks := env.get("VLLM_ALLOW_CHUNKED_LOCAL_ATTN_WITH_HYBRID_KV_CACHE")) is not None:
        found["keeps_chunks"] = chunks == "1"
    return Settings(**found, unknown=tuple(unknown))


def _fits(field: str, value: Any) -> bool:
    if field in _TEXTS:
        return isinstance(value, str)
    if field in _TRUTHS:
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return value > 0 or (field == "max_model_len" and value == FIT)


_TEXTS = {"kv_cache_dtype", "dtype", "quantization", "state_dtype", "conv_dtype", "state_mode"}
_TRUTHS = {"enforce_eager", "chunked_prefill", "prefix_caching", "async_scheduling", "lora_sharded"}


def _speculative(value: Any, draft: Facts | None, found: dict[str, Any], unknown: list[str]) -> None:
    """`speculative-config`: n-grams and suffixes cost nothing, the model's own layers or a draft model do."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, dict):
        unknown.append("speculative-config")
        return
    tokens = value.get("num_speculative_tokens")
    found["draft_tokens"] = tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else 1
    method = value.get("method")
    if method in ("ngram", "ngram_gpu", "suffix") or value.get("model") in ("ngram", "[ngram]"):
        return
    if isinstance(method, str) and (method == "mtp" or method.endswith("_mtp")):
        found["draft_layers"] = 1
    elif draft is not None:
        found["draft"] = draft
    else:
        unknown.append("speculative-config.model")


def _takes_none(limits: Any) -> bool:
    """Whether `limit-mm-per-prompt` lets neither images nor videos in."""
    if not isinstance(limits, dict) or not {"image", "video"} <= limits.keys():
        return False
    return not any(limit.get("count", 1) if isinstance(limit, dict) else limit for limit in limits.values())


def _pixels(kwargs: Any) -> int | None:
    """The pixels that `mm-processor-kwargs` lets an image have, as the processors of Qwen2-VL and its heirs name it
    (vLLM 0.32.0, vllm/model_executor/models/qwen2_vl.py, `_get_vision_size`)."""
    if not isinstance(kwargs, dict):
        return None
    for place in (kwargs.get("images_kwargs"), kwargs):
        if isinstance(place, dict):
            size = place.get("size")
            found = place.get("max_pixels", size.get("longest_edge") if isinstance(size, dict) else None)
            if isinstance(found, int) and not isinstance(found, bool) and found > 0:
                return found
    return None
