"""Memory points: real starts of vLLM, with what each logged, as launches that can be estimated.

The file is a list of `points` (GiB everywhere); `kv_gib` is what vLLM calls "Available KV cache memory". A point
can be estimated if its model is one of published_models.py and it says how much memory the card has. Where it
does not say the context, the longest that fits is taken.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from published_models import facts_of, family_of

from stowplan.fit import cards
from stowplan.fit.constants import constants
from stowplan.fit.settings import FIT, Settings
from stowplan.nouns.facts import Facts
from stowplan.nouns.profile import Gpu

GIB = 1 << 30

_GPUS = {
    "H100-80GB": ("NVIDIA H100 80GB HBM3", (9, 0)),
    "H100 79.14 GiB": ("NVIDIA H100 80GB HBM3", (9, 0)),
    "A100 80GB": ("NVIDIA A100-SXM4-80GB", (8, 0)),
    "RTX 3090": ("NVIDIA GeForce RTX 3090", (8, 6)),
    "RTX 4060 8GB": ("RTX 4060", (8, 9)),
    "RTX A5000 24GB": ("RTX A5000", (8, 6)),
}
_SIZES = {"RTX A5000 24GB": 24, "24GB": 24, "24 GiB card": 24, "~24GB": 24, "80GB": 80}
"""GiB, of cards whose point says no more than that."""


@dataclass(frozen=True)
class Start:
    """One point, as it can be estimated. `version` is None where the point does not say it."""

    index: int
    point: Mapping[str, Any]
    model: str
    family: str
    facts: Facts
    settings: Settings
    gpu: Gpu
    version: str | None

    def logged(self, name: str) -> float | None:
        """A logged number in bytes, None where there is none."""
        value = self.point.get(f"{name}_gib")
        return None if value is None else float(value) * GIB

    @property
    def kv(self) -> float | None:
        """The memory of the KV cache in bytes. With pipeline stages the log has one rank's, while the blocks are
        the fewest of any rank: these count."""
        if self.settings.pipeline_parallel == 1 or "kv_blocks" not in self.point:
            return self.logged("kv")
        each = self.point["layers"] // self.settings.pipeline_parallel
        token = 2 * self.point["kv_heads"] * self.point["head_dim"] * 2
        return float(self.point["kv_blocks"] * 16 * each * token)

    @property
    def measured(self) -> bool:
        """Whether it is of a version that constants are fitted for, on a card whose memory is known exactly."""
        known = self.version is not None and constants("vllm", self.version)[-1].exact
        return known and "gpu_total_gib" in self.point and "kv_gib" in self.point


def read(path: Path) -> list[Mapping[str, Any]]:
    """The points of the file."""
    found: list[Mapping[str, Any]] = json.loads(path.read_bytes())["points"]
    return found


def starts(points: list[Mapping[str, Any]]) -> list[Start]:
    """The points that can be estimated."""
    return [start for i, point in enumerate(points) if (start := _start(i, point)) is not None]


def _start(index: int, point: Mapping[str, Any]) -> Start | None:
    model = point.get("model", "")
    facts, family, gpu = facts_of(model), family_of(model), _gpu(point)
    if facts is None or family is None or gpu is None:
        return None
    return Start(index, point, model, family, facts, _settings(point, facts), gpu, _version(point))


def _settings(point: Mapping[str, Any], facts: Facts) -> Settings:
    own = facts.quantization is not None
    known = {
        "max_model_len": point.get("max_model_len", FIT),
        "max_num_seqs": point.get("max_num_seqs"),
        "gpu_memory_utilization": point.get("gpu_memory_utilization"),
        "kv_cache_dtype": point.get("kv_cache_dtype"),
        "block_size": point.get("block_size"),
        "dtype": "float32" if point.get("dtype") == "float32" else None,
        "quantization": None if own else point.get("quantization"),
        "tensor_parallel": point.get("tp"),
        "pipeline_parallel": point.get("pp"),
        "enforce_eager": point.get("enforce_eager"),
    }
    return Settings(**{name: value for name, value in known.items() if value is not None})


def _gpu(point: Mapping[str, Any]) -> Gpu | None:
    said = point.get("gpu", "")
    name, capability = _GPUS.get(said, (said, None))
    count = (point.get("tp") or 1) * (point.get("pp") or 1)
    if "gpu_total_gib" in point:
        # CUDA's own figure: as a card of that name it is taken for what CUDA sees
        return Gpu(name, count, int(point["gpu_total_gib"] * GIB), 0, capability)
    found = cards.find(name)
    if len(found) == 1:
        return found[0].gpu(count)
    size = _SIZES.get(said)
    return None if size is None else Gpu(name, count, size * GIB, 0, capability)


def _version(point: Mapping[str, Any]) -> str | None:
    said = point.get("vllm", "")
    if said == "V0":
        return "0.7.0"
    found = re.fullmatch(r"~?(\d+\.\d+\.\d+)(?: \(V0\)|\+cpu)?", said)
    return found[1] if found else None
