"""Rows of a registry, servers and running processes, as the tests of servers want them."""

from pathlib import Path
from typing import Any

from stowplan.servers.find import Running, Sight
from stowplan.servers.ports import Stranger
from stowplan.servers.processes import Process
from stowplan.servers.server import Server, servers

ADDRESS = ["--host", "127.0.0.1", "--port", "24001", "--served-model-name", "qwen"]
ARGV = ["/opt/vllm/bin/vllm", "serve", "/w/qwen", *ADDRESS]


def row(model: str = "qwen", digest: str = "a" * 64, *flags: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """An entry with a launch; `flags` come after the address."""
    return {
        "name": f"{model}_(AWQ)",
        "display_name": f"{model} AWQ",
        "model_aliases": [f"{model}-alias"],
        "served_model_id": "qwen",
        "backend_config": {"argv": [*ARGV, *flags], "env": env or {}, "pass_env": ["HOME", "VLLM_API_KEY"]},
        "metadata": {
            "model": model,
            "profile": "rtx",
            "engine": "vllm",
            "engine_version": "0.11.0",
            "launch_digest": digest,
            "script": f"launch/{model}.sh",
        },
    }


def made(*generations: list[dict[str, Any]], current: int | None = None) -> tuple[Server, ...]:
    """The servers of these generations, numbered from 1."""
    registries = {number: (Path(f"/b/{number}"), rows) for number, rows in enumerate(generations, 1)}
    return servers(registries, current or len(generations))


def process(pid: int = 7, launch: str | None = "a" * 64, *flags: str, is_readable: bool = True) -> Process:
    """A process that runs ARGV and `flags` under an interpreter."""
    argv = ("/opt/vllm/bin/python3", *ARGV, *flags)
    return Process(pid, 100, 1, pid, pid, argv, launch, is_readable)


def sight(
    server: Server, *leaders: Process, is_listening: bool | None = True, strangers: tuple[Stranger, ...] = ()
) -> Sight:
    """A server as which these processes run."""
    running = tuple(Running(server, leader, (leader,), is_listening) for leader in leaders)
    return Sight(server, running, strangers, neighbours=("llama",))
