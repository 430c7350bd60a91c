"""From what an engine wrote while it started to what there is to learn: the launch's numbers, and what was measured.

vLLM logs weights and what is left for the KV cache at any level; what lies between them it tells apart only with
VLLM_LOGGING_LEVEL=DEBUG, or by itself since 0.26 (log.json says where). Where it does not, the rest is known as a sum.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from stowplan.fit.batch import batch
from stowplan.fit.constants import constants
from stowplan.fit.layers import Unknown
from stowplan.fit.measured import GIB, MIB, public
from stowplan.fit.settings import settings
from stowplan.fit.startup_log import GRANTED, NOT_GRANTED, UNMEASURED, NoStartError, Startup, knowledge
from stowplan.fit.subject import Question
from stowplan.fit.weights import weights
from stowplan.nouns.measured import (
    ACTIVATIONS,
    CACHE,
    GRAPHS,
    GRAPHS_ESTIMATED,
    NON_TORCH,
    OTHERS,
    SEEN,
    WEIGHTS,
)

OFF = 0.1
"""By how much a log's weights may differ from the model's files, and its card from the profile's, and be the same."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one start teaches: the flags of its launch, the terms in MiB, the tokens of its cache where logged."""

    launch: Mapping[str, Any]
    mib: Mapping[str, float]
    kv_tokens: int | None


def lesson(found: Startup, asked: Question) -> Lesson:
    """What there is to learn from a start about the launch `asked`. Raises `NoStartError` where it does not belong to
    that, or lacks what it takes."""
    version = asked.version or ""
    if public(found.version) != public(version):
        raise NoStartError(f"it is of {asked.kind} {found.version}, and the profile's engine is {version}")
    for name, line in ((WEIGHTS, "Model loading took"), (CACHE, "Available KV cache memory")):
        if UNMEASURED in found.said:
            raise NoStartError("it was told how much KV cache to take, so nothing was measured")
        if name not in found.numbers:
            raise NoStartError(f"it lacks the line `{line} ...`: the start ended before, or the log does")
    if not found.arguments:
        raise NoStartError("it lacks the line `non-default args: ...`, so what the launch was told is not known")
    launch = _launch(found, asked)
    return Lesson(launch, _terms(found, launch, asked), _whole(found.numbers.get("cache-tokens")))


def _launch(found: Startup, asked: Question) -> dict[str, Any]:
    """The flags that memory depends on, with the numbers that the engine decided on by itself."""
    told = {name.replace("_", "-"): value for name, value in found.arguments.items()}
    flags = {flag: _tidy(told[flag]) for flag in knowledge(asked.kind)["launch"] if flag in told}
    for flag, value in flags.items():
        if value is None:
            raise NoStartError(f"what it says of `{flag}` cannot be read")
    context = _whole(found.numbers.get("context-tokens")) or found.configuration.get("max_seq_len")
    if type(context) is not int or context < 1:
        raise NoStartError("it does not say how long the context is")
    if (tokens := _whole(found.numbers.get("batched-tokens"))) is not None:
        flags["max-num-batched-tokens"] = tokens
    read = settings(flags, {})
    if read.unknown:
        raise NoStartError(f"what `{read.unknown[0]}` changes is not followed, so nothing is learnt from it")
    if read.pipeline_parallel > 1:
        raise NoStartError("it is of several pipeline stages, and does not say which figure is of which")
    at_once = batch(read, constants(asked.kind, asked.version)[-1], asked.gpu, context)
    return flags | {
        "max-model-len": context,
        "max-num-batched-tokens": at_once.tokens,
        "max-num-seqs": at_once.sequences,
        "tensor-parallel-size": read.tensor_parallel,
    }


def _tidy(value: Any) -> Any:
    """A value as it stands in TOML, without what is not set; None where it has no place there."""
    if isinstance(value, dict):
        found = {key: _tidy(inner) for key, inner in value.items() if inner is not None}
        return None if None in found.values() or not all(map(_shows, found)) else found
    if isinstance(value, list | tuple):
        items = [_tidy(item) for item in value]
        return None if None in items else items
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if isinstance(value, int) or _shows(value) else None


def _shows(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _terms(found: Startup, launch: Mapping[str, Any], asked: Question) -> dict[str, float]:
    numbers, known = found.numbers, constants(asked.kind, asked.version)[-1]
    rounded = knowledge(asked.kind)["resolution-gib"]
    loaded, cache = numbers[WEIGHTS], numbers[CACHE]
    _same_weights(loaded, launch, asked)
    memory = None if asked.gpu is None or asked.gpu.memory is None else asked.gpu.memory / GIB
    card = numbers.get(SEEN)
    if card is not None and memory is not None and not -rounded <= memory - card <= OFF * memory:
        raise NoStartError(f"CUDA sees {card:g} GiB of its card, and the profile's has {memory:.2f}")
    graphs = numbers.get(GRAPHS_ESTIMATED, 0.0)
    granted = _granted(found)
    active = numbers.get(ACTIVATIONS)
    if active is None and "activations-and-graphs" in numbers:
        active = numbers["activations-and-graphs"] - granted
    libraries, consumed = numbers.get(NON_TORCH), numbers.get("consumed")
    if consumed is not None:
        libraries = consumed - loaded
        active = numbers["all-but-cache"] - consumed if active is None and "all-but-cache" in numbers else active
    terms = {WEIGHTS: loaded, CACHE: cache}
    if active is not None and libraries is not None:
        terms |= {ACTIVATIONS: active, NON_TORCH: libraries}
    else:
        share = launch.get("gpu-memory-utilization", known.utilization)
        if memory is None or not isinstance(share, float | int):
            raise NoStartError("how much it may take of the card is not known: the profile lacks `gpu.memory`")
        terms[OTHERS] = memory * share - loaded - cache - granted
    if card is not None:
        terms[SEEN] = card
    if GRAPHS in numbers:
        terms[GRAPHS] = numbers[GRAPHS]
    if graphs:
        terms[GRAPHS_ESTIMATED] = graphs
    for name, gib in terms.items():
        if gib < -rounded:
            raise NoStartError(f"its figures make {gib:.2f} GiB of {name}: they are not of one start on such a card")
    return {name: round(max(gib, 0.0) * GIB / MIB, 2) for name, gib in terms.items()}


def _granted(found: Startup) -> float:
    """The GiB that were set aside for CUDA graphs: logged before and after it is said whether they were."""
    graphs = found.numbers.get(GRAPHS_ESTIMATED)
    if (graphs is None and GRANTED in found.said) or (graphs and not found.said & {GRANTED, NOT_GRANTED}):
        raise NoStartError("it ends before it says what was set aside for CUDA graphs")
    return graphs or 0.0 if GRANTED in found.said else 0.0


def _same_weights(gib: float, launch: Mapping[str, Any], asked: Question) -> None:
    """Raises `NoStartError` where the weights are those of another model."""
    there = replace(settings(launch, {}), draft=asked.settings.draft)
    capability = None if asked.gpu is None else asked.gpu.capability
    spans = weights(asked.facts, there, constants(asked.kind, asked.version)[-1], capability)
    if isinstance(spans, Unknown):
        return
    least, most = spans[0].low / GIB, spans[0].high / GIB
    if not least * (1 - OFF) <= gib <= most * (1 + OFF):
        raise NoStartError(f"it loaded {gib:g} GiB of weights, and this model has {least:.2f} to {most:.2f}")


def _whole(number: float | None) -> int | None:
    return None if number is None or number < 1 else int(number)
