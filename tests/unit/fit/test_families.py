"""config.json → facts → the cache, of small models of many families: ours, and what vLLM 0.32.0 makes of the same.

The figures were asked of the real engine, and are asked again by `make test-vllm`. What it cannot make here (for want
of a graphics card, of a package, or of code that only the model's repository has) is compared state by state.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fit_families import FAMILIES
from fit_models import REPOSITORY, known

from e2e import model_kinds
from stowplan.discover.files import Folder
from stowplan.discover.folder import facts
from stowplan.fit.batch import block, kv_dtype
from stowplan.fit.kv import Plan, plan
from stowplan.fit.layers import STATE, Layers, cache_layers
from stowplan.fit.settings import Settings
from stowplan.nouns.facts import Facts

MEMORY = 1 << 28
PYTHON = REPOSITORY / ".venv-vllm/bin/python"
POOLS: dict[str, tuple[int, int, float]] = {
    "8-bit-cache": (2048, 262144, 64.0),
    "falcon-h1": (512, 110376, 26.947),
    "gemma-3n": (2048, 186413, 45.511),
    "gemma-4": (4096, 305040, 74.473),
    "granite-4": (2048, 239674, 58.514),
    "jamba": (4096, 441505, 107.789),
    "lfm2": (4096, 441505, 107.789),
    "llama-4": (4096, 246723, 60.235),
    "mamba": (27594, 113025024, 27594.0),
    "mamba2": (13273, 54366208, 13273.0),
    "mimo-v2": (3276, 291706, 71.217),
    "minicpm-3": (170, 21760, 5.312),
    "nemotron-h": (1365, 328884, 80.294),
    "qwen3-next": (4096, 441505, 107.789),
    "whisper": (682, 15276, 34.1),
    "zamba2": (341, 36756, 8.974),
}
"""Blocks, tokens and concurrency of a pool of 256 MiB, on the worker for CPUs."""
STATES: dict[str, tuple[str, str, int]] = {
    "bamba": ("granitemoehybrid", "GraniteMoeHybridForCausalLM", 29376),
    "bailing-linear": ("bailing_moe_linear", "BailingMoeV25ForCausalLM", 24576),
    "olmo-hybrid": ("olmo_hybrid", "OlmoHybridForCausalLM", 34560),
    "qwen3.5": ("qwen3_next", "Qwen3NextForCausalLM", 35840),
}
"""Module and class that count the state, and its bytes: Qwen3.5's and Bamba's own cannot be loaded here."""
_SHORT = {"max_model_len": 448, "max_num_batched_tokens": 2048, "max_num_seqs": 8}
_LONG = {"max_model_len": 4096, "max_num_batched_tokens": 1024, "max_num_seqs": 8}
_HEARS = {
    "feature_extractor_type": "WhisperFeatureExtractor",
    "feature_size": 80,
    "processor_class": "WhisperProcessor",
}


def asked(name: str) -> dict[str, int]:
    """How the engine is to serve a model: a whole encoder's input must be in one batch."""
    return _SHORT if FAMILIES[name].get("is_encoder_decoder") else _LONG


def found(base: Path, name: str) -> Facts:
    """The facts of a model's folder."""
    model_kinds._make(base / name, FAMILIES[name])
    seen = facts(Folder("weights", base, name))
    assert seen is not None
    return seen


def kept(seen: Facts) -> tuple[Layers, Settings]:
    """The layers that keep something, and the settings with the checkpoint's own wishes."""
    settings = Settings(kv_cache_dtype=kv_dtype(seen, Settings(), known()))
    layers = cache_layers(seen.architecture, settings, known())
    assert isinstance(layers, Layers), layers
    return layers, settings


@pytest.mark.parametrize("name", POOLS)
def test_a_family_is_laid_out_as_vllm_does(name: str, tmp_path: Path) -> None:
    layers, settings = kept(found(tmp_path, name))
    told = asked(name)
    tokens = block(settings, known(), None, layers.latent)
    layout = plan(layers, settings, known(), told["max_num_batched_tokens"], tokens, "cpu")
    assert isinstance(layout, Plan), layout
    blocks, length = layout.pool(MEMORY), told["max_model_len"]
    ours = (blocks, layout.tokens(blocks, length), round(layout.concurrency(blocks, length), 3))
    assert ours == POOLS[name]


@pytest.mark.parametrize("name", STATES)
def test_a_state_is_as_large_as_vllm_says(name: str, tmp_path: Path) -> None:
    assert kept(found(tmp_path, name))[0].sizes[STATE] == STATES[name][2]


def test_blocks_that_a_search_made_have_their_own_heads(tmp_path: Path) -> None:
    layers, _ = kept(found(tmp_path, "nemotron-nas"))
    assert layers.uneven == (4 * 2 * 32 * 2, 2 * 2 * 32 * 2, 4 * 2 * 32 * 2)


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of the real vLLM's environment."""
    if not os.environ.get("STOWPLAN_ENGINE_TESTS") or not PYTHON.exists():
        pytest.skip("asks the real vLLM: make test-vllm")
    return PYTHON


def answers(python: Path, script: Path, cases: list[Any], home: Path) -> list[Any]:
    """What a script that runs in the engine's environment says of the cases."""
    quiet = {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    done = subprocess.run(
        [python, script],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "VLLM_NO_USAGE_STATS": "1", **quiet},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.engine
def test_the_pools_are_the_engines(python: Path, tmp_path: Path) -> None:
    for name in POOLS:
        model_kinds._make(tmp_path / name, FAMILIES[name])
        if FAMILIES[name].get("num_mel_bins"):
            (tmp_path / name / "preprocessor_config.json").write_text(json.dumps(_HEARS))
    cases = [{"folder": str(tmp_path / name), "args": asked(name), "memory": MEMORY} for name in POOLS]
    said = answers(python, REPOSITORY / "tests/accuracy/real_models.py", cases, tmp_path)
    for name, theirs in zip(POOLS, said, strict=True):
        assert "error" not in theirs, (name, theirs["error"])
        assert (theirs["blocks"], theirs["tokens"], round(theirs["concurrency"], 3)) == POOLS[name], name


@pytest.mark.engine
def test_the_states_are_the_engines(python: Path, tmp_path: Path) -> None:
    cases = [
        [module, kind, {**FAMILIES[name], **({"mamba_d_head": 32} if name == "bamba" else {})}]
        for name, (module, kind, _) in STATES.items()
    ]
    said = answers(python, Path(__file__).with_name("real_states.py"), cases, tmp_path)
    assert dict(zip(STATES, said, strict=True)) == {name: size for name, (_, _, size) in STATES.items()}
