"""Fits the constants of engines/vllm/memory.json on memory points, and writes its `eras`.

    python tests/accuracy/fit_memory.py POINTS [--write]

Without --write it only says whether the file holds what the points give. The formulas are those of the product
(stowplan/fit/overhead.py): each constant is the median of what the points say that it decides, and each spread is
as far as the points lay off, and a little more. Nothing else in memory.json is touched.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import memory_points
from memory_points import GIB, Start

from stowplan.fit.batch import batch
from stowplan.fit.constants import Constants, decoded
from stowplan.fit.lacking import NOTHING_MORE
from stowplan.fit.overhead import Peak, activation, families, peak
from stowplan.fit.span import Factor

REPOSITORY = Path(__file__).resolve().parents[2]
MEMORY = REPOSITORY / "compiler/stowplan/engines/vllm/memory.json"
MIB = 1 << 20

Document = dict[str, Any]

SORTED, SELECTED, NEWER = ("0.11.0", "0.17.0"), ("0.17.0", "0.20.0"), "0.20.0"
"""The eras: while the sampler sorted; since it selects; and what no start was measured of."""

UNIT = {"sampler": 1.0, "forward": 1.0, "workspace": {"none": 1.0, "mxfp4": 0.0, "other": 1.0}, "encoder": 8.0}
NO_POINT = {"dense": [0.7, 1.0, 1.4], "experts": [0.6, 1.0, 1.6], "encoder": [0.6, 1.0, 1.8], "state": [0.6, 1.0, 2.2]}
"""How far a family may lie off where nothing was measured: a guess, and a wide one."""
MARGIN = 0.03
"""What a spread has beyond the farthest point, as a share."""
UNSEEN = Factor(0.6, 1.0, 1.3)
"""How much wider an era is that no start was measured of. Since 0.22 a new runner, by which the sampler's peak may
be less, takes over model by model (vllm/config/vllm.py, `use_v2_model_runner`); hence more room below."""


def fitted(document: Document, starts: Sequence[Start]) -> list[Document]:
    """The eras of memory.json as these starts give them."""
    selected = _era(document, starts, *SELECTED)
    return [_era(document, starts, *SORTED), selected, _newer(selected)]


def _newer(selected: Document) -> Document:
    """The era that no start was measured of: the one before, wider."""
    newer: Document = json.loads(json.dumps(selected))
    newer["since"], newer["points"] = NEWER, 0
    newer["spread"] = {name: _beyond(spread, UNSEEN) for name, spread in newer["spread"].items()}
    for name in ("non-torch-mib", "context-mib"):
        newer[name] = {key: [round(v) for v in _beyond(mib, UNSEEN)] for key, mib in newer[name].items()}
    # three starts of that era, of which no more is known, estimated 0.1 to 0.6 of what the line gives
    newer["graphs"]["spread"] = [0.1, 0.6, 2.0]
    return newer


def _era(document: Document, starts: Sequence[Start], since: str, before: str) -> Document:
    here = [s for s in starts if s.measured and s.version and _in(s.version, since, before)]
    unit: Document = {
        "since": since,
        "points": len(here),
        **UNIT,
        "encoder-cache": 2.0,
        "spread": {name: [1.0, 1.0, 1.0] for name in NO_POINT},
        "non-torch-mib": {},
        "context-mib": {},
        "graphs": {"base-mib": 0, "layer-mib": 0, "spread": [1, 1, 1]},
    }
    known = decoded({**document, "eras": [unit]}, since)
    peaks = [(s, p, s.logged("activation")) for s in here if (p := _peak(s, known)) and s.logged("activation")]
    unit["sampler"] = _sampler(peaks)
    unit["forward"] = _forward(peaks, unit["sampler"])
    known = replace(known, sampler=unit["sampler"], forward=unit["forward"])
    unit["spread"] = _spreads(here, known)
    unit["non-torch-mib"] = _non_torch(here)
    unit["context-mib"] = _context(here)
    unit["graphs"] = _graphs(here)
    return unit


def _in(version: str, since: str, before: str) -> bool:
    def key(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split("."))

    return key(since) <= key(version) < key(before)


def _peak(start: Start, known: Constants) -> Peak | None:
    at_once = batch(start.settings, known, start.gpu, start.settings.max_model_len or 8192)
    # the log of several pipeline stages is the first rank's, and the sampler is at work on the last
    last = start.settings.pipeline_parallel == 1
    found = peak(start.facts, start.settings, known, at_once, NOTHING_MORE, last)
    return found if isinstance(found, Peak) else None


def _sampler(peaks: Iterable[tuple[Start, Peak, float | None]]) -> float:
    """How many times the logits: of dense models whose vocabulary decides, what is left after the hidden states."""
    ratios = [
        ((active or 0) - p.hidden) / p.sampler
        for s, p, active in peaks
        if s.facts.architecture.vision is None and s.facts.architecture.experts is None
        and s.settings.dtype == "auto" and (s.facts.architecture.vocab_size or 0) > 100_000 and p.sampler
    ]  # fmt: skip
    return round(median(ratios), 2)


def _forward(peaks: Iterable[tuple[Start, Peak, float | None]], sampler: float) -> float:
    """How many times a layer's pass: of dense models where the sampler does not explain the peak."""
    ratios = [
        (active or 0) / p.forward
        for s, p, active in peaks
        if s.facts.architecture.vision is None and s.facts.architecture.experts is None
        and s.settings.dtype == "auto" and (active or 0) > 1.05 * (sampler * p.sampler + p.hidden)
    ]  # fmt: skip
    return round(median(ratios), 2) if ratios else 1.1


