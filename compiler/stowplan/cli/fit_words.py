"""How an estimate is shown: its parts with bars, what follows from them, and the same as JSON."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stowplan.fit.bars import KIB, gib, ranged
from stowplan.fit.estimate import DOES_NOT_FIT, FITS, TIGHT, UNKNOWN, Estimate
from stowplan.fit.solve import CTX, FLAGS, SEQS, Grid, Solution, grid, held, solve
from stowplan.fit.span import NOTHING, Span
from stowplan.fit.subject import Question

MIB = 1 << 20
WORDS = {FITS: "fits", TIGHT: "tight", DOES_NOT_FIT: "does not fit", UNKNOWN: "unknown"}
_BAR = 30
_SURELY = {
    CTX: "the longest context that surely fits is {} tokens",
    SEQS: "{} requests of the whole context surely fit at once",
    "utilization": "{} is the least gpu-memory-utilization with which it surely fits",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One launch with what was asked about it: `sequences` requests of the whole context are to be held at once."""

    name: str
    question: Question
    sequences: int
    answer: Estimate
    verdict: str
    grid: Grid | None = None
    solution: Solution | None = None


def asked(name: str, question: Question, sequences: int | None, what: str | None, *, table: bool = False) -> Asked:
    """The answer for a launch as `question` has it, and for the value `what` if that is solved."""
    count = sequences or 1
    if what is not None:
        solution = solve(what, question, count)
        count = int(solution.value or 1) if what == SEQS else count
        verdict = held(solution.answer, count)
        return Asked(name, solution.question, count, solution.answer, verdict, solution=solution)
    answer = question.answer()
    return Asked(name, question, count, answer, held(answer, count), grid(question) if table else None)


def text(found: Asked) -> Iterator[str]:
    """The answer in lines, without the table."""
    if (solution := found.solution) is not None:
        if solution.value is None:
            yield f"{found.name}: no {FLAGS[solution.what]} is sure to fit"
            yield from _list("because", solution.why)
            return
        yield f"{found.name}: {_SURELY[solution.what].format(solution.value)}"
    else:
        yield f"{found.name}: {WORDS[found.verdict]}"
    yield f"  {_card(found.question)}"
    yield from _parts(found)
    yield from _consequences(found)


def document(found: Asked) -> dict[str, Any]:
    """The answer for programs: bytes as [least, likely, most], tokens, and null for what has no bound."""
    answer, gpu, solution = found.answer, found.question.gpu, found.solution
    parts = {name: [span.low, span.likely, span.high] for name, span in _spans(answer).items()}
    needed = _needed(found)
    shown: dict[str, Any] = {
        "subject": found.name,
        "verdict": found.verdict,
        "engine": {"kind": found.question.kind, "version": found.question.version},
        "gpu": gpu and {"name": gpu.name, "count": gpu.count, "memory": gpu.memory, "reserved": gpu.reserved},
        "tokens": answer.tokens,
        "sequences": found.sequences,
        "bytes": {
            "granted": answer.granted,
            **parts,
            "kv_cache": _kv(found),
            "needed": [needed.low, needed.likely, needed.high],
            "left_for_cache": [answer.pool.low, answer.pool.likely, answer.pool.high],
            "kv_token": answer.plan.token_bytes(),
        },
        "concurrent": [round(number, 2) if math.isfinite(number) else None for number in answer.concurrent],
        "longest": {"surely": None if answer.missing else answer.longest, "likely": answer.longest_likely},
        "reasons": list(answer.reasons),
        "missing": list(answer.missing),
        "notes": list(answer.notes),
        "measured": answer.measured,
    }
    if found.grid is not None:
        shown["table"] = {
            "contexts": list(found.grid.contexts),
            "sequences": list(found.grid.sequences),
            "verdicts": [list(row) for row in found.grid.rows],
        }
    if solution is not None:
        shown["solved"] = {"flag": FLAGS[solution.what], "value": solution.value, "why": list(solution.why)}
    return shown


