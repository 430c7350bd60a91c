"""What a log of each era says, down to what there is to learn from it.

The figures are those of real starts, with the place they were published at; the lines around them are as that version
of vLLM writes them (engines/vllm/log.json has the files).
"""

import ast
from pathlib import Path
from typing import Any

import pytest
from fit_models import GIB, MIB, model
from hypothesis import given
from hypothesis import strategies as st

from stowplan.fit import startup_log
from stowplan.fit.calibration import lesson
from stowplan.fit.captures import FLAGS
from stowplan.fit.settings import Settings, settings
from stowplan.fit.startup_log import LONGEST, MOST, NoStartError, knowledge, startup
from stowplan.fit.subject import Question
from stowplan.nouns.measured import Start
from stowplan.nouns.profile import Gpu

ARGUMENTS = "(APIServer pid=9) INFO 09-21 10:00:00 [utils.py:233] non-default args: {{'model': '/m', {more}}}\n"
ENGINE = (
    "INFO [core.py:105] Initializing a V1 LLM engine (v{version}) with config: model='/m', max_seq_len={context}, \n"
)
LOADED = "INFO [gpu_model_runner.py:4800] Model loading took {gib} GiB memory and 5.123456 seconds\n"
LEFT = "INFO [gpu_worker.py:436] Available KV cache memory: {gib} GiB\n"
TOKENS = "INFO [kv_cache_utils.py:1319] GPU KV cache size: {tokens} tokens\n"
CONCURRENT = "INFO [kv_cache_utils.py:1324] Maximum concurrency for {context} tokens per request: 9.99x\n"
ESTIMATED = "INFO [gpu_model_runner.py:5956] Estimated CUDA graph memory: {gib} GiB total\n"
GRANTED = "INFO [gpu_worker.py:523] CUDA graph memory profiling is enabled (default since v0.21.0). The current ...\n"
CAPTURED = "INFO [gpu_model_runner.py:6047] Graph capturing finished in 7 secs, took {gib} GiB\n"
USAGE = (
    "{level} [gpu_worker.py:661] Free memory on device ({free}/{card} GiB) on startup. Desired GPU memory utilization "
    "is ({share}, {requested} GiB). Actual usage is {usage}. Replace gpu_memory_utilization config with ...\n"
)

GEMMA_3_4B = (
    ARGUMENTS.format(more="'max_model_len': 8192, 'gpu_memory_utilization': 0.9")
    + ENGINE.format(version="0.11.0", context=8192)
    + LOADED.format(gib="8.5834")
    + LEFT.format(gib="141.92")
    + TOKENS.format(tokens="1,062,800")
    + CONCURRENT.format(context="8,192")
    + CAPTURED.format(gib="0.65")
    + USAGE.format(
        level="DEBUG",
        free=177.66,
        card=178.36,
        share=0.9,
        requested=160.53,
        usage="8.58 GiB for weight, 9.96 GiB for peak activation, 0.07 GiB for non-torch memory, and 0.65 GiB for "
        "CUDAGraph memory",
    )
)
"""https://github.com/vllm-project/vllm/pull/21489: with DEBUG, each part by itself; its KV memory is what is left."""
GPT_OSS_20B = (
    ARGUMENTS.format(more="'max_model_len': 131072, 'gpu_memory_utilization': 0.65, 'trust_remote_code': True")
    + ENGINE.format(version="0.19.0", context=131072)
    + LOADED.format(gib="13.72")
    + LEFT.format(gib="36.56")
)
"""https://myoceane.fr/index.php/ai-vllm-a100-gemma-4/: at the usual level, an A100 of 80 GB."""
TWO_CARDS = (
    ARGUMENTS.format(more="'tensor_parallel_size': 2, 'gpu_memory_utilization': 0.82, 'max_num_seqs': 8")
    + ENGINE.format(version="0.27.1", context=16384)
    + "".join(f"(Worker_TP{rank} pid=44{rank}) " + LOADED.format(gib="12.01") for rank in (0, 1))
    + "".join(f"(Worker_TP{rank} pid=44{rank}) " + ESTIMATED.format(gib="0.36") + GRANTED for rank in (1, 0))
    + LEFT.format(gib="6.89")
    + LEFT.format(gib="6.87")
)
"""https://github.com/gpustack/runner/pull/251: estimate, share and KV memory; one card has a little less left."""
HUGE_GRAPHS = (
    ARGUMENTS.format(more="'gpu_memory_utilization': 0.92")
    + ENGINE.format(version="0.33.0", context=131072)
    + LOADED.format(gib="57.01")
    + ESTIMATED.format(gib="57.45")
    + LEFT.format(gib="43.31")
    + GRANTED
    + "INFO [kv_cache_utils.py:1147] GPU KV cache size: 354,796 tokens, Maximum concurrency for 131,072 tokens per "
    "request: 2.71x\n"
    + CAPTURED.format(gib="63.99")
    + USAGE.format(
        level="INFO",
        free=175.81,
        card=178.35,
        share=0.92,
        requested=164.08,
        usage="58.44 GiB for consumed memory (weights + non-torch), 62.33 GiB for peak activation, and 63.99 GiB for "
        "CUDAGraph memory",
    )
)
"""https://github.com/vllm-project/vllm/issues/57936: a B200. Activations are 4.88 GiB, the rest of the peak graphs."""