def _spreads(here: Sequence[Start], known: Constants) -> dict[str, list[float]]:
    """How far each family's peaks lay off, and a little more."""
    found = {}
    for family, without in NO_POINT.items():
        ratios = []
        for start in here:
            active, parts = start.logged("activation"), _peak(start, known)
            if active is None or parts is None or family not in families(start.facts, start.settings):
                continue
            ratios.append(active / activation(parts, Factor(1, 1, 1), Factor(0, 0, 0)).likely)
        if len(ratios) < 3:
            found[family] = [min([without[0], *ratios]), 1.0, max([without[2], *ratios])]
        else:
            found[family] = [min(ratios) * (1 - MARGIN), 1.0, max(ratios) * (1 + MARGIN)]
        found[family] = [round(found[family][0], 3), 1.0, round(max(found[family][2], 1.0), 3)]
        found[family][0] = min(found[family][0], 1.0)
    return found


def _mib(values: Iterable[float], least: float, most: float) -> list[int]:
    """Least, middle and most in MiB, and a little more; at least as wide as from `least` to `most` times the middle."""
    values = list(values)
    middle = median(values)
    return [
        round(min(min(values), middle * least) / MIB),
        round(middle / MIB),
        round(max(max(values) * (1 + MARGIN), middle * most) / MIB),
    ]


def _non_torch(here: Sequence[Start]) -> dict[str, list[int]]:
    def of(wanted: Callable[[Start], bool]) -> list[float]:
        return [value for s in here if wanted(s) and (value := s.logged("non_torch")) is not None]

    alone = of(lambda s: s.settings.tensor_parallel == s.settings.pipeline_parallel == 1)
    tensor = of(lambda s: s.settings.tensor_parallel > 1)
    staged = of(lambda s: s.settings.tensor_parallel == 1 < s.settings.pipeline_parallel)
    fast = _mib(tensor, 0.9, 1.1)
    # nothing was measured of cards without symmetric memory: from what one card takes to what the fast ones do
    return {
        "alone": _mib(alone, 0.6, 1.6),
        "tensor": [_mib(alone, 1, 1)[1], max(560, _mib(alone, 1, 1)[1]), fast[2]],
        "tensor-fast": fast,
        "pipeline": _mib([*staged, *alone], 0.5, 2.0) if staged else [40, _mib(alone, 1, 1)[1], 600],
    }


def _context(here: Sequence[Start]) -> dict[str, list[int]]:
    """What was not free before vLLM measured, though nothing else ran."""

    def of(alone: bool) -> list[float]:
        return [
            (s.point["gpu_total_gib"] - s.point["init_free_gib"]) * GIB
            for s in here
            if "init_free_gib" in s.point and (s.settings.tensor_parallel * s.settings.pipeline_parallel == 1) == alone
        ]

    alone, together = of(True) or [0.51 * GIB], of(False) or [1.5 * GIB, 2.0 * GIB]
    return {"alone": _mib(alone, 0.6, 1.3), "together": _mib(together, 0.5, 1.3)}


def _graphs(here: Sequence[Start]) -> Document:
    """A line through what was estimated for the graphs over the layers, and how far the points lay off it."""
    rows = [
        ((s.facts.architecture.layers or 0) / s.settings.pipeline_parallel, value)
        for s in here
        if (value := s.logged("cudagraph_est")) is not None
    ]
    if len(rows) < 3:
        return {"base-mib": 360, "layer-mib": 14, "spread": [0.2, 1.0, 2.5]}
    middle_x, middle_y = sum(x for x, _ in rows) / len(rows), sum(y for _, y in rows) / len(rows)
    slope = sum((x - middle_x) * (y - middle_y) for x, y in rows) / sum((x - middle_x) ** 2 for x, _ in rows)
    base = middle_y - slope * middle_x
    ratios = [y / (base + slope * x) for x, y in rows]
    spread = [round(min(ratios) * (1 - MARGIN), 2), 1.0, round(max(ratios) * (1 + MARGIN), 2)]
    return {"base-mib": round(base / MIB), "layer-mib": round(slope / MIB, 1), "spread": spread}


def _beyond(values: Sequence[float], more: Factor) -> list[float]:
    return [round(values[0] * more.low, 3), values[1], round(values[2] * more.high, 3)]


def rendered(document: Document) -> str:
    """The file's text: one row a line."""
    lines = [f" {json.dumps(name)}: {_value(value, 1)}" for name, value in document.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _value(value: Any, depth: int) -> str:
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or len(flat) + depth <= 100 or depth == 4:
        return flat
    pad = " " * (depth + 1)
    if isinstance(value, dict):
        inner = [f"{pad}{json.dumps(key)}: {_value(item, depth + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner) + "\n" + " " * depth + "}"
    return "[\n" + ",\n".join(pad + _value(item, depth + 1) for item in value) + "\n" + " " * depth + "]"


def main() -> int:
    """0 if the file holds what the points give (or was written), 1 if it does not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("points", type=Path)
    parser.add_argument("--write", action="store_true", help="write what the points give")
    arguments = parser.parse_args()
    document = json.loads(MEMORY.read_bytes())
    document["eras"] = fitted(document, memory_points.starts(memory_points.read(arguments.points)))
    text = rendered(document)
    if arguments.write:
        MEMORY.write_text(text, "utf-8")
        return 0
    same = text == MEMORY.read_text("utf-8")
    print("memory.json holds what the points give" if same else "memory.json is not what the points give: --write")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
