"""Facts → the layers that keep something of each sequence, and the bytes each of them keeps.

The kinds: `full`, `sliding`, `chunked` (attention over everything, a window, a chunk), `state` (a state of fixed
size: Mamba and its like) and `cross` (attention over what an encoder made). Encoders keep nothing; a layer that
has a state beside its attention counts as two.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from stowplan.fit.constants import Constants
from stowplan.fit.settings import AUTO, Settings
from stowplan.fit.states import state_size
from stowplan.nouns.facts import Architecture, LayerRun
from stowplan.nouns.state import MAMBA1, MAMBA2, SHORT_CONV

FULL, SLIDING, CHUNKED, STATE, CROSS = "full", "sliding", "chunked", "state", "cross"
_KINDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("linear", "mamba", "conv"), (STATE,)),
    **dict.fromkeys(("encoder", "none"), ()),
    "hybrid": (FULL, STATE),
}
"""What facts call otherwise, or what keeps nothing, or twice."""
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
    attention's; `state` is the kind of the state layers. `uneven` are the bytes for each token of each layer where
    all are of full attention, but not all alike.
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
    uneven: tuple[int, ...] = ()

    def order(self) -> list[str]:
        """The kinds of the layers that keep something, one by one in the model's order."""
        kinds = [_KINDS.get(run.kind, (run.kind,)) for run in self.runs for _ in range(run.count)]
        return [kind for each in kinds[: len(kinds) - self.shared] for kind in each]


def element_size(dtype: str) -> int:
    """Bytes of a number of the model; `auto` never means 32 bits (vLLM 0.32.0, vllm/config/model.py,
    `_resolve_auto_dtype`: a float32 checkpoint is served in 16)."""
    return ELEMENT.get(dtype, 2)


def prefixes_kept(settings: Settings, known: Constants) -> bool:
    """Whether prefixes are cached, in a model with state layers; that takes a second state for each sequence."""
    return known.caches_state_prefixes if settings.prefix_caching is None else settings.prefix_caching


def cache_layers(of: Architecture, settings: Settings, known: Constants) -> Layers | Unknown:
    """The layers of a model that keep something of a sequence, or what is missing to know them."""
    if not of.attention:
        return Unknown(("which kinds of layers it has is not in the facts (architecture.attention)",))
    missing = [f"what `{key}` of its config.json makes of the KV cache is not followed here" for key in of.unfollowed]
    counts = _counts(of)
    sizes = dict.fromkeys(counts, 0)
    uneven: tuple[int, ...] = ()
    if sizes and sizes.keys() != {STATE}:
        token = _token_bytes(of, settings, known, missing)
        for kind in sizes:
            sizes[kind] = token
        if any(run.kv_heads or run.head_dim or run.value_dim for run in of.attention):
            uneven = _of_their_own(of, settings, known, token, sizes, missing)
    draft: tuple[int, ...] = ()
    if settings.draft is not None or settings.draft_layers:
        draft = _draft(of, settings, known, sizes, missing)
    if len(sizes) > 1 or FULL not in sizes:
        _others(of, settings, known, sizes, missing)
    if missing:
        return Unknown(tuple(dict.fromkeys(missing)))
    window, chunk, encoder = of.sliding_window or 0, of.chunk_size or 0, of.encoder_tokens or 0
    state, shared = "" if of.state is None else of.state.kind, of.kv_shared_layers or 0
    return Layers(counts, of.attention, shared, sizes, window, chunk, encoder, of.mla is not None, draft, state, uneven)


