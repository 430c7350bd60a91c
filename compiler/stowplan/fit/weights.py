"""The bytes of a model's tensors on each card, from the safetensors headers and what the launch makes of them.

A quantised checkpoint comes out right by itself: its headers say how many bytes there are. What changes them is
quantisation at load, another dtype, heads and layers shared out over cards, adapters and a draft. The least is what
cannot be less; the greatest assumes that what may be copied or rounded up is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from stowplan.fit.adapters import adapters
from stowplan.fit.constants import Constants
from stowplan.fit.groups import stage_layers
from stowplan.fit.layers import ELEMENT, Unknown, element_size
from stowplan.fit.settings import AUTO, Settings
from stowplan.fit.span import Span
from stowplan.nouns.facts import Architecture, Facts

_FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""What safetensors calls the dtypes that another one may take the place of."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """Bytes by group of tensors once loaded, on all cards together."""

    layers: float
    embedding: float
    head: float
    encoder: float
    other: float


def weights(
    facts: Facts, settings: Settings, known: Constants, capability: tuple[int, int] | None = None
) -> tuple[Span, ...] | Unknown:
    """Bytes on the card (of that compute capability) of each pipeline stage, or why they are unknown."""
    if facts.weights.bytes is None:
        return Unknown(("how many bytes its weights have is not in the facts",))
    method = settings.quantization
    if method is not None and facts.quantization is None and method not in known.runtime_bits:
        return Unknown((f"what `quantization {method}` makes of these weights is not known here",))
    of, more = facts.architecture, known.weights_more
    rope = _rope_cache(of, settings)
    if (whole := _as_they_are(facts, settings, known)) is not None:
        found = [Span(int(whole + more.low), int(whole + more.likely) + rope, int(whole + more.high) + rope)]
    else:
        low, likely, high = _shared_out(facts, settings, known, capability)
        found = [
            Span(int(a + more.low), int(b + more.likely) + rope, int(c + more.high) + rope)
            for a, b, c in zip(low, likely, high, strict=True)
        ]
    if settings.draft or settings.loras:
        return _with_others(found, facts, settings, known, capability)
    return tuple(found)


def _as_they_are(facts: Facts, settings: Settings, known: Constants) -> int | None:
    """The bytes of all tensors where the launch leaves them as they are, on one card; None where it may not."""
    if settings.tensor_parallel != 1 or settings.pipeline_parallel != 1 or not settings.encoder:
        return None
    if settings.dtype != AUTO or "F32" in facts.weights.dtypes or "F64" in facts.weights.dtypes:
        return None
    have = facts.quantization
    if (settings.quantization and have is None) or (have and have.method in known.expert_padding):
        return None
    of, groups = facts.architecture, facts.weights.groups
    if not facts.weights.dtypes and ELEMENT.get(of.dtype or "") == 4:
        return None
    left = 0 if settings.draft_layers else groups.get("draft", 0)
    if of.tied_embeddings and "embedding" in groups:
        left += groups.get("head", 0)
    return (facts.weights.bytes or 0) - left


def _with_others(
    found: list[Span], facts: Facts, settings: Settings, known: Constants, capability: tuple[int, int] | None
) -> tuple[Span, ...] | Unknown:
    """With a draft model, which is on the last stage, and the room for adapters, which every stage has."""
    if settings.draft is not None:
        draft = weights(settings.draft, Settings(tensor_parallel=settings.tensor_parallel), known, capability)
        if isinstance(draft, Unknown):
            return Unknown(tuple(f"the draft model: {why}" for why in draft.why))
        found[-1] += draft[0]
    if settings.loras:
        room = adapters(facts.architecture, settings)
        if isinstance(room, Unknown):
            return room
        found = [here + room for here in found]
    return tuple(found)


def _shared_out(
    facts: Facts, settings: Settings, known: Constants, capability: tuple[int, int] | None
) -> tuple[list[float], list[float], list[float]]:
    """Least, likely and greatest bytes on each stage's card."""
    of, cards = facts.architecture, settings.tensor_parallel
    least, most = _dtype_ratio(facts, settings)
    bits = known.runtime_bits.get(settings.quantization or "") if facts.quantization is None else None
    smaller = 1.0 if bits is None else bits["bits"] / 16
    scope = () if bits is None else bits["groups"]
    padding = _padding(facts, settings, known, capability)
    copied = _copied(of, cards)
    whole = 1 if settings.encoder_whole else cards
    return (
        _stages(_parts(facts, settings, least, smaller, scope, 1.0, smaller), of, settings, 0.0, whole),
        _stages(_parts(facts, settings, most, smaller, scope, padding, 1.0), of, settings, copied, whole),
        # scales of what is quantised; and some models have their encoder whole on every card
        _stages(_parts(facts, settings, most, smaller, scope, padding, 1.0, 1.02), of, settings, copied, 1),
    )


