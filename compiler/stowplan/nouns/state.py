"""The state that layers keep which are no attention: Mamba, linear attention, gated delta rules, convolutions."""

from dataclasses import dataclass

from stowplan.nouns.gate import FactsShape

SHORT_CONV, LINEAR, MAMBA1, MAMBA2 = "short-conv", "linear", "mamba1", "mamba2"
DELTA, KDA = "gated-delta", "kda"

STATE_NUMBERS = {
    SHORT_CONV: ("channels", "kernel"),
    LINEAR: ("heads", "head_dim"),
    MAMBA1: ("channels", "kernel", "state_size"),
    MAMBA2: ("channels", "groups", "heads", "head_dim", "state_size", "kernel"),
    DELTA: ("key_heads", "key_dim", "heads", "head_dim", "kernel"),
    KDA: ("heads", "head_dim", "kernel"),
}
"""The kinds of state, and the numbers that the size of each follows from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State(FactsShape):
    """What a layer that is no attention keeps of a sequence: a kind of `STATE_NUMBERS`, and its numbers.

    `channels` is the inner width, `kernel` the convolution's length; `key_heads` and `key_dim` are those
    of the keys where `heads` and `head_dim` are those of the values. `dtype` is the recurrent state's
    where the model wants one of its own.
    """

    kind: str
    kernel: int | None = None
    channels: int | None = None
    heads: int | None = None
    head_dim: int | None = None
    state_size: int | None = None
    groups: int | None = None
    key_heads: int | None = None
    key_dim: int | None = None
    dtype: str | None = None
