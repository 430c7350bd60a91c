"""A small project in memory, the one whose settings got lost, and what the real stages make of such."""

import json
from collections.abc import Mapping
from typing import Any

from sources import examined, facts
from stowplan.nouns.artifact import Artifact
from stowplan.nouns.entry import Entry
from stowplan.nouns.facts import ModelFile, Quantization, Template
from stowplan.nouns.profile import Profile
from stowplan.stages.emit import emit
from stowplan.stages.plan import plan
from stowplan.words.diagnostic import has_errors

Sources = Mapping[str, bytes]


def entries_of(given: Sources, profile: str) -> tuple[Profile, tuple[Entry, ...]]:
    """The entries of a sound project's profile."""
    _, fleet, problems = examined(given)
    assert not has_errors(problems), problems
    return fleet.profiles[profile], plan(fleet)[profile]


def artifacts_of(given: Sources, profile: str) -> dict[str, Artifact]:
    """The output files of a sound project's profile, by path."""
    return {artifact.path: artifact for artifact in emit(*entries_of(given, profile))}


def rows_of(given: Sources, profile: str) -> dict[str, Any]:
    """The entries of its registry, by name."""
    registry = json.loads(artifacts_of(given, profile)["model_registry.json"].content)
    return {row["name"]: row for row in registry}


QWEN = "qwen2.5-vl-7b-instruct-awq"

INCIDENT: dict[str, bytes] = {
    "profiles/rtx-4080-16g.toml": b"""\
allow = ["remote-code:qwen2.5-vl-7b-instruct-awq"]
[gpu]
name = "NVIDIA GeForce RTX 4080"
memory = "16376 MiB"
[engine.vllm]
version = "0.11.0"
executable = "/opt/vllm-0.11.0/bin/vllm"
[roots]
weights = "/home/me/ai-models/weights"
[serving]
bind = "127.0.0.1"
connect = "host.docker.internal"
ports = "24001-24001"
pass-env = ["HF_TOKEN"]
[defaults.vllm]
gpu-memory-utilization = 0.75
""",
    f"models.d/{QWEN}/discovered.json": facts(
        "Qwen/Qwen2.5-VL-7B-Instruct-AWQ",
        family="qwen2.5-vl",
        license="apache-2.0",
        quantization=Quantization(method="awq", bits=4),
        capabilities={"text": "architectures", "vision": "vision_config"},
        templates=(Template(file="chat_template.jinja", kind="jinja", sha256="cd" * 32),),
        files=(
            ModelFile(path="config.json", size=1200, sha256="01" * 32),
            ModelFile(path="model-00001-of-00002.safetensors", size=3_949_374_208, header_sha256="02" * 32),
            ModelFile(path="model-00002-of-00002.safetensors", size=2_980_000_000, header_sha256="03" * 32),
        ),
    ),
    f"models.d/{QWEN}/base.toml": b"""\
name = "qwen2.5-vl-7b-instruct_(AWQ)"
display-name = "Qwen2.5-VL 7B Instruct (AWQ)"
aliases = ["Qwen2.5-VL-7B"]
roles = { caption = 90, keywords = 75, description = 90 }
[vllm]
trust-remote-code = true
enforce-eager = false
[correct]
because = "the model calls tools; its config does not say so"
capabilities = { tools = "model card" }
""",
    f"models.d/{QWEN}/rtx-4080-16g.toml": b"""\
engine = "vllm"
port = 24001
[vllm]
max-model-len = 4096
enforce-eager = true
[sampling]
temperature = 0.2
[env]
VLLM_WORKER_MULTIPROC_METHOD = "spawn"
""",
    "models.d/llava/base.toml": b"""\
name = "llava_7b_(Q4)"
roles = { caption = 40 }
""",
    "models.d/llava/rtx-4080-16g.toml": b"""\
engine = "external"
port = 11434
[external]
backend = "ollama"
model = "llava:7b"
host = "localhost"
""",
}
"""The model whose settings got lost, and one that something else serves."""