def _of_their_own(
    of: Architecture, settings: Settings, known: Constants, token: int, sizes: dict[str, int], missing: list[str]
) -> tuple[int, ...]:
    """The sizes of layers with heads of their own: into `sizes` where a kind has one size; else of each layer, which
    vLLM takes together where all are of full attention (0.32.0, vllm/v1/kv_cache_interface.py,
    `UniformTypeKVCacheSpecs`)."""
    element = _kv_element(settings, known, missing)
    seen: dict[str, set[int]] = {}
    each = []
    for run in of.attention:
        own, kinds = token, _KINDS.get(run.kind, (run.kind,))
        if of.mla is None and (run.kv_heads or run.head_dim or run.value_dim):
            heads, size = run.kv_heads or of.kv_heads or 1, run.head_dim or of.head_dim or 0
            value = run.value_dim or (of.value_dim if run.head_dim is None else None) or size
            own = max(1, heads // settings.tensor_parallel) * (size + value) * element
        for kind in kinds:
            seen.setdefault(kind, set()).add(own)
        each += [own] * run.count if kinds else []
    for kind in sizes:
        if len(seen[kind]) == 1:
            sizes[kind] = seen[kind].pop()
        elif sizes.keys() == {FULL} and settings.pipeline_parallel == 1:
            return tuple(each[: len(each) - (of.kv_shared_layers or 0)])
        elif kind != STATE:
            missing.append(f"how its layers of {kind} attention, whose heads differ, are grouped is not followed here")
    return ()


def _others(of: Architecture, settings: Settings, known: Constants, sizes: dict[str, int], missing: list[str]) -> None:
    """The sizes of layers that are not of full attention, and what is missing to know them."""
    if SLIDING in sizes and of.sliding_window is None:
        missing.append("how long its window is is not in the facts (architecture.sliding_window)")
    if STATE in sizes:
        sizes[STATE] = _state_bytes(of, settings, known, missing)
    if CHUNKED in sizes and of.chunk_size is None:
        missing.append("how long its chunks are is not in the facts (architecture.chunk_size)")
    if CROSS in sizes and of.encoder_tokens is None:
        missing.append("how many tokens its encoder makes is not in the facts (architecture.encoder_tokens)")
    if settings.pipeline_parallel > 1 and (CROSS in sizes or any(run.kind == "hybrid" for run in of.attention)):
        missing.append("how layers that keep two things are shared out over pipeline stages is not followed here")


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
        for kind in _KINDS.get(name, (name,)) if count else ():
            counts[kind] = counts.get(kind, 0) + count
    return counts


def _token_bytes(of: Architecture, settings: Settings, known: Constants, missing: list[str]) -> int:
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
    return heads * (of.head_dim + (of.value_dim or of.head_dim)) * _kv_element(settings, known, missing)


def _kv_element(settings: Settings, known: Constants, missing: list[str]) -> int:
    if settings.kv_cache_dtype == AUTO:
        return element_size(settings.dtype)
    size = known.kv_bytes.get(settings.kv_cache_dtype)
    if size is None:
        missing.append(f"how `{settings.kv_cache_dtype}` packs the KV cache is not known here")
    return size or 0


def _state_bytes(of: Architecture, settings: Settings, known: Constants, missing: list[str]) -> int:
    state = of.state
    if state is None:
        missing.append("the sizes of its state layers (Mamba, linear attention, convolutions) are not in the facts")
        return 0
    if prefixes_kept(settings, known) and not known.aligns_states and state.kind in _EVERY:
        missing.append("how many of its states are kept for prefix caching is not followed here")
    model = element_size(settings.dtype)
    conv = ELEMENT.get(settings.conv_dtype, model)
    own = state.dtype if state.kind in known.heeds_state_dtype else None
    recurrent = ELEMENT.get(settings.state_dtype) or ELEMENT.get(own or "", conv)
    size = state_size(state, settings.tensor_parallel, conv, recurrent, settings.draft_tokens)
    if size is None:
        missing.append(f"the sizes of its state layers (`{state.kind}`) are not all in the facts")
    return size or 0


def _draft(
    of: Architecture, settings: Settings, known: Constants, sizes: Mapping[str, int], missing: list[str]
) -> tuple[int, ...]:
    """A token's bytes in each layer of the draft: layers of the checkpoint's own are like the model's, and all of
    them are loaded (vLLM 0.32.0, vllm/model_executor/models/deepseek_mtp.py, `DeepSeekMultiTokenPredictor`)."""
    if settings.draft is None:
        return (sizes.get(FULL, 0),) * (of.draft_layers or settings.draft_layers)
    drafting = settings.draft.architecture
    plain = all(run.kind == FULL and not (run.kv_heads or run.head_dim) for run in drafting.attention)
    if not drafting.attention or not plain:
        missing.append("the draft model's layers are not all of full attention and alike, or not in its facts")
        return ()
    size = _token_bytes(drafting, settings, known, missing)
    return (size,) * sum(run.count for run in drafting.attention)
