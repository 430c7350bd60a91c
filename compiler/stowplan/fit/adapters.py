"""The room for LoRA adapters, all of it taken at start: two matrices beside each linear layer of every layer.

vLLM 0.32.0, vllm/lora/layers: the first matrix is whole on every card unless adapters are fully sharded.
"""

from stowplan.fit.layers import Unknown
from stowplan.fit.settings import Settings
from stowplan.fit.span import Span
from stowplan.nouns.facts import Architecture


def adapters(of: Architecture, settings: Settings) -> Span | Unknown:
    """Bytes on each card, for as many adapters at a time and of the rank that the launch names."""
    hidden, heads, layers = of.hidden_size, of.heads, of.layers
    if hidden is None or heads is None or layers is None or of.head_dim is None:
        return Unknown(("how large its layers are is not in the facts, so adapters' room is unknown",))
    cards = settings.tensor_parallel
    inner = of.intermediate_size or 4 * hidden
    attention = (2 * heads + 2 * (of.kv_heads or heads)) * of.head_dim
    cut = cards if settings.lora_sharded else 1
    elements = settings.lora_rank * (5 * hidden / cut + 2 * hidden + (attention + 3 * inner) / cards)
    size = 2 * elements * layers / settings.pipeline_parallel * settings.loras
    experts = of.experts.count if of.experts else 1
    return Span(int(size * 0.8), int(size), int(size * (1.3 if experts == 1 else experts)))
