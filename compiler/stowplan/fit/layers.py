"""Facts → the layers that keep something of each sequence, and the bytes each of them keeps.

The kinds: `full`, `sliding`, `chunked` (attention over everything, a window, a chunk), `state` (a state of fixed
size: Mamba and its like) and `cross` (attention over what an encoder made). Encoders keep nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from stowplan.fit.constants import Constants
from stowplan.fit.lacking import MAMBA1, MAMBA2, SHORT_CONV, Lacking, state_size
from stowplan.fit.settings import AUTO, Settings
from stowplan.nouns.facts import Architecture, LayerRun

FULL, SLIDING, CHUNKED, STATE, CROSS = "full", "sliding", "chunked", "state", "cross"
_KINDS = {"linear": STATE, "mamba": STATE, "conv": STATE, "encoder": None, "none": None}
"""What facts call otherwise, or what keeps nothing."""
_PLAIN = {FULL, SLIDING, CHUNKED}

ELEMENT = {"float32": 4, "float": 4, "float16": 2, "half": 2, "bfloat16": 2}


_EVERY = (MAMBA1, MAMBA2, SHORT_CONV)
"""Kinds of state of which vLLM keeps one in every block where prefixes are cached, until 0.31."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why something cannot be told: a sentence each."""

    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers that keep something.

    `counts` says how many there are of each kind, `runs` the model's own order (of which the last `shared` keep
    nothing). `sizes` are the bytes of one layer of a kind on one card: for each token, or of its whole state.
    `draft` are the bytes for each token of a draft's layers, one entry a layer; `encoder_tokens` are cross
    attention's; `state` is the kind of the state layers.
    """

    counts: Mapping[str, int]
    runs: tuple[LayerRun, ...]
    shared: int
    sizes: Mapping[str, int]
    window: int
    chunk: int
    encoder_tokens: int
    latent: bool
    draft: tuple[int, ...] = ()
    state: str = ""

    def order(self) -> list[str]:
        """The kinds of the layers that keep something, one by one in the model's order."""
        kinds = [_KINDS.get(run.kind, run.kind) for run in self.runs for _ in range(run.count)]
        return [kind for kind in kinds[: len(kinds) - self.shared] if kind is not None]


def element_size(dtype: str) -> int:
    """Bytes of a number of the model; `auto` never means 32 bits (vLLM 0.32.0, vllm/config/model.py,
    `_resolve_auto_dtype`: a float32 checkpoint is served in 16)."""
    return ELEMENT.get(dtype, 2)


def prefixes_kept(settings: Settings, known: Constants) -> bool:
    """Whether prefixes are cached, in a model with state layers; that takes a second state for each sequence."""
    return known.caches_state_prefixes if settings.prefix_caching is None else settings.prefix_caching


def cache_layers(of: Architecture, settings: Settings, known: Constants, more: Lacking) -> Layers | Unknown:
    """The layers of a model that keep something of a sequence, or what is missing to know them."""
    if not of.attention:
        return Unknown(("which kinds of layers it has is not in the facts (architecture.attention)",))
    missing: list[str] = []
    counts = _counts(of)
    sizes = dict.fromkeys(counts, 0)
    latent = of.mla is not None
    if sizes and sizes.keys() != {STATE}:
        token = _token_bytes(of, settings, known, more, missing)
        for kind in sizes:
            sizes[kind] = token
    draft: tuple[int, ...] = ()
    if settings.draft is not None or settings.draft_layers:
        draft = _draft(settings, known, sizes, missing)
    if len(sizes) > 1 or FULL not in sizes:
        _others(of, settings, known, more, sizes, missing)
    if missing:
        return Unknown(tuple(dict.fromkeys(missing)))
    window, chunk, encoder = of.sliding_window or 0, of.chunk_size or 0, more.encoder_tokens or 0
    state = "" if more.state is None else more.state.kind
    return Layers(counts, of.attention, of.kv_shared_layers or 0, sizes, window, chunk, encoder, latent, draft, state)