LLAMA_0_18 = (
    ARGUMENTS.format(more="'max_model_len': 8192, 'gpu_memory_utilization': 0.95")
    + ENGINE.format(version="0.18.1", context=8192)
    + LOADED.format(gib="14.99")
    + ESTIMATED.format(gib="0.84")
    + GRANTED
    + LEFT.format(gib="57.26")
    + USAGE.format(
        level="DEBUG",
        free=78.68,
        card=79.19,
        share=0.95,
        requested=75.23,
        usage="14.99 GiB for weight, 2.73 GiB for peak activation, 0.25 GiB for non-torch memory, and 0.91 GiB for "
        "CUDAGraph memory",
    )
)
"""The figures of Llama 3.1 8B on an H100 (0.19.0), as 0.18 writes them where graphs are granted."""

A100 = Gpu("NVIDIA A100-SXM4-80GB", 1, 81920 * MIB, 0, (8, 0))
B200 = Gpu("NVIDIA B200", 1, 183359 * MIB, 0, (10, 0))
H100 = Gpu("NVIDIA H100 80GB HBM3", 1, 81559 * MIB, 0, (9, 0))
QUADRO = Gpu("Quadro RTX 6000", 2, 24576 * MIB, 0, (7, 5))


def learnt(log: str, weights: float, gpu: Gpu, version: str) -> dict[str, float]:
    """The terms in GiB that there are to learn about a model of so many GiB."""
    asked = Question(model(size=int(weights * GIB)), Settings(), gpu, version)
    return {name: round(mib / 1024, 2) for name, mib in lesson(startup("vllm", log.encode()), asked).mib.items()}


def test_with_debug_every_part_is_known() -> None:
    assert learnt(GEMMA_3_4B, 8.58, B200, "0.11.0") == {
        "weights": 8.58,
        "available-kv": 141.92,
        "activations": 9.96,
        "non-torch": 0.07,
        "card": 178.36,
        "graphs": 0.65,
    }


def test_at_the_usual_level_the_rest_is_a_sum() -> None:
    assert learnt(GPT_OSS_20B, 13.72, A100, "0.19.0") == {
        "weights": 13.72,
        "available-kv": 36.56,
        "others": round(80 * 0.65 - 13.72 - 36.56, 2),
    }


def test_of_several_cards_the_fullest_counts_and_graphs_are_granted() -> None:
    found = learnt(TWO_CARDS, 24.02, QUADRO, "0.27.1")
    assert (found["available-kv"], found["graphs-estimated"]) == (6.87, 0.36)
    assert found["others"] == pytest.approx(24 * 0.82 - 12.01 - 6.87 - 0.36, abs=0.01)


def test_a_peak_with_graphs_in_it_is_told_apart() -> None:
    found = learnt(HUGE_GRAPHS, 57.0, B200, "0.33.0")
    assert found["activations"] == 4.88
    assert found["non-torch"] == round(58.44 - 57.01, 2)
    assert (found["graphs"], found["graphs-estimated"]) == (63.99, 57.45)
    parts = ("weights", "activations", "non-torch", "graphs-estimated", "available-kv")
    assert sum(found[name] for name in parts) == pytest.approx(164.08, abs=0.03)


