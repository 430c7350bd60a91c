"""Real words of vLLM and what lies below it, and the causes that the table names for them."""

import json
import re
from importlib.resources import files

import pytest

from stowplan.servers.causes import cause

SEEN = [
    ("no-kv-memory", "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`"),
    (
        "no-kv-memory",
        "ValueError: To serve at least one request with the model's max seq len (131072), (24.0 GiB KV cache is "
        "needed, which is larger than the available KV cache memory (5.1 GiB). Based on the available memory, ...",
    ),
    (
        "no-kv-memory",
        "ValueError: Available memory on node 0 (3.1/8.84 GiB) on kv cache allocation is less than requested memory "
        "for kv (4.0 GiB). Decrease --kv-cache-memory-bytes, VLLM_CPU_KVCACHE_SPACE, or reduce CPU memory used",
    ),
    (
        "memory-taken",
        "ValueError: Free memory on device cuda:0 (3.2/15.99 GiB) on startup is less than desired GPU memory "
        "utilization (0.9, 14.39 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
    ),
    (
        "memory-taken",
        "ValueError: Available memory on node 0 (6.1/8.84 GiB) on startup is less than desired CPU memory utilization "
        "(0.92, 8.13 GiB).",
    ),
    ("out-of-memory", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.02 GiB. GPU 0 has a total"),
    ("out-of-memory", "ERROR Failed to load model - not enough GPU memory. Try lowering --gpu-memory-utilization"),
    ("out-of-memory", "RuntimeError: [enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    ("out-of-memory", "OSError: [Errno 12] Cannot allocate memory"),
    ("unknown-flag", "vllm: error: unrecognized arguments: --max-model-length 12"),
    (
        "bad-argument",
        "vllm serve: error: argument --gpu-memory-utilization/--device-memory-utilization: invalid float value: 'abc'",
    ),
    (
        "context-too-long",
        "  Value error, User-specified max_model_len (999999) is greater than the derived max_model_len "
        "(max_position_embeddings=2048.0 or model_max_length=None in model's config.json).",
    ),
    ("port-taken", "error: port 24001 of 127.0.0.1 is taken"),
    ("port-taken", "OSError: [Errno 98] Address already in use"),
    (
        "remote-code",
        "  Value error, The repository /w/m contains custom code which must be executed to correctly load the model.",
    ),
    ("remote-code", "ValueError: Loading m requires you to execute the configuration file in that repo"),
    (
        "remote-code",
        "library, consider setting `trust_remote_code=True` in LLM or using the `--trust-remote-code` flag",
    ),
    ("gated", "OSError: You are trying to access a gated repo."),
    ("gated", "huggingface_hub.errors.GatedRepoError: 403 Client Error. (Request ID: ViT1Bf7O)"),
    ("missing-file", "error: there is no folder /w/qwen"),
    ("missing-file", "error: the model in /w/qwen is not whole: model.safetensors is missing"),
    (
        "missing-file",
        "OSError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/nowhere/model'. Use `repo_type`",
    ),
    ("missing-file", "OSError: qwen is not a local folder and is not a valid model identifier listed on"),
    ("missing-file", "(Worker pid=5298) ERROR RuntimeError: Cannot find any model weights with `/w/qwen`"),
    (
        "missing-file",
        "ValueError: The supplied chat template (/t.jinja) looks like a file path, but it failed to be opened.",
    ),
    ("missing-file", "  Value error, Unrecognized model in /w/m. Should have a `model_type` key in its config.json."),
    ("missing-file", "FileNotFoundError: [Errno 2] No such file or directory: '/w/m/tokenizer.json'"),
    ("no-engine", "error: there is no program /opt/vllm/bin/vllm"),
    ("no-engine", "error: /opt/vllm/bin/vllm is vLLM 0.12.0; this launch was compiled for 0.11.0"),
    (
        "unsupported-model",
        "  Value error, Model architectures ['NoSuchForCausalLM'] are not supported for now. Supported architectures: ",
    ),
    ("unsupported-model", "ValueError: Model architecture X was supported in vLLM until v0.10.2, and is not supported"),
    ("unsupported-model", "model type `new` but Transformers does not recognize this architecture."),
]
BEFORE = "INFO loading\n"
AFTER = "\nRuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n"


@pytest.mark.parametrize(("name", "line"), SEEN)
def test_a_cause_is_named_by_its_line(name: str, line: str) -> None:
    found = cause(BEFORE + line + AFTER, 1)
    assert found is not None
    assert (found.name, found.line) == (name, line.strip())
    assert [what for what, _ in found.told] == ["the log says", "that means", "help"]


def test_every_pattern_was_seen() -> None:
    table = json.loads(files("stowplan.servers").joinpath("causes.json").read_text("utf-8"))
    assert {row["cause"] for row in table} == {name for name, _ in SEEN} | {"killed"}
    patterns = [text["pattern"] for row in table for text in row.get("log", ())]
    assert [p for p in patterns if not any(re.search(p, line) for _, line in SEEN)] == []
    assert all(text["source"] for row in table for text in row.get("log", ()))
    assert all(row["means"] and row["do"] for row in table)


def test_a_signal_is_a_cause_where_the_log_names_none() -> None:
    killed = cause("INFO loading\n", -9)
    assert killed is not None
    assert (killed.name, killed.line) == ("killed", None)
    taken = cause("error: port 1 of h is taken\n", -9)
    assert taken is not None
    assert taken.name == "port-taken"


@pytest.mark.parametrize(("log", "status"), [("", None), (BEFORE + AFTER, 1), (BEFORE, 0), ("", -15)])
def test_a_riddle_has_none(log: str, status: int | None) -> None:
    assert cause(log, status) is None
