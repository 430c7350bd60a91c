"""An estimate for programs: what the registry and `explain` say of it."""

from typing import Any

from stowplan.fit.estimate import Estimate
from stowplan.fit.span import Span


def document(of: Estimate) -> dict[str, Any]:
    """The verdict and what it follows from: bytes of each card as [least, likely, most], tokens; what is not known, and
    what start it was learnt from.

    Of a card whose memory nobody says there is a verdict alone.
    """
    shown: dict[str, Any] = {"verdict": of.verdict}
    if of.granted:
        spans = {
            "weights": of.weights,
            "activations": of.activations,
            "non_torch": of.non_torch,
            "graphs": of.graphs,
            "unseen": of.unseen,
            "context": of.context,
            "needed": of.needed,
        }
        shown["bytes"] = {
            "granted": of.granted,
            "kv_cache": of.kv,
            **{name: _listed(span) for name, span in spans.items()},
        }
        shown["tokens"] = of.tokens
        if not of.missing:
            shown["longest"] = {"surely": of.longest, "likely": of.longest_likely}
    if of.missing:
        shown["missing"] = list(of.missing)
    if of.measured is not None:
        shown["measured"] = of.measured
    return shown


def _listed(span: Span) -> list[int]:
    return [span.low, span.likely, span.high]
