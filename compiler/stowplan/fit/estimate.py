"""The answer: what a launch needs of its card, part by part, and what the verdict on it is."""

from dataclasses import dataclass

from stowplan.fit.kv import Plan
from stowplan.fit.overhead import Batch
from stowplan.fit.span import NOTHING, Span

FITS, TIGHT, DOES_NOT_FIT, UNKNOWN = "fits", "tight", "does-not-fit", "unknown"
"""The verdicts. It is `tight` where the range holds both, `unknown` where something is missing and what is known
would fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What is known of a launch's memory: bytes on its fullest card, tokens where said.

    `granted` is what vLLM may take. Of it go `weights`, `activations`, `non_torch`, `graphs` (nothing where they
    are not of the grant), `unseen` (what CUDA may see less of the card than its driver reports), `context` (the
    driver's own, only with a fixed KV cache) and `kv`: one sequence of the whole context, or the fixed cache.
    `pool` is what is left for the KV cache, of which `blocks` are made, laid out as `plan`.
    `tokens` is the context as asked for, or the model's own, `batch` what runs at once. `longest` is the longest
    context that surely fits, `longest_likely` the one that likely does, both no longer than the model takes.
    `reasons` say why the verdict is not `fits`, `missing` what is not known, `notes` what widens the ranges;
    `measured` names the start that activations, libraries and the like were learnt from, None where there is none.
    """

    verdict: str
    granted: int
    weights: Span
    activations: Span
    non_torch: Span
    graphs: Span
    unseen: Span
    context: Span
    kv: int
    pool: Span
    blocks: Span
    plan: Plan
    tokens: int
    batch: Batch
    longest: int
    longest_likely: int
    reasons: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    measured: str | None = None

    @property
    def needed(self) -> Span:
        """All parts together."""
        beside = self.weights + self.activations + self.non_torch + self.graphs + self.unseen + self.context
        return Span(beside.low + self.kv, beside.likely + self.kv, beside.high + self.kv)

    @property
    def concurrent(self) -> tuple[float, float, float]:
        """How many sequences of the whole context the pool holds: least, likely, most."""
        blocks = self.blocks
        low, likely, high = (self.plan.concurrency(n, self.tokens) for n in (blocks.low, blocks.likely, blocks.high))
        return low, likely, high

    @property
    def held(self) -> Span:
        """The tokens that the pool holds, as vLLM will log it ("GPU KV cache size")."""
        if self.plan.empty:
            return NOTHING
        blocks = self.blocks
        return Span(*(self.plan.tokens(n, self.tokens) for n in (blocks.low, blocks.likely, blocks.high)))
