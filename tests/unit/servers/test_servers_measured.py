"""What vLLM prints of its memory, in the forms of its versions, and where it is kept."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from server_cases import made, row

from fake_server import child
from stowplan.servers.find import Running
from stowplan.servers.log import log_file
from stowplan.servers.measured import FILE, measured, record
from stowplan.servers.processes import look

OF_0_11 = """\
INFO 11-24 10:00:00 [gpu_model_runner.py:2653] Model loading took 6.5979 GiB and 3.204115 seconds
INFO 11-24 10:00:09 [gpu_worker.py:298] Available KV cache memory: 4.12 GiB
INFO 11-24 10:00:09 [kv_cache_utils.py:1087] GPU KV cache size: 77,136 tokens
INFO 11-24 10:00:09 [kv_cache_utils.py:1091] Maximum concurrency for 4,096 tokens per request: 18.83x
"""
OF_0_32 = """\
(Worker pid=1) INFO 11-24 10:00:00 [gpu_model_runner.py:5150] Model loading took 6.6 GiB memory and 3.204115 seconds
(Worker pid=1) INFO 11-24 10:00:09 [gpu_worker.py:760] Available KV cache memory: 4.12 GiB
(EngineCore pid=2) INFO 11-24 10:00:09 [kv_cache_utils.py:2327] GPU KV cache size: 77,136 tokens, Maximum concurrency \
for 4,096 tokens per request: 18.83x
"""
OF_0_32_CPU = """\
(Worker pid=10061) INFO 11-24 23:46:46 [cpu_worker.py:260] Explicitly set (1.0/8.84) GiB for KV cache on node 0.
(EngineCore pid=9867) INFO 11-24 23:46:46 [kv_cache_utils.py:2327] CPU KV cache size: 4,194,304 tokens, Maximum \
concurrency for 256 tokens per request: 16384.00x
"""
GPU = {"loading_seconds": 3.204115, "kv_cache_gib": 4.12, "kv_cache_tokens": 77136, "max_concurrency": 18.83}


@pytest.mark.parametrize(
    ("log", "facts"),
    [
        (OF_0_11, GPU | {"weights_gib": 6.5979}),
        (OF_0_32, GPU | {"weights_gib": 6.6}),
        (OF_0_32_CPU, {"kv_cache_gib": 1.0, "kv_cache_tokens": 4194304, "max_concurrency": 16384.0}),
        ("Model loading took 1.2.3 GiB and 1 seconds", {"loading_seconds": 1.0}),
        ("", {}),
    ],
)
def test_facts(log: str, facts: dict[str, float]) -> None:
    assert measured(log) == facts


@contextmanager
def running(build: Path, log: str) -> Iterator[Running]:
    """A server whose output is its log."""
    (server,) = made([row()])
    file = log_file(build, server)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(log)
    with file.open("ab") as words, child(["sleep", "600"], stdout=words) as process:
        leader = look(process.pid)
        assert leader is not None
        yield Running(server, leader, (leader,), is_listening=True)


def noted(build: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (build / FILE).read_text().splitlines()]


def test_each_start_is_kept_once(tmp_path: Path) -> None:
    with running(tmp_path, OF_0_11) as one:
        record(tmp_path, one, 12.34)
        record(tmp_path, one)
    with running(tmp_path, OF_0_32) as other:
        record(tmp_path, other)
    first, second = noted(tmp_path)
    assert (first["pid"], first["healthy_after_seconds"], first["weights_gib"]) == (one.leader.pid, 12.3, 6.5979)
    assert (second["pid"], "healthy_after_seconds" in second) == (other.leader.pid, False)
    assert (first["model"], first["profile"], first["engine_version"], first["gpu"]) == ("qwen", "rtx", "0.11.0", None)


def test_a_log_that_tells_nothing_or_is_anothers_is_passed_over(tmp_path: Path) -> None:
    with running(tmp_path, "") as one:
        record(tmp_path, one)
        log_file(tmp_path, one.server).unlink()
        log_file(tmp_path, one.server).write_text(OF_0_11)
        record(tmp_path, one, 1.0)
    assert not (tmp_path / FILE).exists()


def test_a_broken_line_is_passed_over(tmp_path: Path) -> None:
    with running(tmp_path, OF_0_11) as one:
        (tmp_path / FILE).write_bytes(b'{"pid": 1\n[]\n')
        record(tmp_path, one)
    assert json.loads((tmp_path / FILE).read_bytes().splitlines()[-1])["pid"] == one.leader.pid
