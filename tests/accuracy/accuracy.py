"""How far the memory estimate is off on real starts: the table of docs/memory.md.

    python tests/accuracy/accuracy.py POINTS [--each]

`measure` compares every point that can be estimated with what its vLLM logged; leaving one family of models out, the
constants are fitted without it (fit_memory.py) and then judge it. `--each` prints the points one by one.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any
from unittest.mock import patch

import fit_memory
import memory_points
from memory_points import GIB, Start

from stowplan.fit import verdict
from stowplan.fit.constants import Constants, decoded
from stowplan.fit.estimate import Estimate

Document = dict[str, Any]


@dataclass(frozen=True)
class Judged:
    """One point and what was estimated for it."""

    start: Start
    estimate: Estimate

    @property
    def error(self) -> float:
        """How far the likely KV memory is from the logged one, as a share of that."""
        kv = self.start.kv or 0.0
        return (self.estimate.pool.likely - kv) / abs(kv)

    @property
    def inside(self) -> bool:
        """Whether the logged KV memory lies in the range; logs are rounded to 0.01 GiB."""
        kv, off = self.start.kv or 0.0, 0.005 * GIB
        return self.estimate.pool.low - off <= kv <= self.estimate.pool.high + off

    @property
    def width(self) -> float:
        """How wide the range of KV memory is, as a share of the logged one."""
        return (self.estimate.pool.high - self.estimate.pool.low) / abs(self.start.kv or 1.0)


def judged(starts: Sequence[Start], document: Document | None = None) -> list[Judged]:
    """The points with their estimates; by the constants of `document` in place of the product's own."""
    if document is None:
        return [Judged(s, verdict.estimate(s.facts, s.settings, s.gpu, s.version)) for s in starts]

    def constants(_: str, version: str | None) -> tuple[Constants, ...]:
        assert version is not None
        return (decoded(document, version),)

    # the only other way in would be a parameter that nobody else needs
    with patch.object(verdict, "constants", constants):
        return judged(starts)


def measured(found: Sequence[Judged]) -> list[Judged]:
    """Those whose KV memory can be compared."""
    return [one for one in found if one.start.measured]


def left_out(starts: Sequence[Start]) -> dict[str, list[Judged]]:
    """Each family of models, judged by constants that were fitted without it."""
    document = json.loads(fit_memory.MEMORY.read_bytes())
    families = sorted({s.family for s in starts if s.measured})
    found = {}
    for family in families:
        others = [s for s in starts if s.family != family]
        without = {**document, "eras": fit_memory.fitted(document, others)}
        found[family] = judged([s for s in starts if s.family == family and s.measured], without)
    return found


def row(name: str, found: Sequence[Judged]) -> str:
    """One line of the table."""
    errors = [abs(one.error) for one in found]
    inside = sum(one.inside for one in found)
    return (
        f"| {name} | {len(found)} | {mean(errors):.1%} | {max(errors):.1%} | {inside} of {len(found)} |"
        f" {median([one.width for one in found]):.1%} |"
    )


HEAD = "| points | | mean error | greatest | in range | median width |\n|---|--:|--:|--:|--:|--:|"


def table(starts: Sequence[Start]) -> str:
    """Available KV memory: all points, by era, and each family left out."""
    found = measured(judged(starts))
    old = [one for one in found if _before(one.start.version, "0.17.0")]
    new = [one for one in found if one not in old]
    lines = [HEAD, row("all that can be compared", found), row("0.11 to 0.16", old), row("0.17 to 0.19", new)]
    without = left_out(starts)
    lines.append(row("each family left out", [one for part in without.values() for one in part]))
    lines += [row(f"without {family}", part) for family, part in without.items()]
    return "\n".join(lines)


def _before(version: str | None, end: str) -> bool:
    return version is not None and [int(n) for n in version.split(".")] < [int(n) for n in end.split(".")]


def weights_table(starts: Sequence[Start]) -> str:
    """Weights: what was logged against what was counted, where that is more than 1 % apart."""
    pairs = weights_off(starts)
    far = [
        f"- {s.model}, vLLM {s.version or 'not said'}, tensor parallel {s.settings.tensor_parallel}: {off:+.1%}"
        for s, off in pairs
        if abs(off) > 0.01
    ]
    within = len(pairs) - len(far)
    return "\n".join([f"{within} of {len(pairs)} within 1 %, mean {mean(abs(off) for _, off in pairs):.2%}:", *far])


def weights_off(starts: Sequence[Start]) -> list[tuple[Start, float]]:
    """The points whose weights were logged, each with how far the likely ones are off."""
    return [(s, _one(s).weights.likely / logged - 1) for s in starts if (logged := s.logged("weights"))]


def _one(start: Start) -> Estimate:
    return verdict.estimate(start.facts, start.settings, start.gpu, start.version)


def tokens(start: Start) -> tuple[int, int] | None:
    """Tokens that the logged KV memory holds by our layout, and those logged; None where either is not known."""
    logged, kv = start.point.get("kv_tokens"), start.kv
    if logged is None or kv is None or kv < 0:
        return None
    found = _one(start)
    return found.plan.tokens(found.plan.pool(int(kv)), found.tokens), logged


def verdicts(starts: Sequence[Start]) -> str:
    """What became of the points, and the verdicts on them."""
    rows: dict[tuple[str, str], int] = {}
    for start in starts:
        outcome = start.point["outcome"]
        if outcome == "failed":
            outcome = "failed for memory" if memory_failure(start) else "failed otherwise"
        key = (outcome, _one(start).verdict)
        rows[key] = rows.get(key, 0) + 1
    return "\n".join(f"- {outcome}: {verdict}, {count}" for (outcome, verdict), count in sorted(rows.items()))


def memory_failure(start: Start) -> bool:
    """Whether a point failed for want of memory: the log has less than nothing, or less than was needed."""
    point = start.point
    kv, needed = point.get("kv_gib"), point.get("needed_gib")
    short = point.get("max_concurrency", 1.0) < 1.0
    return point["outcome"] == "failed" and kv is not None and (kv < 0 or short or (needed is not None and needed > kv))


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("points", type=Path)
    parser.add_argument("--each", action="store_true", help="each point")
    arguments = parser.parse_args()
    starts = memory_points.starts(memory_points.read(arguments.points))
    print(f"## Available KV memory\n\n{table(starts)}\n\n## Weights\n\n{weights_table(starts)}\n")
    print(f"## Verdicts\n\n{verdicts(starts)}\n\n## Tokens\n")
    for start in starts:
        if (both := tokens(start)) is not None:
            print(f"- {start.index} {start.model}: {both[0]} of {both[1]} ({both[0] / both[1] - 1:+.2%})")
    if arguments.each:
        for one in judged(starts):
            _print(one)


def _print(one: Judged) -> None:
    found, start = one.estimate, one.start
    parts = {
        "weights": found.weights,
        "activation": found.activations,
        "non_torch": found.non_torch,
        "cudagraph_est": found.graphs,
        "kv": found.pool,
    }
    print(f"{start.index} {start.model}, vLLM {start.version}: {start.point['outcome']}, {found.verdict}", end="")
    print(f" at {found.tokens} tokens; {found.longest} fit")
    for name, span in parts.items():
        logged = start.point.get(f"{name}_gib")
        print(f"  {name}: {span.low / GIB:.2f} {span.likely / GIB:.2f} {span.high / GIB:.2f}, logged {logged}")
    for sentence in (*found.reasons, *found.missing, *found.notes):
        print(f"  {sentence}")


if __name__ == "__main__":
    main()
