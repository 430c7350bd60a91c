"""What a start was seen to take, in place of what the formulas say.

Where the launch's numbers are those of the start, its figures hold as they were logged, to the last digit that was.
Where they differ, its activations are scaled by what the formula makes of either; the range is then the share of the
usual spread by which they differ, so it is always narrower than without. What libraries take follows from the number
of cards, weights from how they are loaded, CUDA graphs from what is captured: each is replaced where that is the same.
Nothing is learnt from another version: what it measures, and how, is another thing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stowplan.fit.constants import Constants
from stowplan.fit.grant import Grant
from stowplan.fit.lacking import Lacking
from stowplan.fit.layers import Unknown, element_size
from stowplan.fit.overhead import Batch, activation, families, non_torch, peak, spread
from stowplan.fit.ranks import Rank
from stowplan.fit.settings import Settings, settings
from stowplan.fit.span import Factor, Span
from stowplan.fit.startup_log import knowledge
from stowplan.nouns.facts import Facts
from stowplan.nouns.measured import (
    ACTIVATIONS,
    GRAPHS,
    GRAPHS_ESTIMATED,
    NON_TORCH,
    OTHERS,
    SEEN,
    WEIGHTS,
    Start,
)
from stowplan.nouns.profile import Gpu

MIB, GIB = 1 << 20, 1 << 30
OTHER_BATCH, OTHER_SETTINGS = 0.1, 0.5
"""The least share of the usual spread that is left where batches, or settings beside them, are others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What is asked about: as `verdict.estimate` takes it, and the batch that follows."""

    facts: Facts
    settings: Settings
    known: Constants
    gpu: Gpu | None
    batch: Batch
    more: Lacking


@dataclass(frozen=True, slots=True)
class Learnt:
    """The parts as they are known by a start, `unseen` for a grant's, and in words where that comes from.

    `is_same` says that it was a start of the same numbers.
    """

    rank: Rank
    unseen: Span
    source: str
    is_same: bool


def public(version: str) -> str:
    """`0.33.0` for `0.33.0+cu130`, which was built locally."""
    return version.partition("+")[0]


def learn(starts: Sequence[Start], launch: Launch, rank: Rank, granted: Grant, kind: str) -> Learnt | str | None:
    """What the most similar of `starts` makes of one stage's parts; None if there are none, or why none counts."""
    if not starts:
        return None
    asked = launch.settings
    formula = _formula(launch, asked, launch.batch)
    if formula is None:
        return None
    if asked.pipeline_parallel > 1:
        return f"{starts[0].file} says what one card took, which is not carried over to pipeline stages"
    near: tuple[float, Start, float] | None = None
    for start in starts:
        there = settings(start.launch, {})
        batch = batch_of(start)
        past = _formula(launch, there, batch)
        if public(start.version) != public(launch.known.version) or not past or there.pipeline_parallel > 1:
            continue
        ratio = formula.likely / past.likely
        beyond = 1 - min(ratio, 1 / ratio)
        beyond = max(beyond, OTHER_BATCH if batch != launch.batch else 0.0)
        beyond = max(beyond, 0.0 if _runs_alike(launch, there) else OTHER_SETTINGS)
        if near is None or beyond < near[0]:
            near = beyond, start, ratio
    if near is None:
        return (
            f"{starts[0].file} is of starts of {starts[0].version}, and nothing of it holds for {launch.known.version}"
        )
    return _learnt(near[1], near[2], near[0], launch, rank, granted, kind)


def batch_of(start: Start) -> Batch:
    """What ran at once."""
    return Batch(start.launch["max-num-batched-tokens"], start.launch["max-num-seqs"])


