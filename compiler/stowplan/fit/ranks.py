"""What a launch takes on the card of each pipeline stage beside its KV cache."""

from collections.abc import Sequence
from dataclasses import dataclass

from stowplan.fit.constants import Constants
from stowplan.fit.lacking import Lacking
from stowplan.fit.layers import Unknown
from stowplan.fit.overhead import Batch, activation, context, families, graphs, non_torch, peak, spread
from stowplan.fit.settings import Settings
from stowplan.fit.span import NOTHING, Span
from stowplan.fit.weights import weights
from stowplan.nouns.facts import Facts
from stowplan.nouns.profile import Gpu


@dataclass(frozen=True, slots=True)
class Rank:
    """The parts on one card, in bytes. `context` is held before vLLM measures, so it is not of its grant."""

    weights: Span
    activations: Span
    non_torch: Span
    graphs: Span
    context: Span


def ranks(
    facts: Facts,
    settings: Settings,
    eras: Sequence[Constants],
    gpu: Gpu | None,
    at_once: Batch,
    more: Lacking,
    missing: list[str],
    notes: list[str],
) -> tuple[Rank, ...]:
    """One for each stage. What is unknown goes to `missing` and counts as nothing, what is guessed to `notes`.

    Where several eras may hold, each part is as wide as all of them.
    """
    known = eras[-1]
    capability = None if gpu is None else gpu.capability
    loaded = weights(facts, settings, known, capability)
    if isinstance(loaded, Unknown):
        missing += loaded.why
        loaded = (NOTHING,) * settings.pipeline_parallel
    drawn = graphs(facts.architecture, settings, known, at_once, capability)
    if isinstance(drawn, Unknown):
        missing += drawn.why
        drawn = NOTHING
    others = _over([non_torch(settings, era, capability) for era in eras])
    before = _over([context(settings, era) for era in eras])
    last = len(loaded) - 1
    found = []
    for stage, here in enumerate(loaded):
        active = _active(facts, settings, eras, at_once, more, stage == last, missing, notes)
        found.append(Rank(here, active, others, drawn, before))
    return tuple(found)


def _active(
    facts: Facts,
    settings: Settings,
    eras: Sequence[Constants],
    at_once: Batch,
    more: Lacking,
    last: bool,
    missing: list[str],
    notes: list[str],
) -> Span:
    of = families(facts, settings)
    found = []
    for era in eras:
        parts = peak(facts, settings, era, at_once, more, last)
        if isinstance(parts, Unknown):
            missing += [why for why in parts.why if why not in missing]
            return NOTHING
        found.append(activation(parts, spread(era, of), era.activations_more))
        if parts.guessed and GUESSED not in notes:
            notes.append(GUESSED)
    return _over(found)


GUESSED = "how many tokens the largest image makes is not in the facts"


def _over(spans: Sequence[Span]) -> Span:
    """What covers all of them, likely the last."""
    if len(spans) == 1:
        return spans[0]
    return Span(min(span.low for span in spans), spans[-1].likely, max(span.high for span in spans))
