"""What vLLM says in its log about the memory it got, kept beside the launch it was measured with.

`build/.state/measured.jsonl` gets one line for each start of a server. No build depends on it; it is there
for people, and for whoever wants to know how good an estimate was.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from stowplan.servers.find import Running
from stowplan.servers.log import last_run, log_file, writes

FILE = ".state/measured.jsonl"


def _integer(text: str) -> int:
    return int(text.replace(",", ""))


_LINES: Mapping[str, tuple[re.Pattern[str], Callable[[str], float | int]]] = {
    # "took 5.2034 GiB and 3.1 seconds" in 0.11.0, "took 5.2 GiB memory and 3.1 seconds" in 0.32.0
    "weights_gib": (re.compile(r"Model loading took ([0-9.]+) GiB (?:memory )?and [0-9.]+ seconds"), float),
    "loading_seconds": (re.compile(r"Model loading took [0-9.]+ GiB (?:memory )?and ([0-9.]+) seconds"), float),
    # the second is what the CPU backend prints (v1/worker/cpu_worker.py, 0.32.0)
    "kv_cache_gib": (
        re.compile(
            r"(?:Available KV cache memory: |(?:Explicitly|Auto) set \()([0-9.]+)(?: GiB|/[0-9.]+\) GiB for KV)"
        ),
        float,
    ),
    # one line each in 0.11.0, one line for both in 0.32.0; "CPU" in the CPU backend
    "kv_cache_tokens": (re.compile(r"KV cache size: ([0-9,]+) tokens"), _integer),
    "max_concurrency": (re.compile(r"Maximum concurrency for [0-9,]+ tokens per request: ([0-9.]+)x"), float),
}
"""Fact → how a line of the log tells it: v1/worker/gpu_worker.py, v1/worker/gpu_model_runner.py and
v1/core/kv_cache_utils.py of vLLM 0.11.0 and 0.32.0."""


def measured(log: str) -> dict[str, float | int]:
    """The facts that the log of one start tells. With several GPUs, the first that speaks counts."""
    found: dict[str, float | int] = {}
    for name, (pattern, number) in _LINES.items():
        if (match := pattern.search(log)) is not None:
            with suppress(ValueError):
                found[name] = number(match[1])
    return found


def record(build: Path, running: Running, seconds: float | None = None) -> None:
    """Notes what the log of a running server tells, once for each start; `seconds` is how long it took to be healthy.

    A server that logs elsewhere is passed over, and a folder that may not be written to is no error: nothing
    depends on this.
    """
    server, leader = running.server, running.leader
    log, start = log_file(build, server), {"launch": leader.launch, "pid": leader.pid, "started": leader.started}
    if not writes(leader.pid, log) or _is_known(build / FILE, start):
        return
    facts: dict[str, Any] = measured(last_run(log))
    if seconds is not None:
        facts["healthy_after_seconds"] = round(seconds, 1)
    if not facts:
        return
    about = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "model": server.model,
        "profile": server.profile,
        "engine": server.engine,
        "engine_version": server.version,
        "gpu": server.gpu,
    }
    with suppress(OSError), (build / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps({**about, **start, **facts}, ensure_ascii=False) + "\n")


def _is_known(file: Path, start: Mapping[str, Any]) -> bool:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    for line in lines:
        with suppress(ValueError):
            known = json.loads(line)
            if isinstance(known, dict) and start.items() <= known.items():
                return True
    return False
