"""Numbers that a KV cache or an encoder follows from and that facts do not hold (yet).

A caller that knows them hands them over; without them what depends on them is unknown, with a reason.
"""

from dataclasses import dataclass

SHORT_CONV, LINEAR, MAMBA1, MAMBA2, DELTA = "short-conv", "linear", "mamba1", "mamba2", "gated-delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The numbers of config.json that a state layer's size follows from; `kind` says which of them count.

    `short-conv`: channels, kernel. `linear`: heads, head_dim. `mamba1`: channels, kernel, state_size. `mamba2`:
    channels (the inner size), groups, heads, head_dim, state_size, kernel. `gated-delta`: key_heads, key_dim,
    heads, head_dim (those of the values), kernel. `dtype` is the recurrent state's where config.json names one.
    """

    kind: str
    kernel: int = 0
    channels: int = 0
    heads: int = 0
    head_dim: int = 0
    state_size: int = 0
    groups: int = 0
    key_heads: int = 0
    key_dim: int = 0
    dtype: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """What a caller knows beside the facts; None where it does not know.

    `value_dim` is a value head's size where it is not the key's; `sliding_kv_heads` and `sliding_head_dim` are
    those of sliding layers where they are not the model's; `encoder_tokens` how long the sequence is that cross
    attention looks at; `encoder_item` the tokens of the largest image, and `encoder_patches` patches for a token.
    """

    state: State | None = None
    value_dim: int | None = None
    sliding_kv_heads: int | None = None
    sliding_head_dim: int | None = None
    encoder_tokens: int | None = None
    encoder_item: int | None = None
    encoder_patches: int | None = None


NOTHING_MORE = Lacking()


def state_size(state: State, cards: int, conv: int, recurrent: int, drafted: int = 0) -> int:
    """The bytes of one layer's state of one sequence, on one of `cards` that share the heads.

    `conv` and `recurrent` are the bytes of an element of the convolution's and of the recurrent state, `drafted`
    the tokens drafted at a time, which lengthen the window. From vLLM 0.32.0,
    vllm/model_executor/layers/mamba/mamba_utils.py, `MambaStateShapeCalculator`. Raises `ValueError` for a kind
    that is none.
    """
    window = state.kernel - 1
    if state.kind == LINEAR:
        return state.heads // cards * state.head_dim * state.head_dim * conv
    if state.kind == MAMBA1:
        return state.channels // cards * (window * conv + state.state_size * recurrent)
    window += drafted
    if state.kind == SHORT_CONV:
        return state.channels // cards * window * conv
    if state.kind == MAMBA2:
        groups = state.groups if state.groups % cards == 0 else cards
        channels, depth = state.channels + 2 * groups * state.state_size, state.state_size
    elif state.kind == DELTA:
        channels, depth = 2 * state.key_heads * state.key_dim + state.heads * state.head_dim, state.key_dim
    else:
        raise ValueError(f"no such kind of state: {state.kind}")
    return channels // cards * window * conv + state.heads // cards * state.head_dim * depth * recurrent
