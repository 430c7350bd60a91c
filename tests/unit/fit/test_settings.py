"""Settings read from flags: each that memory depends on, and none of another's business."""

from typing import Any

import pytest
from fit_models import model
from hypothesis import given
from hypothesis import strategies as st

from stowplan.fit.settings import FIT, Settings, settings
from stowplan.fit.startup_log import knowledge


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, Settings()),
        ({"trust-remote-code": True, "port": 8000}, Settings()),
        ({"max-model-len": 4096, "max-num-seqs": 8}, Settings(max_model_len=4096, max_num_seqs=8)),
        ({"max-model-len": -1}, Settings(max_model_len=FIT)),
        ({"max-model-len": "auto"}, Settings(max_model_len=FIT)),
        ({"gpu-memory-utilization": 0.75}, Settings(gpu_memory_utilization=0.75)),
        ({"kv-cache-memory-bytes": 1 << 30}, Settings(kv_cache_memory_bytes=1 << 30)),
        ({"kv-cache-dtype": "fp8", "block-size": 32}, Settings(kv_cache_dtype="fp8", block_size=32)),
        ({"dtype": "float32", "quantization": "fp8"}, Settings(dtype="float32", quantization="fp8")),
        ({"tensor-parallel-size": 2, "pipeline-parallel-size": 3}, Settings(tensor_parallel=2, pipeline_parallel=3)),
        ({"enforce-eager": True}, Settings(enforce_eager=True)),
        ({"enforce-eager": False}, Settings()),
        ({"disable-hybrid-kv-cache-manager": True}, Settings(hybrid_manager=False)),
        ({"disable-hybrid-kv-cache-manager": False}, Settings(hybrid_manager=True)),
        ({"enable-lora": True}, Settings(loras=1)),
        ({"enable-lora": True, "max-loras": 4, "max-lora-rank": 64}, Settings(loras=4, lora_rank=64)),
        ({"max-loras": 4}, Settings()),
        ({"runner": "pooling"}, Settings(pooling=True)),
        ({"task": "embed"}, Settings(pooling=True)),
        ({"language-model-only": True}, Settings(encoder=False)),
        ({"skip-mm-profiling": True}, Settings(encoder_profiled=False)),
        ({"limit-mm-per-prompt": {"image": 0, "video": 0}}, Settings(encoder_profiled=False)),
        ({"limit-mm-per-prompt": {"image": 0}}, Settings()),
        ({"limit-mm-per-prompt": {"image": {"count": 0}, "video": 1}}, Settings()),
        ({"mm-encoder-tp-mode": "data"}, Settings(encoder_whole=True)),
        ({"mm-processor-kwargs": {"max_pixels": 1003520}}, Settings(image_pixels=1003520)),
        ({"mm-processor-kwargs": {"size": {"longest_edge": 1003520}}}, Settings(image_pixels=1003520)),
        ({"mm-processor-kwargs": {"images_kwargs": {"max_pixels": 784}, "fps": 2}}, Settings(image_pixels=784)),
        ({"mm-processor-kwargs": {"max_pixels": True}}, Settings()),
        ({"mm-processor-kwargs": {"num_crops": 4}}, Settings()),
        ({"speculative-config": {"method": "ngram", "num_speculative_tokens": 3}}, Settings(draft_tokens=3)),
        ({"speculative-config": {"method": "mtp"}}, Settings(draft_tokens=1, draft_layers=1)),
        ({"speculative-config": '{"method": "deepseek_mtp"}'}, Settings(draft_tokens=1, draft_layers=1)),
        (
            {"speculative-config": {"model": "other/draft", "num_speculative_tokens": 5}},
            Settings(draft_tokens=5, unknown=("speculative-config.model",)),
        ),
        ({"speculative-config": "{"}, Settings(unknown=("speculative-config",))),
        ({"cpu-offload-gb": 1, "decode-context-parallel-size": 1}, Settings(unknown=("cpu-offload-gb",))),
        ({"enable-expert-parallel": False, "cpu-offload-gb": 0.0}, Settings()),
    ],
)
def test_flags_that_memory_depends_on(flags: dict[str, Any], expected: Settings) -> None:
    assert settings(flags, {}) == expected


@pytest.mark.parametrize(
    "flags",
    [
        {"max-model-len": "4k"},
        {"max-model-len": True},
        {"max-model-len": 0},
        {"gpu-memory-utilization": "0.9"},
        {"dtype": 16},
        {"enforce-eager": "yes"},
        {"enable-lora": False},
    ],
)
def test_values_of_a_wrong_type_count_as_not_set(flags: dict[str, Any]) -> None:
    assert settings(flags, {}) == Settings()


def test_a_draft_model_whose_facts_are_known() -> None:
    draft = model("ff")
    found = settings({"speculative-config": {"model": "draft", "num_speculative_tokens": 4}}, {}, draft)
    assert found == Settings(draft=draft, draft_tokens=4)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS": "1"}, Settings(graphs_counted=True)),
        ({"VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS": "0"}, Settings(graphs_counted=False)),
        ({"VLLM_ALLOW_CHUNKED_LOCAL_ATTN_WITH_HYBRID_KV_CACHE": "0"}, Settings(keeps_chunks=False)),
        ({"HF_HUB_OFFLINE": "1"}, Settings()),
    ],
)
def test_variables_that_memory_depends_on(env: dict[str, str], expected: Settings) -> None:
    assert settings({}, env) == expected


@given(
    st.dictionaries(
        st.sampled_from([*knowledge("vllm")["launch"], "task", "runner", "max-loras"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "auto", "[" * 100_000, "{"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["method", "model", "image", "video", "size", "max_pixels"]), inner)
            ),
        ),
    )
)
def test_values_of_a_wrong_type_count_as_not_set_and_end_nothing(flags: dict[str, Any]) -> None:
    assert isinstance(settings(flags, {}), Settings)
