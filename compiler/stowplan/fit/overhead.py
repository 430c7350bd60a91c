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

from collections.abc import Mapping
from dataclasses import dataclass

from stowplan.fit.constants import Constants
from stowplan.fit.lacking import Lacking
from stowplan.fit.layers import Unknown, element_size
from stowplan.fit.settings import Settings
from stowplan.fit.span import NOTHING, Factor, Span
from stowplan.nouns.facts import Architecture, Facts

DENSE, EXPERTS, ENCODER, STATE = "dense", "experts", "encoder", "state"
_STATES = {"linear", "mamba", "conv", "hybrid"}
_FAST = ((9, 0), (10, 0))
"""Capabilities with symmetric memory (vllm/distributed/device_communicators/all_reduce_utils.py, 0.19.1)."""
_ITEM = (256, 2048, 16384)
_PATCHES = (1, 4, 16)
"""Tokens of the largest image, and patches for a token, of an encoder nothing is known of: least, likely, most."""


_NO_ENCODER = (0.0, 0.0, 0.0)


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
    encoder: tuple[float, float, float]
    encoder_cache: tuple[float, float, float]
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
    encoder, cache, guessed = _encoder(of, settings, known, batch, more, size)
    return Peak(sampler, forward, hidden, workspace, encoder, cache, guessed)


def _workspace(facts: Facts, settings: Settings, known: Constants) -> float:
    method = settings.quantization or (facts.quantization.method if facts.quantization else "none")
    return known.workspace.get(method, known.workspace["other"])


def _encoder(
    of: Architecture, settings: Settings, known: Constants, batch: Batch, more: Lacking, size: int
) -> tuple[tuple[float, float, float], tuple[float, float, float], bool]:
    """The encoder's own peak and what it leaves behind: least, likely, most; and whether that is known at all."""
    tower = of.vision or of.audio
    if tower is None or not settings.encoder or not settings.encoder_profiled:
        return _NO_ENCODER, _NO_ENCODER, False
    row: Mapping[str, int] = known.towers.get(tower.model_type or "", {})
    item, patches = more.encoder_item or row.get("item"), more.encoder_patches or row.get("patches")
    items = _ITEM if item is None else (item, item, item)
    each = _PATCHES if patches is None else (patches, patches, patches)
    width = known.encoder * (tower.hidden_size or of.hidden_size or 0) * size
    left = known.encoder_cache * (of.hidden_size or 0) * size
    tokens = [max(batch.tokens, most) for most in items]
    pass_ = (tokens[0] * each[0] * width, tokens[1] * each[1] * width, tokens[2] * each[2] * width)
    cache = (tokens[0] * left, tokens[1] * left, tokens[2] * left)
    return pass_, cache, item is None or patches is None


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
    if parts.encoder is not _NO_ENCODER:
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


def graphs(of: Architecture, settings: Settings, known: Constants) -> Span | Unknown:
    """What CUDA graphs take."""
    if settings.enforce_eager or settings.pooling:
        return NOTHING
    if of.layers is None:
        return Unknown(("how many layers it has is not in the facts, so CUDA graphs are unknown",))
    return known.graphs_spread.times(known.graphs_base + known.graphs_layer * of.layers / settings.pipeline_parallel)
