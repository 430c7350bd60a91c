"""What vLLM 0.32.0 itself makes of models: their layers' caches, and the pool. Runs in the engine's environment.

    .venv-vllm/bin/python real_models.py < CASES > ANSWERS

In: a JSON array of cases `{"folder", "args", "memory"}`: a model's folder, arguments of the engine, bytes of the pool.
Each model is made as its own class makes it, with random weights, on the worker for CPUs; its layers are asked for
what they keep, and vLLM plans the pool. Out, in the same order: `{"blocks", "tokens", "concurrency", "length",
"batch", "block"}`, without tokens where nothing is kept, or `{"error": text}`. Each case has a process of its own.
"""

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

Case = dict[str, Any]


def answer(case: Case) -> dict[str, Any]:
    """What vLLM makes of one model."""
    from vllm.config import set_current_vllm_config
    from vllm.engine.arg_utils import EngineArgs
    from vllm.platforms import current_platform
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.core import kv_cache_utils
    from vllm.v1.worker.cpu_worker import CPUWorker

    engine = EngineArgs(model=case["folder"], load_format="dummy", enforce_eager=True, **case["args"])
    config = engine.create_engine_config(usage_context=UsageContext.OPENAI_API_SERVER)
    config.cache_config.kv_cache_layout = "LBNHC"
    with set_current_vllm_config(config), tempfile.TemporaryDirectory() as meeting:
        worker = CPUWorker(
            vllm_config=config,
            local_rank=0,
            rank=0,
            distributed_init_method=f"file://{Path(meeting) / 'point'}",
            is_driver_worker=True,
        )
        worker.init_device()
        worker.load_model()
        current_platform.update_block_size_for_backend(config)  # as the executor does
        layers = worker.get_kv_cache_spec()
    (planned,) = kv_cache_utils.get_kv_cache_configs(config, [layers], [case["memory"]])
    found = {
        "blocks": planned.num_blocks,
        "length": config.model_config.max_model_len,
        "batch": config.scheduler_config.max_num_batched_tokens,
        "block": config.cache_config.block_size,
    }
    if planned.kv_cache_groups:
        found["tokens"], found["concurrency"] = kv_cache_utils.get_kv_cache_capacity(config, planned)
    return found


def apart(case: Case) -> dict[str, Any]:
    """The same in a process of its own: vLLM keeps much between two models."""
    ours, its = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        try:
            said = answer(case)
        except (Exception, SystemExit):
            said = {"error": traceback.format_exc()[-2000:]}
        os.write(its, json.dumps(said).encode())
        os._exit(0)
    os.close(its)
    with os.fdopen(ours, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return dict(json.loads(text)) if text else {"error": "it died"}


def main() -> None:
    """Answers the cases of standard input."""
    import vllm.engine.arg_utils
    import vllm.v1.worker.cpu_worker  # noqa: F401
    from vllm.model_executor.models import registry

    # otherwise each model's code is looked at in a fresh process, to keep CUDA unused in this one
    registry._run_in_subprocess = lambda look: look()
    print(json.dumps([apart(case) for case in json.load(sys.stdin)]))


if __name__ == "__main__":
    main()
