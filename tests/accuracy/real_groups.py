"""What vLLM 0.32.0's own code makes of layers: groups, blocks, the check at start. Runs in the engine's environment.

    .venv-vllm/bin/python real_groups.py FOLDER < CASES > ANSWERS

FOLDER is any model vLLM knows: it is only needed for a configuration, and nothing of it is loaded. In: a JSON array
of cases, `{"stages": [[kind, ...], ...], "heads", "dim", "latent", "block", "window", "chunk", "state", "encoder",
"length", "batch", "hybrid", "memory"}`, the kinds layer by layer, for each pipeline stage. Out, in the same order:
`{"blocks", "block_bytes", "concurrency", "tokens", "longest"}`, or `{"error": text}`.
"""

import json
import sys
from copy import deepcopy
from typing import Any

import torch
from vllm.engine.arg_utils import EngineArgs
from vllm.usage.usage_lib import UsageContext
from vllm.v1.core import kv_cache_utils
from vllm.v1.kv_cache_interface import (
    ChunkedLocalAttentionSpec,
    CrossAttentionSpec,
    FullAttentionSpec,
    KVCacheSpec,
    MambaSpec,
    MLAAttentionSpec,
    SlidingWindowSpec,
)

Case = dict[str, Any]


def spec(kind: str, case: Case) -> KVCacheSpec:
    """A layer's own description, as its class in vllm/model_executor/layers makes it."""
    heads = {"num_kv_heads": case["heads"], "head_size": case["dim"], "dtype": torch.bfloat16}
    size = case["block"]
    if kind == "state":
        page = case["page"] if case["page"] != case["state"] else None
        return MambaSpec(
            block_size=case["length"],
            shapes=((case["state"] // 2,),),
            dtypes=(torch.bfloat16,),
            page_size_padded=page,
        )
    if case["latent"]:
        return MLAAttentionSpec(block_size=size, **heads)
    if kind == "sliding":
        return SlidingWindowSpec(block_size=size, sliding_window=case["window"], **heads)
    if kind == "chunked":
        return ChunkedLocalAttentionSpec(block_size=size, attention_chunk_size=case["chunk"], **heads)
    if kind == "cross":
        return CrossAttentionSpec(block_size=size, **heads)
    return FullAttentionSpec(block_size=size, **heads)


def answer(case: Case, usual: Any) -> dict[str, Any]:
    """What vLLM makes of one case; `usual` is a configuration whose own numbers the case's take the place of."""
    config = deepcopy(usual)
    config.model_config.max_model_len = case["length"]
    config.model_config.original_max_model_len = case["length"]
    config.scheduler_config.max_num_batched_tokens = case["batch"]
    config.scheduler_config.max_num_encoder_input_tokens = case["encoder"]
    config.scheduler_config.disable_hybrid_kv_cache_manager = not case["hybrid"]
    config.scheduler_config.async_scheduling = False
    config.cache_config.block_size = case["block"]
    config.cache_config.mamba_cache_mode = "align" if case["prefixes"] else "none"
    config.cache_config.kv_cache_layout = "LBNHC"
    config.parallel_config.pipeline_parallel_size = len(case["stages"])
    layers = []
    for stage, kinds in enumerate(case["stages"]):
        layers.append({f"{stage}.{i}": spec(kind, case) for i, kind in enumerate(kinds)})
    try:
        configs = kv_cache_utils.get_kv_cache_configs(config, layers, [case["memory"]] * len(layers))
    except ValueError as problem:
        return {"error": str(problem)}
    tokens, concurrency = kv_cache_utils.get_kv_cache_capacity(config, configs[0])
    groups = configs[0].kv_cache_groups
    return {
        "blocks": configs[0].num_blocks,
        "block_bytes": [one.kv_cache_tensors[0].size // one.num_blocks for one in configs],
        "concurrency": concurrency,
        "tokens": tokens,
        "needed": kv_cache_utils._max_memory_usage_bytes_from_groups(config, groups),
        "longest": kv_cache_utils._estimate_max_model_len_from_groups(
            config, groups, case["memory"] - configs[0].kv_cache_tensors[0].size // configs[0].num_blocks
        ),
    }


def main() -> None:
    """Answers the cases of standard input."""
    engine = EngineArgs(model=sys.argv[1], enforce_eager=True, max_model_len=256)
    usual = engine.create_engine_config(usage_context=UsageContext.OPENAI_API_SERVER)
    print(json.dumps([answer(case, usual) for case in json.load(sys.stdin)]))


if __name__ == "__main__":
    main()