def test_so_it_is_in_the_one_version_before_the_next() -> None:
    assert learnt(LLAMA_0_18, 14.99, H100, "0.18.1")["activations"] == 1.89
    later = LLAMA_0_18.replace("v0.18.1", "v0.19.1").replace("2.73", "1.89")
    assert learnt(later, 14.99, H100, "0.19.1")["activations"] == 1.89


def test_graphs_of_the_other_runner_are_told_only_at_the_end() -> None:
    """It logs no estimate by itself: before the line with both figures, how much was set aside is not known."""
    early = TWO_CARDS.replace(ESTIMATED.format(gib="0.36"), "")
    with pytest.raises(NoStartError, match="what was set aside for CUDA graphs"):
        learnt(early, 24.02, QUADRO, "0.27.1")
    late = (
        early + "INFO CUDA graph pool memory: 0.2 GiB (actual), 0.36 GiB (estimated), difference: 0.16 GiB (80.0%).\n"
    )
    assert learnt(late, 24.02, QUADRO, "0.27.1") == learnt(TWO_CARDS, 24.02, QUADRO, "0.27.1") | {"graphs": 0.2}


def test_the_tokens_of_the_cache_are_read_in_either_form() -> None:
    assert startup("vllm", GEMMA_3_4B.encode()).numbers["cache-tokens"] == 1_062_800
    assert startup("vllm", HUGE_GRAPHS.encode()).numbers["cache-tokens"] == 354_796
    assert startup("vllm", HUGE_GRAPHS.encode()).numbers["context-tokens"] == 131_072


def test_the_launch_has_the_numbers_that_the_engine_decided_on() -> None:
    asked = Question(model(size=int(13.72 * GIB)), Settings(), A100, "0.19.0")
    found = lesson(startup("vllm", GPT_OSS_20B.encode()), asked).launch
    assert found == {
        "gpu-memory-utilization": 0.65,
        "max-model-len": 131072,
        "max-num-batched-tokens": 2048,
        "max-num-seqs": 256,
        "tensor-parallel-size": 1,
    }
    told = GPT_OSS_20B + "INFO [scheduler.py:216] Chunked prefill is enabled with max_num_batched_tokens=4096.\n"
    assert lesson(startup("vllm", told.encode()), asked).launch["max-num-batched-tokens"] == 4096


# what a log may be


def test_the_last_start_counts() -> None:
    again = GPT_OSS_20B.replace("36.56", "35.50")
    assert startup("vllm", (GPT_OSS_20B + again).encode()).numbers["available-kv"] == 35.5
    crashed = GPT_OSS_20B + ARGUMENTS.format(more="'max_model_len': 9") + ENGINE.format(version="0.19.0", context=9)
    assert "available-kv" not in startup("vllm", crashed.encode()).numbers
    with pytest.raises(NoStartError, match="no start of an engine"):
        startup("vllm", (GPT_OSS_20B + ARGUMENTS.format(more="'max_model_len': 9")).encode())


def test_a_line_of_another_version_says_nothing() -> None:
    older = GPT_OSS_20B + ESTIMATED.format(gib="0.36")
    assert startup("vllm", older.encode()).numbers["graphs-estimated"] == 0.36
    assert "graphs-estimated" not in startup("vllm", older.replace("0.19.0", "0.17.1").encode()).numbers


def test_values_that_are_not_plain_are_none_and_keep_others_whole() -> None:
    more = "'a': <A.B: 1>, 'b': {'c': [1, 'x, y}'], 'd': (2,)}, 'e': \"it's\", 'f': 1e999, 'max_num_seqs': 3"
    found = startup("vllm", (ARGUMENTS.format(more=more) + ENGINE.format(version="0.19.0", context=1)).encode())
    values = {"a": None, "b": {"c": [1, "x, y}"], "d": (2,)}, "e": "it's", "f": float("inf"), "max_num_seqs": 3}
    assert found.arguments == {"model": "/m"} | values


HOSTILE = ["[" * 3000 + "]" * 3000, "-" * 3000 + "1", "9" * 3500, "'" + "x" * 60_000 + "'", "'\\d'", "\x1b[31m", "()()"]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_values_end_nothing_and_make_no_noise(value: str, recwarn: pytest.WarningsRecorder) -> None:
    log = ARGUMENTS.format(more=f"'hf_overrides': {value}, 'max_num_seqs': 3") + GPT_OSS_20B.partition("\n")[2]
    assert startup("vllm", log.encode()).arguments["max_num_seqs"] == 3
    assert not recwarn.list