def _card(question: Question) -> str:
    gpu = question.gpu
    engine = f"{question.kind} {question.version or 'of any version'}"
    if gpu is None:
        return f"no GPU; {engine}"
    count = f"{gpu.count} x " if gpu.count > 1 else ""
    memory = "memory not known" if gpu.memory is None else f"{gpu.memory // MIB} MiB"
    reserved = f", {gpu.reserved // MIB} MiB of it reserved" if gpu.reserved else ""
    return f"{count}{gpu.name}, {memory}{reserved}; {engine}"


def _parts(found: Asked) -> Iterator[str]:
    answer, gpu = found.answer, found.question.gpu
    kv, needed = _kv(found), _needed(found)
    scale = max(answer.granted, needed.high, 1)
    if answer.granted and gpu is not None and gpu.memory:
        share = f"{answer.granted / gpu.memory:.2f} of the card"
        yield _line("granted", gib(answer.granted), _bar(answer.granted, scale), share)
    for name, span in _spans(answer).items():
        if span != NOTHING:
            yield _line(_NAMES[name], ranged(span), _bar(span.high, scale))
    if not answer.plan.empty:
        count = "1 request" if found.sequences == 1 else f"{found.sequences} requests"
        token = f"{answer.plan.token_bytes() / KIB:.1f} KiB a token"
        yield _line("KV cache", gib(kv), _bar(kv, scale), f"{count} of {answer.tokens} tokens, {token}")
    yield _line("needed", ranged(needed), _bar(needed.high, scale))


def _consequences(found: Asked) -> Iterator[str]:
    answer = found.answer
    low, likely, high = answer.concurrent
    if answer.granted and not answer.plan.empty:
        if answer.pool.high > 0:
            left = ranged(Span(*(max(0, n) for n in (answer.pool.low, answer.pool.likely, answer.pool.high))))
            many = f"{low:.1f} to {high:.1f} requests of {answer.tokens} tokens at once, likely {likely:.1f}"
            yield f"  left for the KV cache: {left} GiB; {many}"
        else:
            yield "  nothing is left for the KV cache"
        if answer.missing:
            yield f"  longest context: {answer.longest_likely} tokens, were that all it needs"
        else:
            yield f"  longest context: {answer.longest} tokens surely, {answer.longest_likely} likely"
    yield from _list("because", answer.reasons)
    if not answer.reasons and found.verdict != answer.verdict:
        yield from _list("because", [f"{found.sequences} requests of that length are more than it surely holds"])
    yield from _list("not known", answer.missing)
    yield from _list("wider since", answer.notes)
    yield from _list("measured", () if answer.measured is None else [answer.measured])


_NAMES = {
    "weights": "weights",
    "activations": "activations",
    "non_torch": "libraries",
    "graphs": "CUDA graphs",
    "unseen": "unseen by CUDA",
    "context": "driver",
}


def _spans(answer: Estimate) -> dict[str, Span]:
    return {name: getattr(answer, name) for name in _NAMES}


def _kv(found: Asked) -> int:
    """The cache of all the requests; the check at start wants that of one."""
    plan, answer = found.answer.plan, found.answer
    if plan.empty or found.question.settings.kv_cache_memory_bytes is not None:
        return answer.kv
    return answer.kv + (found.sequences - 1) * plan.blocks(answer.tokens) * plan.block_bytes[0]


def _needed(found: Asked) -> Span:
    whole, more = found.answer.needed, _kv(found) - found.answer.kv
    return Span(whole.low + more, whole.likely + more, whole.high + more)


def _line(name: str, amount: str, bar: str, more: str = "") -> str:
    return f"  {name:<15}{amount:>10} GiB  {bar}{'  ' if bar and more else ''}{more}".rstrip()


def _bar(amount: int, scale: int) -> str:
    return "#" * max(round(_BAR * amount / scale), 1 if amount > 0 else 0)


def _list(word: str, items: Sequence[str]) -> Iterator[str]:
    for item in items:
        yield f"  {word}: {item}"
