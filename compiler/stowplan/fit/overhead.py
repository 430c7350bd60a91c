"""What a server takes beside weights and KV cache: activations, memory outside of PyTorch, CUDA graphs.

vLLM runs the model once on a full batch of nothing in particular and takes the peak (0.32.0,
vllm/v1/worker/gpu_worker.py, `determine_available_memory`; vllm/v1/worker/gpu_model_runner.py, `profile_run`). What
is at its height there follows from sizes of the model, and how many times each of them from constants that were
fitted on real starts:

- the sampler: logits of every sequence over the whole vocabulary, 4 bytes each, `sampler` times; until 0.16 it
  sorted them, which took two and a half times as much (vllm/v1/sample/ops/topk_topp_sampler.py);
- or a layer's pass: three times what the feed-forward part and three times what the model is wide, for each token
  of the batch, `forward` times;
- or the encoder's pass over the largest image, `encoder` times its width for each patch;
- beside the greatest of them: the batch's hidden states, what experts work in where that is kept (`workspace`; else
  it is of the layer's pass), and the embeddings of the largest images (`encoder_cache`).

`spread` says how far measured peaks lay from that, by family of models; wide where nothing was measured.
"""

from dataclasses import dataclass

from stowplan.fit.constants import Constants
from stowplan.fit.encoder import NO_ENCODER, Range, encoder
from stowplan.fit.lacking import Lacking
from stowplan.fit.layers import Unknown, element_size
from stowplan.fit.settings import Settings
from stowplan.fit.span import NOTHING, Factor, Span
from stowplan.nouns.facts import Architecture, Facts

DENSE, EXPERTS, ENCODER, STATE = "dense", "experts", "encoder", "state"
_STATES = {"linear", "mamba", "conv", "hybrid"}
_FAST = ((9, 0), (10, 0))
"""Capabilities with symmetric memory (vllm/distributed/device_communicators/all_reduce_utils.py, 0.19.1)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What vLLM runs at once: tokens, and sequences."""

    tokens: int
    sequences: int


@dataclass(frozen=True, slots=True)
class Peak:
    """The parts of an activation peak, in bytes, before the spread. `guessed` says that the encoder's are."""

    sampler: float
    forward: float
    hidden: float
    workspace: float
    encoder: Range
    encoder_cache: Range
    guessed: bool


def families(facts: Facts, settings: Settings) -> tuple[str, ...]:
    """The families of models whose spreads hold for this one."""
    of = facts.architecture
    found = []
    if of.experts is not None:
        found.append(EXPERTS)
    if (of.vision is not None or of.audio is not None) and settings.encoder and settings.encoder_profiled:
        found.append(ENCODER)
    for run in of.attention:
        if run.kind in _STATES:
            found.append(STATE)
            break
    return tuple(found) or (DENSE,)


def peak(
    facts: Facts, settings: Settings, known: Constants, batch: Batch, more: Lacking, last: bool = True
) -> Peak | Unknown:
    """The parts of the activation peak on one card; the sampler is at work on the `last` pipeline stage."""
    of = facts.architecture
    if of.hidden_size is None or of.vocab_size is None:
        return Unknown(("how wide it is and its vocabulary are not in the facts, so activations are unknown",))
    size, cards = element_size(settings.dtype), settings.tensor_parallel
    width = batch.tokens * size
    hidden = width * of.hidden_size
    sampler = 4.0 * known.sampler * batch.sequences * of.vocab_size if last and not settings.pooling else 0.0
    inner = 0 if of.experts else (of.intermediate_size or 4 * of.hidden_size)
    forward = known.forward * width * (3 * inner / cards + 3 * of.hidden_size)
    if settings.pipeline_parallel > 1:
        forward += hidden  # what the stage before hands over: hidden states and residual
    workspace = 0.0
    if of.experts is not None and of.experts.per_token:
        each = (of.experts.intermediate_size or of.intermediate_size or of.hidden_size) / cards
        rooms = max(2 * each, of.hidden_size) + max(each, of.hidden_size)
        taken = width * of.experts.per_token * rooms
        kept = _workspace(facts, settings, known)
        workspace = kept * taken
        forward += (1 - kept) * taken
    vision, cache, guessed = encoder(of, settings, known, batch.tokens, more, size)
    return Peak(sampler, forward, hidden, workspace, vision, cache, guessed)


def _workspace(facts: Facts, settings: Settings, known: Constants) -> float:
    method = settings.quantization or (facts.quantization.method if facts.quantization else "none")
    return known.workspace.get(method, known.workspace["other"])


def spread(known: Constants, of: tuple[str, ...]) -> Factor:
    """How far the peak of a model of those families may lie from what the formula says."""
    if len(of) == 1:
        return known.spread[of[0]]
    each = [known.spread[family] for family in of]
    return Factor(min(one.low for one in each), 1.0, max(one.high for one in each))


def activation(parts: Peak, wide: Factor, more: Factor) -> Span:
    """The activation peak in bytes; `more` is added to it."""
    text = max(parts.sampler + parts.hidden, parts.forward)
    low = likely = high = text + parts.workspace
    if parts.encoder is not NO_ENCODER:
        low, likely, high = (
            max(text, peak) + parts.workspace + cache
            for peak, cache in zip(parts.encoder, parts.encoder_cache, strict=True)
        )
    return Span(
        int(low * wide.low + more.low), int(likely * wide.likely + more.likely), int(high * wide.high + more.high)
    )


def non_torch(settings: Settings, known: Constants, capability: tuple[int, int] | None) -> Span:
    """What libraries take beside PyTorch once the server runs: kernels, communication."""
    if settings.tensor_parallel == 1:
        return known.non_torch["pipeline" if settings.pipeline_parallel > 1 else "alone"]
    slow, fast = known.non_torch["tensor"], known.non_torch["tensor-fast"]
    if capability is None:
        return Span(min(slow.low, fast.low), fast.likely, max(slow.high, fast.high))
    return fast if capability in _FAST else slow


def context(settings: Settings, known: Constants) -> Span:
    """What the driver and communication hold before vLLM measures: not its own, but no longer free."""
    alone = settings.tensor_parallel == settings.pipeline_parallel == 1
    return known.context["alone" if alone else "together"]


def graphs(
    of: Architecture, settings: Settings, known: Constants, batch: Batch, capability: tuple[int, int] | None
) -> Span | Unknown:
    """What CUDA graphs take: what the first of them does, and for each layer by how many there are.

    The line was drawn through starts that captured `graphs_measured` of them; what fewer save of the first part was
    not measured, so the least is that share of it.
    """
    if settings.enforce_eager or settings.pooling:
        return NOTHING
    most = known.graphs_most.get("" if capability is None else str(capability[0]), known.graphs_most[""])
    count = settings.captures.count(batch.tokens, batch.sequences, most, settings.draft_tokens)
    if count == 0:
        return NOTHING
    if of.layers is None:
        return Unknown(("how many layers it has is not in the facts, so CUDA graphs are unknown",))
    share = count * (2 if settings.loras else 1) / known.graphs_measured
    layers = known.graphs_layer * share * of.layers / settings.pipeline_parallel
    wide = known.graphs_spread
    low = 0 if settings.captures.perhaps else int(wide.low * (known.graphs_base * min(share, 1) + layers))
    whole = known.graphs_base + layers
    return Span(min(low, int(wide.likely * whole)), int(wide.likely * whole), int(wide.high * whole))
