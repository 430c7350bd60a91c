"""The setting that a launch may have: the longest context, the most requests at once, the least share of the card.

Each is found by halving, which is right because memory grows with the context and with the requests, and what is
granted grows with the share; tests lay it beside trying every value. What counts is what surely fits.
"""

from collections.abc import Callable
from dataclasses import dataclass

from stowplan.fit.estimate import DOES_NOT_FIT, FITS, TIGHT, UNKNOWN, Estimate
from stowplan.fit.settings import FIT
from stowplan.fit.subject import Question

CTX, SEQS, UTILIZATION = "ctx", "seqs", "utilization"
FIELDS = {CTX: "max_model_len", SEQS: "max_num_seqs", UTILIZATION: "gpu_memory_utilization"}
"""What can be solved, and the setting that it is."""
FLAGS = {CTX: "max-model-len", SEQS: "max-num-seqs", UTILIZATION: "gpu-memory-utilization"}
"""The same as `vllm serve` calls it."""
_MOST_SEQUENCES = 1 << 16
_ROWS, _COLUMNS = 8, 9


@dataclass(frozen=True, slots=True)
class Solution:
    """The `value` of what was asked for (tokens, requests, or a share of the card); None if there is none, and `why`.

    `question` is the launch with that value, `answer` its estimate; without a value, those of the least asked.
    """

    what: str
    value: int | float | None
    question: Question
    answer: Estimate
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grid:
    """Verdicts (`FITS` ...) for contexts, one a row, and requests of that length at once, one a column."""

    contexts: tuple[int, ...]
    sequences: tuple[int, ...]
    rows: tuple[tuple[str, ...], ...]


def held(answer: Estimate, sequences: int) -> str:
    """The verdict on a launch that is to hold so many requests of the whole context at once."""
    if answer.verdict in (DOES_NOT_FIT, UNKNOWN):
        return answer.verdict
    needed = _blocks(answer, sequences)
    if answer.blocks.high < needed:
        return DOES_NOT_FIT
    return TIGHT if answer.blocks.low < needed else answer.verdict


def _blocks(answer: Estimate, sequences: int) -> int:
    """The blocks that several requests of the whole context take at once; one is what vLLM checks, by other sums."""
    if sequences == 1 or answer.plan.empty:
        return 0
    return answer.plan.spare + sequences * answer.plan.blocks(answer.tokens)


def most_context(question: Question) -> int | None:
    """The longest context in tokens that may be asked for: the model's own, or more where the launch says so."""
    facts, asked = question.facts, question.settings.max_model_len
    own = facts.architecture.max_positions if facts.context is None else facts.context.tokens
    known = [length for length in (own, asked) if length is not None and length != FIT]
    return max(known, default=None)


def solve(what: str, question: Question, sequences: int = 1) -> Solution:
    """The best value of `what` (CTX, SEQS or UTILIZATION) with which the launch surely fits.

    For a context and a share, `sequences` requests of the whole context have to be held at once.
    """
    return _SOLVERS[what](question, sequences)


def grid(question: Question) -> Grid | None:
    """What fits of contexts, powers of two and the longest, and of requests at once; None if no context is known."""
    most = most_context(question)
    if most is None:
        return None
    powers = [1 << n for n in range(most.bit_length()) if 1 << n < most]
    contexts = (*powers[-_ROWS:], most)
    columns: list[list[str]] = []
    for count in (1 << n for n in range(_COLUMNS)):
        asked = question.changed(max_num_seqs=count)
        columns.append([held(asked.changed(max_model_len=length).answer(), count) for length in contexts])
        if all(verdict in (DOES_NOT_FIT, UNKNOWN) for verdict in columns[-1]):
            break
    return Grid(contexts, tuple(1 << n for n in range(len(columns))), tuple(zip(*columns, strict=True)))


def _context(question: Question, sequences: int) -> Solution:
    most = most_context(question)
    if most is None:
        return Solution(CTX, None, question, question.answer(), question.answer().missing)

    def at(length: int) -> Question:
        return question.changed(max_model_len=length)

    return _found(CTX, at, _greatest(lambda length: _surely(at(length), sequences), most), sequences)


def _sequences(question: Question, _: int) -> Solution:
    def at(count: int) -> Question:
        return question.changed(max_num_seqs=count)

    answer = at(1).answer()
    if answer.plan.empty and answer.verdict == FITS:
        return Solution(SEQS, None, at(1), answer, ("it keeps no cache, so the card sets no bound",))
    most = min(_MOST_SEQUENCES, int(answer.concurrent[2]) + 1) if not answer.plan.empty else 1
    most = max(1, at(most).answer().batch.sequences)  # of a batch of T tokens, T sequences are the most
    return _found(SEQS, at, _greatest(lambda count: _surely(at(count), count), most), 1)


def _utilization(question: Question, sequences: int) -> Solution:
    def at(hundredths: int) -> Question:
        return question.changed(gpu_memory_utilization=hundredths / 100)

    if question.settings.kv_cache_memory_bytes is not None:
        why = "`kv-cache-memory-bytes` is set, which says what is kept whatever the utilization"
        return Solution(UTILIZATION, None, question, question.answer(), (why,))

    def is_short(hundredths: int) -> bool:
        """Whether too little is granted; whether it starts at all is another question, and not one of more."""
        answer = at(hundredths).answer()
        return answer.pool.low < answer.kv or answer.blocks.low < _blocks(answer, sequences)

    least = _greatest(is_short, 99) + 1
    if _surely(at(least), sequences):
        return _found(UTILIZATION, lambda _: at(least), least, sequences)
    return _found(UTILIZATION, at, 0, sequences, at(least).answer())


def _found(
    what: str, at: Callable[[int], Question], value: int, sequences: int, answer: Estimate | None = None
) -> Solution:
    """The solution at `value`; 0 is none, explained by `answer`, or by the estimate for the least."""
    asked = at(max(value, 1))
    answer = answer or asked.answer()
    if value:
        return Solution(what, value / 100 if what == UTILIZATION else value, asked, answer)
    why = answer.missing or answer.reasons
    if not why and sequences > 1:
        why = (f"the cache does not hold {sequences} requests of that length at once",)
    return Solution(what, None, asked, answer, why)


def _surely(question: Question, sequences: int) -> bool:
    return held(question.answer(), sequences) == FITS


def _greatest(holds: Callable[[int], bool], most: int) -> int:
    """The greatest number from 1 to `most` for which something holds that holds for all below it; 0 if none."""
    if holds(most):
        return most
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


_SOLVERS = {CTX: _context, SEQS: _sequences, UTILIZATION: _utilization}
