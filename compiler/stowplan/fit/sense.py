"""Facts without the numbers that make no sense: a size of nothing, layers of which there are none.

They come from a config.json that somebody made, and what follows from them would be no estimate; as numbers that are
not known they make the verdict `unknown`, with a reason.
"""

from dataclasses import replace
from typing import Any

from stowplan.nouns.facts import Architecture, Facts

MOST = 1 << 40
"""Nothing of a model is more than this, but for its bytes."""
LAYERS = 1 << 14
_NUMBERS = (
    *("layers", "hidden_size", "intermediate_size", "heads", "kv_heads", "head_dim", "vocab_size"),
    *("max_positions", "sliding_window", "chunk_size"),
)


def sensible(facts: Facts) -> Facts:
    """`facts` itself where all of its numbers can be meant."""
    of = facts.architecture
    odd: dict[str, Any] = {}
    for name in _NUMBERS:
        value = getattr(of, name)
        if value is not None and not 0 < value < (LAYERS if name == "layers" else MOST):
            odd[name] = None
    runs = of.attention
    if any(run.count < 1 for run in runs) or sum(run.count for run in runs) > LAYERS:
        odd["attention"] = ()
    if _shares_too_many(of):
        odd["kv_shared_layers"] = None
    return replace(facts, architecture=replace(of, **odd)) if odd else facts


def _shares_too_many(of: Architecture) -> bool:
    """Whether no layer would keep keys and values of its own."""
    shared = of.kv_shared_layers
    return shared is not None and not 0 <= shared < (sum(run.count for run in of.attention) or of.layers or 1)
