"""The bytes of what a state layer keeps of a sequence: Mamba, linear attention, gated delta rules, convolutions."""

from stowplan.nouns.state import DELTA, KDA, LINEAR, MAMBA1, MAMBA2, SHORT_CONV, STATE_NUMBERS, State


def state_size(state: State, cards: int, conv: int, recurrent: int, drafted: int = 0) -> int | None:
    """The bytes of one layer's state of one sequence, on one of `cards` that share the heads.

    `conv` and `recurrent` are the bytes of an element of the convolution's and of the recurrent state, `drafted`
    the tokens drafted at a time, which lengthen the window. From vLLM 0.32.0,
    vllm/model_executor/layers/mamba/mamba_utils.py, `MambaStateShapeCalculator`. None for a kind that is none, and
    where a number is missing.
    """
    needed = STATE_NUMBERS.get(state.kind)
    if needed is None or any(getattr(state, number) is None for number in needed):
        return None
    window, heads, size = (state.kernel or 1) - 1, state.heads or 0, state.head_dim or 0
    channels, depth = state.channels or 0, state.state_size or 0
    if state.kind == LINEAR:
        return heads // cards * size * size * conv
    if state.kind == MAMBA1:
        return channels // cards * (window * conv + depth * recurrent)
    window += drafted
    if state.kind == SHORT_CONV:
        return channels // cards * window * conv
    if state.kind == MAMBA2:
        groups = state.groups or 0
        channels += 2 * (groups if groups % cards == 0 else cards) * depth
    elif state.kind == KDA:
        channels, depth = 3 * heads * size, size
    elif state.kind == DELTA:
        depth = state.key_dim or 0
        channels = 2 * (state.key_heads or 0) * depth + heads * size
    return channels // cards * window * conv + heads // cards * size * depth * recurrent