def _others(
    of: Architecture, settings: Settings, known: Constants, more: Lacking, sizes: dict[str, int], missing: list[str]
) -> None:
    """The sizes of layers that are not of full attention, and what is missing to know them."""
    if SLIDING in sizes:
        if of.sliding_window is None:
            missing.append("how long its window is is not in the facts (architecture.sliding_window)")
        if more.sliding_head_dim or more.sliding_kv_heads:
            heads = max(1, (more.sliding_kv_heads or of.kv_heads or 1) // settings.tensor_parallel)
            dims = 2 * (more.sliding_head_dim or of.head_dim or 0)
            sizes[SLIDING] = heads * dims * _kv_element(settings, known, missing)
    if STATE in sizes:
        sizes[STATE] = _state_bytes(settings, known, more, missing)
    if CHUNKED in sizes and of.chunk_size is None:
        missing.append("how long its chunks are is not in the facts (architecture.chunk_size)")
    if CROSS in sizes and more.encoder_tokens is None:
        missing.append("how many tokens its encoder makes is not in the facts")


def _counts(of: Architecture) -> dict[str, int]:
    """How many layers of each kind keep something; the last `kv_shared_layers` read what earlier ones keep."""
    found: dict[str, int] = {}
    for run in of.attention:
        found[run.kind] = found.get(run.kind, 0) + run.count
    left = of.kv_shared_layers or 0
    for run in reversed(of.attention) if left else ():
        found[run.kind] -= min(run.count, left)
        left -= min(run.count, left)
    if left == 0 and found.keys() <= _PLAIN and not of.kv_shared_layers:
        return found
    counts: dict[str, int] = {}
    for name, count in found.items():
        if (kind := _KINDS.get(name, name)) is not None and count:
            counts[kind] = counts.get(kind, 0) + count
    return counts


def _token_bytes(of: Architecture, settings: Settings, known: Constants, more: Lacking, missing: list[str]) -> int:
    """A token's bytes in one layer: keys and values of this card's heads, or the latent vector, which every card
    keeps whole (vLLM 0.32.0, vllm/v1/kv_cache_interface.py, `AttentionSpec` and `MLAAttentionSpec`)."""
    if of.mla is not None:
        row = known.kv_rows.get(settings.kv_cache_dtype)
        size = of.mla.kv_lora_rank + of.mla.qk_rope_head_dim
        return size * _kv_element(settings, known, missing) if row is None else row
    if of.kv_heads is None or of.head_dim is None:
        missing.append("how many KV heads it has and of what size is not in the facts (architecture)")
        return 0
    heads = max(1, of.kv_heads // settings.tensor_parallel)
    return heads * (of.head_dim + (more.value_dim or of.head_dim)) * _kv_element(settings, known, missing)


def _kv_element(settings: Settings, known: Constants, missing: list[str]) -> int:
    if settings.kv_cache_dtype == AUTO:
        return element_size(settings.dtype)
    size = known.kv_bytes.get(settings.kv_cache_dtype)
    if size is None:
        missing.append(f"how `{settings.kv_cache_dtype}` packs the KV cache is not known here")
    return size or 0


def _state_bytes(settings: Settings, known: Constants, more: Lacking, missing: list[str]) -> int:
    state = more.state
    if state is None:
        missing.append("the sizes of its state layers (Mamba, linear attention, convolutions) are not in the facts")
        return 0
    if prefixes_kept(settings, known) and not known.aligns_states and state.kind in _EVERY:
        missing.append("how many of its states are kept for prefix caching is not followed here")
    model = element_size(settings.dtype)
    conv = ELEMENT.get(settings.conv_dtype, model)
    recurrent = ELEMENT.get(settings.state_dtype) or ELEMENT.get(state.dtype or "", conv)
    return state_size(state, settings.tensor_parallel, conv, recurrent, settings.draft_tokens)


def _draft(settings: Settings, known: Constants, sizes: Mapping[str, int], missing: list[str]) -> tuple[int, ...]:
    """A token's bytes in each layer of the draft: layers of the checkpoint's own are like the model's."""
    if settings.draft is None:
        return (sizes.get(FULL, 0),) * settings.draft_layers
    drafting = settings.draft.architecture
    kinds = {run.kind for run in drafting.attention}
    if kinds != {FULL}:
        missing.append("the draft model's layers are not all of full attention, or not in its facts")
        return ()
    size = _token_bytes(drafting, settings, known, Lacking(), missing)
    return (size,) * sum(run.count for run in drafting.attention)