@pytest.mark.parametrize("value", ["[" * 9, "'", "x" * LONGEST])
def test_arguments_that_do_not_end_are_refused(value: str) -> None:
    with pytest.raises(NoStartError, match="cut off"):
        startup("vllm", (ARGUMENTS.format(more=f"'hf_overrides': {value}") + GPT_OSS_20B.partition("\n")[2]).encode())


def test_reading_is_bounded() -> None:
    far = b"\n" * MOST + GPT_OSS_20B.encode()
    with pytest.raises(NoStartError, match="no start"):
        startup("vllm", far)
    wide = " " * LONGEST + GPT_OSS_20B.replace("\n", "\n" + " " * LONGEST)
    with pytest.raises(NoStartError, match="no start"):
        startup("vllm", wide.encode())


@given(st.binary(max_size=400), st.integers(min_value=0, max_value=len(HUGE_GRAPHS)))
def test_what_is_put_in_anywhere_ends_in_an_answer(noise: bytes, at: int) -> None:
    log = HUGE_GRAPHS.encode()
    asked = Question(model(size=57 * GIB), Settings(), B200, "0.33.0")
    try:
        found = lesson(startup("vllm", log[:at] + noise + log[at:]), asked)
    except NoStartError:
        return
    assert all(0 <= mib <= B200.memory / MIB for mib in found.mib.values() if B200.memory)


@pytest.mark.parametrize(
    ("log", "size", "gpu", "version"), [(HUGE_GRAPHS, 57.0, B200, "0.33.0"), (TWO_CARDS, 24.02, QUADRO, "0.27.1")]
)
def test_a_log_that_is_cut_off_teaches_the_same_or_nothing(log: str, size: float, gpu: Gpu, version: str) -> None:
    assert gpu.memory is not None
    whole = learnt(log, size, gpu, version)
    share = 0.92 if log is HUGE_GRAPHS else 0.82
    known = sum(whole[name] for name in ("weights", "available-kv", "graphs-estimated"))
    whole["others"] = gpu.memory / GIB * share - known
    taught = [found for at in range(len(log)) if (found := _taught(log[:at], size, gpu, version)) is not None]
    assert taught
    for found in taught:  # the second card has 0.02 GiB less left
        assert found == pytest.approx({name: whole[name] for name in found}, abs=0.03)


def _taught(log: str, *about: Any) -> dict[str, float] | None:
    try:
        return learnt(log, *about)
    except NoStartError:
        return None


# what the knowledge is


def test_every_line_names_where_it_was_read_and_reads_what_it_says() -> None:
    known = knowledge("vllm")
    for row in known["lines"]:
        assert row["source"]
        assert startup_log._line(row).pattern.groups == len(startup_log._line(row).names)
    assert len(set(known["launch"])) == len(known["launch"])


def test_what_is_kept_of_a_launch_is_what_settings_read() -> None:
    """No more: a row holds nothing that no estimate looks at."""
    source = ast.parse(Path(settings.__code__.co_filename).read_text(encoding="utf-8"))
    named = {node.value for node in ast.walk(source) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert set(knowledge("vllm")["launch"]) <= named | FLAGS


def test_a_learnt_row_reads_as_the_launch_it_was() -> None:
    asked = Question(model(size=57 * GIB), Settings(gpu_memory_utilization=0.92), B200, "0.33.0")
    found = lesson(startup("vllm", HUGE_GRAPHS.encode()), asked)
    about = {"file": "profiles/measured/p.toml", "number": 0, "model": "m", "engine": "vllm", "kind": "vllm"}
    row = Start(**about, version="0.33.0", launch=found.launch, mib=found.mib)
    taught = Question(asked.facts, settings(found.launch, {}), B200, "0.33.0", "vllm", (row,)).answer()
    assert taught.pool.likely / GIB == pytest.approx(43.31, abs=0.03)
    assert taught.pool.high - taught.pool.low < 0.2 * GIB
    untaught = asked.answer()
    assert abs(untaught.pool.likely / GIB - 43.31) > 1