def _learnt(start: Start, ratio: float, beyond: float, launch: Launch, rank: Rank, granted: Grant, kind: str) -> Learnt:
    asked, there, mib = launch.settings, settings(start.launch, {}), start.mib
    rounded = knowledge(kind)["resolution-gib"] * GIB
    is_alike, cards = _runs_alike(launch, there), there.tensor_parallel == asked.tensor_parallel
    capability = None if launch.gpu is None else launch.gpu.capability
    libraries = non_torch(there, launch.known, capability)
    taken = mib.get(ACTIVATIONS, max(mib.get(OTHERS, 0.0) - libraries.likely / MIB, 0.0)) * MIB
    usual = spread(launch.known, families(launch.facts, asked))
    wide = Factor(1 - (1 - usual.low) * beyond, 1.0, 1 + (usual.high - 1) * beyond)
    active = wide.times(taken * ratio)
    found = replace(rank, activations=_around(active, rounded))
    if cards and OTHERS in mib:  # only their sum is known, and how far it may be off is said of activations
        found = replace(found, non_torch=Span.exact(min(libraries.likely, int(mib[OTHERS] * MIB))))
    elif cards:
        found = replace(found, non_torch=_around(_exactly(mib[NON_TORCH]), rounded))
    if _loads_alike(launch, there):
        found = replace(found, weights=_around(_exactly(mib[WEIGHTS]), rounded))
    graphs = mib.get(GRAPHS_ESTIMATED, 0.0) if granted.graphs else mib.get(GRAPHS)
    if is_alike and launch.batch.sequences == batch_of(start).sequences and graphs is not None:
        found = replace(found, graphs=_around(_exactly(graphs), rounded))
    return Learnt(found, _unseen(start, there, launch, granted, rounded), _source(start, launch, is_alike), beyond == 0)


def _unseen(start: Start, there: Settings, launch: Launch, granted: Grant, rounded: float) -> Span:
    """What CUDA sees less of the card than the profile says, as far as it is not among the other parts."""
    memory = (launch.gpu.memory if launch.gpu else None) or 0
    share = 1.0 if granted.fixed is not None else granted.granted / memory if memory else 0.0
    if SEEN in start.mib:
        less = memory - start.mib[SEEN] * MIB
        return Span(*(int(max(less + by, 0.0) * share) for by in (-rounded, 0.0, rounded)))
    if OTHERS not in start.mib or not share:
        return granted.unseen
    was = there.gpu_memory_utilization or launch.known.utilization
    more = (share - was) / share
    ends = sorted(int(end * more) for end in (granted.unseen.low, granted.unseen.high))
    return Span(ends[0], int(granted.unseen.likely * more), ends[1])


def _formula(launch: Launch, of: Settings, batch: Batch) -> Span | None:
    parts = peak(launch.facts, of, launch.known, batch, launch.more)
    if isinstance(parts, Unknown):
        return None
    known = launch.known
    found = activation(parts, spread(known, families(launch.facts, of)), known.activations_more)
    return found if found.likely > 0 else None


def _loads_alike(launch: Launch, there: Settings) -> bool:
    """Whether the same weights are on each card."""
    return _loading(launch, launch.settings) == _loading(launch, there)


def _runs_alike(launch: Launch, there: Settings) -> bool:
    """Whether, but for the batch, the same is run."""
    return _loads_alike(launch, there) and _running(launch.settings) == _running(there)


def _loading(launch: Launch, of: Settings) -> tuple[object, ...]:
    # what a quantised checkpoint names is what it has by itself
    quantization = None if launch.facts.quantization else of.quantization
    lora = (of.loras, of.lora_rank, of.lora_sharded) if of.loras else None
    return (
        *(element_size(of.dtype), quantization, of.tensor_parallel, of.pipeline_parallel, lora),
        *(of.draft, of.draft_layers, of.encoder, of.encoder_whole),
    )


def _running(of: Settings) -> tuple[object, ...]:
    return (
        *(of.enforce_eager, of.draft_tokens, of.pooling, of.encoder_profiled, of.image_pixels),
        None if of.enforce_eager else of.captures,
    )


def _exactly(mib: float) -> Span:
    return Span.exact(int(mib * MIB))


def _around(span: Span, rounded: float) -> Span:
    by = int(rounded)
    return Span(max(span.low - by, 0), span.likely, span.high + by)


def _source(start: Start, launch: Launch, is_alike: bool) -> str:
    where = f"{start.file}, `{start.key}`: "
    if is_alike and batch_of(start) == launch.batch:
        return f"{where}a start with the same numbers"
    there = batch_of(start)
    others = "" if is_alike else " and other settings"
    return f"{where}scaled from a start with batches of {there.tokens} tokens and {there.sequences} sequences{others}"
