"""Learning from a start: its own figures come back, and another context of the same model is estimated nearer."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

from memory_points import Start

from stowplan.fit.estimate import DOES_NOT_FIT, Estimate
from stowplan.fit.verdict import estimate
from stowplan.nouns.measured import ACTIVATIONS, CACHE, NON_TORCH, WEIGHTS
from stowplan.nouns.measured import Start as Row

GIB, MIB = 1 << 30, 1 << 20
TERMS = {WEIGHTS: "weights", ACTIVATIONS: "activation", NON_TORCH: "non_torch", CACHE: "kv"}
OFF = 0.03 * GIB
"""Four figures, each rounded to 0.01 GiB, make one sum."""


def complete(starts: Sequence[Start]) -> list[Start]:
    """The comparable starts that logged every term, and of which all that was granted is among those."""
    found = [s for s in starts if s.measured and all(s.logged(name) is not None for name in TERMS.values())]
    return [s for s in found if s.settings.pipeline_parallel == 1 and abs(_left_over(s)) < OFF]


def _left_over(start: Start) -> float:
    assert start.gpu.memory is not None
    share = start.settings.gpu_memory_utilization or estimated(start).granted / start.gpu.memory
    return start.gpu.memory * share - sum(start.logged(name) or 0.0 for name in TERMS.values())


def estimated(start: Start, *seen: Start) -> Estimate:
    """A start, by what was seen of others."""
    return estimate(start.facts, start.settings, start.gpu, start.version, starts=[row(one) for one in seen])


def row(start: Start) -> Row:
    """What `fit --calibrate` would keep of it."""
    found = estimated(start)
    launch: dict[str, object] = {
        "max-model-len": found.tokens,
        "max-num-batched-tokens": found.batch.tokens,
        "max-num-seqs": found.batch.sequences,
        "tensor-parallel-size": start.settings.tensor_parallel,
        "enforce-eager": start.settings.enforce_eager,
    }
    for flag, value in (("dtype", start.settings.dtype), ("quantization", start.settings.quantization)):
        launch |= {flag: value} if value is not None else {}
    mib = {term: (start.logged(name) or 0.0) / MIB for term, name in TERMS.items()}
    return Row(
        file="profiles/measured/p.toml",
        number=0,
        model=start.model,
        engine="vllm",
        kind="vllm",
        version=start.version or "",
        launch=launch,
        mib=mib,
    )


def off(start: Start, found: Estimate) -> float:
    """How far the likely KV memory is from the logged one, in bytes."""
    return abs(found.pool.likely - (start.kv or 0.0))


def test_a_start_gives_its_own_figures_back(starts: Sequence[Start]) -> None:
    own = complete(starts)
    assert len(own) >= 5
    for start in own:
        found = estimated(start, start)
        assert off(start, found) <= OFF, start.point
        assert found.pool.low - OFF <= (start.kv or 0.0) <= found.pool.high + OFF
        assert found.measured is not None
        assert found.verdict != DOES_NOT_FIT


def test_another_context_of_the_model_comes_nearer(starts: Sequence[Start]) -> None:
    own = complete(starts)
    pairs = [
        (start, other)
        for start in own
        for other in own
        if (start.model, start.version, start.gpu) == (other.model, other.version, other.gpu)
        and start.settings.max_model_len != other.settings.max_model_len
        and start.settings == replace(other.settings, max_model_len=start.settings.max_model_len)
    ]
    assert len(pairs) >= 4
    before, after = (mean(off(s, estimated(s, *seen)) for s, *seen in of) for of in ([(s,) for s, _ in pairs], pairs))
    assert after < before


def test_another_version_teaches_nothing(starts: Sequence[Start]) -> None:
    start = complete(starts)[0]
    other = row(start)
    later = Row(**{name: getattr(other, name) for name in Row.__slots__} | {"version": "0.99.0"})
    found = estimate(start.facts, start.settings, start.gpu, start.version, starts=[later])
    assert (found.pool, found.measured) == (estimated(start).pool, None)
    assert any("nothing of it holds" in note for note in found.notes)
