"""The states of models as vLLM's own classes count them. Runs in the engine's environment.

    .venv-vllm/bin/python real_states.py < CONFIGS > ANSWERS

In: an array of `[module, class, config]`; out: for each the bytes of one layer's state, on one card.
"""

import importlib
import json
import sys
from math import prod
from types import SimpleNamespace
from typing import Any


def answer(module: str, name: str, config: dict[str, Any]) -> int:
    """The bytes of one layer's state."""
    import torch

    kind = getattr(importlib.import_module(f"vllm.model_executor.models.{module}"), name)
    told = SimpleNamespace(**config)
    engine: Any = SimpleNamespace(
        model_config=SimpleNamespace(hf_config=told, hf_text_config=told, dtype=torch.bfloat16),
        parallel_config=SimpleNamespace(tensor_parallel_size=1),
        cache_config=SimpleNamespace(
            mamba_cache_dtype="auto", mamba_ssm_cache_dtype=config.get("mamba_ssm_dtype", "auto")
        ),
        speculative_config=None,
        num_speculative_tokens=0,
    )
    shapes = kind.get_mamba_state_shape_from_config(engine)
    dtypes = kind.get_mamba_state_dtype_from_config(engine)
    return sum(prod(shape) * dtype.itemsize for shape, dtype in zip(shapes, dtypes, strict=True))


def main() -> None:
    """Answers the configs of standard input."""
    print(json.dumps([answer(*case) for case in json.load(sys.stdin)]))


if __name__ == "__main__":
    main()