def _parts(
    facts: Facts,
    settings: Settings,
    ratio: float,
    smaller: float,
    scope: tuple[str, ...],
    padding: float,
    encoder: float,
    scales: float = 1.0,
) -> _Parts:
    groups: Mapping[str, int] = facts.weights.groups or {"layers": facts.weights.bytes or 0}
    layers = groups.get("layers", 0) + (groups.get("draft", 0) if settings.draft_layers else 0)
    experts = groups.get("experts", 0) * padding
    layers_by = smaller * scales if "layers" in scope else 1.0
    experts_by = smaller * scales if "experts" in scope else 1.0
    tied = facts.architecture.tied_embeddings and "embedding" in groups
    seen = (groups.get("vision", 0) + groups.get("audio", 0)) if settings.encoder else 0
    return _Parts(
        (layers * layers_by + experts * experts_by) * ratio,
        groups.get("embedding", 0) * ratio,
        0.0 if tied else groups.get("head", 0) * ratio,
        seen * ratio * encoder,
        groups.get("other", 0) * ratio,
    )


def _stages(parts: _Parts, of: Architecture, settings: Settings, copied: float, encoder_cards: int) -> list[float]:
    """By tensor parallelism into equal parts, by pipeline stages into layers; ends of the model on the end stages."""
    cards, stages = settings.tensor_parallel, settings.pipeline_parallel
    each = parts.layers / cards + copied
    if stages == 1:
        return [each + (parts.embedding + parts.head) / cards + parts.encoder / encoder_cards + parts.other]
    layers = of.layers or stages
    found = [each * part / layers for part in stage_layers(layers, stages)]
    found[0] += parts.embedding / cards + parts.encoder / encoder_cards
    found[-1] += (parts.embedding if of.tied_embeddings else parts.head) / cards + parts.other
    return found


def _rope_cache(of: Architecture, settings: Settings) -> int:
    """The table of rotations, made while weights are loaded: a row of the head's size for each position.

    vLLM 0.32.0, vllm/model_executor/layers/rotary_embedding: linear and dynamic scaling have `factor` times as many
    rows, YaRN as many as it stretches to, and M-RoPE four times as many.
    """
    rope = of.rope
    size = of.head_dim if of.mla is None else of.mla.qk_rope_head_dim
    if rope is None or size is None or of.max_positions is None:
        return 0
    rows = of.max_positions
    if rope.kind in ("linear", "dynamic"):
        rows = int(rows * (rope.factor or 1.0))
    elif rope.kind == "mrope":
        rows *= 4
    elif rope.original_max_positions:
        rows = max(rows, int(rope.original_max_positions * (rope.factor or 1.0)))
    return rows * size * element_size(settings.dtype)


def _dtype_ratio(facts: Facts, settings: Settings) -> tuple[float, float]:
    """By how much the tensors grow or shrink when loaded: least and most.

    Numbers of 32 bits become 16 unless the launch says otherwise; a few stay as they are in any model (`F32` beside
    others). A quantised checkpoint's scales keep their dtype, so a launch in 32 bits may double what is not quantised.
    """
    weights = facts.weights
    wanted = ELEMENT.get(settings.dtype, 2)
    usual = "F32" if ELEMENT.get(facts.architecture.dtype or "") == 4 else "BF16"
    dtypes = weights.dtypes or {usual: weights.bytes or 0}
    if settings.dtype == AUTO and "F32" not in dtypes and "F64" not in dtypes:
        return 1.0, 1.0
    total = sum(dtypes.values())
    changed = sum(size * wanted / _FLOATS[name] if name in _FLOATS else size for name, size in dtypes.items())
    ratio = changed / total if total else 1.0
    if facts.quantization is not None:
        return min(1.0, ratio), max(1.0, ratio)
    mixed = any(size for name, size in dtypes.items() if name != "F32")
    return ratio, 1.0 if mixed and ratio < 1 else ratio


def _padding(facts: Facts, settings: Settings, known: Constants, capability: tuple[int, int] | None) -> float:
    """By how much experts grow whose kernel wants sides of certain multiples."""
    of, have = facts.architecture, facts.quantization
    by_card = known.expert_padding.get(settings.quantization or (have.method if have else ""), {})
    to = by_card.get(str(capability[0]) if capability else "", by_card.get(""))
    inner = (of.experts.intermediate_size if of.experts else None) or of.intermediate_size
    if to is None or of.hidden_size is None or inner is None:
        return 1.0
    part = -(-inner // settings.tensor_parallel)
    padded = -(-of.hidden_size // to[0]) * to[0] * (-(-part // to[1]) * to[1])
    return padded * settings.tensor_parallel / (of.hidden_size * inner)


def _copied(of: Architecture, cards: int) -> float:
    """Bytes that each card has whole although the rest is cut up: latent attention's way down, and KV heads where
    there are more cards than heads."""
    if cards == 1 or of.layers is None or of.hidden_size is None:
        return 0.0
    if of.mla is not None:
        inner = of.mla.kv_lora_rank + of.mla.qk_rope_head_dim + (of.mla.q_lora_rank or 0)
        return 2 * of.layers * of.hidden_size * inner * (1 - 1 / cards)
    if of.kv_heads is None or of.head_dim is None or cards <= of.kv_heads:
        return 0.0
    return 2 * of.layers * of.hidden_size * 2 * of.head_dim * (1 - of.kv_heads / cards)
