"""The cache of small random models, one for every kind of layer: ours from the facts that discover finds, and what
vLLM 0.32.0 itself makes of the very models."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from e2e import model_kinds
from stowplan.discover.run import discover
from stowplan.fit.batch import block
from stowplan.fit.constants import constants
from stowplan.fit.kv import Plan, plan
from stowplan.fit.layers import Layers, cache_layers
from stowplan.fit.settings import Settings
from stowplan.nouns.facts import Facts

pytestmark = pytest.mark.engine
VERSION = "0.32.0"
MEMORY = 1 << 28
SCRIPT = Path(__file__).with_name("real_models.py")
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}
_SIZES = {key: value for key, value in model_kinds.KINDS["sliding"].items() if key != "sliding_window"}
GATED_DELTA = {
    **_SIZES,
    "architectures": ["Qwen3NextForCausalLM"],
    "model_type": "qwen3_next",
    "decoder_sparse_step": 1,
    "full_attention_interval": 4,
    "head_dim": 32,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 32,
    "linear_num_key_heads": 4,
    "linear_num_value_heads": 8,
    "linear_value_head_dim": 32,
    "mlp_only_layers": [],
    "moe_intermediate_size": 128,
    "norm_topk_prob": True,
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "shared_expert_intermediate_size": 128,
}
CHUNKED = {
    **_SIZES,
    "architectures": ["Llama4ForCausalLM"],
    "model_type": "llama4_text",
    "attention_bias": False,
    "attention_chunk_size": 512,
    "attn_temperature_tuning": False,
    "head_dim": 32,
    "interleave_moe_layer_step": 1,
    "intermediate_size_mlp": 512,
    "no_rope_layers": [1, 1, 1, 0],
    "num_experts_per_tok": 1,
    "num_local_experts": 4,
    "rope_scaling": None,
    "use_qk_norm": False,
}
_SHORT = {"max_model_len": 4096, "max_num_batched_tokens": 1024, "max_num_seqs": 8}


@dataclass(frozen=True)
class Small:
    """A small model: its config, and how vLLM is to serve it."""

    config: dict[str, Any]
    args: dict[str, Any] = field(default_factory=lambda: dict(_SHORT))


SMALL = {
    "dense": Small(model_kinds.KINDS["dense"]),
    "experts": Small(model_kinds.KINDS["experts"]),
    "sliding": Small(model_kinds.KINDS["sliding"]),
    "interleaved": Small(model_kinds.KINDS["interleaved"]),
    "without-hybrid-manager": Small(
        model_kinds.KINDS["interleaved"], args={**_SHORT, "disable_hybrid_kv_cache_manager": True}
    ),
    "fp8": Small(model_kinds.KINDS["dense"], args={**_SHORT, "kv_cache_dtype": "fp8"}),
    "latent": Small(model_kinds.KINDS["latent"]),
    "chunked": Small(CHUNKED),
    "mamba1": Small(model_kinds.KINDS["mamba"]),
    "mamba2-hybrid": Small(model_kinds.KINDS["hybrid"]),
    "gated-delta-hybrid": Small(GATED_DELTA),
    "encoder": Small(model_kinds.KINDS["embedding"], args={"max_num_seqs": 8}),
}


@pytest.fixture(scope="module")
def told(python_of_vllm: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Facts]]:
    """What vLLM says of each model, and our facts of it."""
    root = tmp_path_factory.mktemp("small")
    for name, small in SMALL.items():
        model_kinds._make(root / name, small.config)
    cases = [{"folder": str(root / name), "args": small.args, "memory": MEMORY} for name, small in SMALL.items()]
    done = subprocess.run(
        [python_of_vllm, SCRIPT],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        env={"PATH": os.environ["PATH"], "HOME": str(root), **ENVIRONMENT},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = dict(zip(SMALL, json.loads(done.stdout.splitlines()[-1]), strict=True))
    found = discover(root, "cpu", {"weights": root}, stub=lambda _: "")
    return answers, {model.facts.location.path: model.facts for model in found.models}


@pytest.mark.parametrize("name", SMALL)
def test_a_small_model_is_laid_out_as_vllm_does(name: str, told: tuple[dict[str, Any], dict[str, Facts]]) -> None:
    theirs, facts = told[0][name], told[1][name]
    assert "error" not in theirs, theirs["error"]
    small, known = SMALL[name], constants("vllm", VERSION)[-1]
    settings = Settings(
        kv_cache_dtype=small.args.get("kv_cache_dtype", "auto"),
        hybrid_manager=False if "disable_hybrid_kv_cache_manager" in small.args else None,
    )
    layers = cache_layers(facts.architecture, settings, known)
    assert isinstance(layers, Layers), layers
    tokens = block(settings, known, None, layers.latent)
    layout = plan(layers, settings, known, theirs["batch"], tokens, "cpu")
    assert isinstance(layout, Plan), layout
    if layout.empty:
        assert "tokens" not in theirs
        return
    blocks, length = layout.pool(MEMORY), theirs["length"]
    assert (blocks, layout.tokens(blocks, length)) == (theirs["blocks"], theirs["tokens"])
    assert layout.concurrency(blocks, length) == pytest.approx(theirs["concurrency"])
