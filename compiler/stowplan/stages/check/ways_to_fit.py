"""What would make a launch fit, tried out: each way that is named was estimated, and does."""

from collections.abc import Iterator

from stowplan.fit.estimate import DOES_NOT_FIT, FITS, Estimate
from stowplan.fit.settings import AUTO
from stowplan.fit.solve import CTX, solve
from stowplan.fit.solve import UTILIZATION as SHARE
from stowplan.fit.subject import Question
from stowplan.nouns.project import Subject
from stowplan.stages.check.config import hardware
from stowplan.stages.check.config.view import View
from stowplan.words.layered import Layer, Leaf, Origin, Tree

UTILIZATION, KV_DTYPE, CARDS = "gpu-memory-utilization", "kv-cache-dtype", "tensor-parallel-size"
MOST = 3
"""Ways that are named at most: nobody reads more."""
WORTH_ASKING = 256
"""Tokens: a shorter context is no way out."""


def ways(subject: Subject, asked: Question, found: Estimate) -> str | None:
    """What would make room: a shorter context, a smaller cache, more of the card, more cards; None if nothing would."""
    return _list([*_context(subject, asked, found), *_smaller(subject, asked, found), *_more(subject, asked)])


def ways_to_start(asked: Question, found: Estimate) -> str | None:
    """What would let vLLM start where it asks for more than is free."""
    hundredths = range(int(100 * _utilization(asked, found)), 0, -1)
    sound = next((share for share in hundredths if _with(asked, share).verdict == FITS), None)
    if sound is not None:
        return f"`{UTILIZATION} = {sound / 100:g}` fits"
    possible = next((share for share in hundredths if _with(asked, share).verdict != DOES_NOT_FIT), None)
    return None if possible is None else f"`{UTILIZATION} = {possible / 100:g}` may fit"


def least(asked: Question) -> float | None:
    """The least utilization with which a launch surely fits; None if there is none."""
    return solve(SHARE, asked).value


def _list(found: list[str]) -> str | None:
    return "; ".join(found[:MOST]) or None


def _context(subject: Subject, asked: Question, found: Estimate) -> Iterator[str]:
    if asked.settings.kv_cache_memory_bytes is not None:
        return
    longest = solve(CTX, asked).value or 0
    if WORTH_ASKING <= longest < found.tokens:
        yield f"{longest} is the longest context that surely fits: `stowplan fit {subject.name} --write`"
    elif WORTH_ASKING <= found.longest_likely < found.tokens:
        yield f"{found.longest_likely} is the longest context that likely fits"


def _smaller(subject: Subject, asked: Question, found: Estimate) -> Iterator[str]:
    """A KV cache of half the size, where card and version can."""
    if found.plan.empty or asked.settings.kv_cache_dtype != AUTO or not keeps(subject, "fp8"):
        return
    smaller = asked.changed(kv_cache_dtype="fp8")
    answer = smaller.answer()
    if answer.plan.token_bytes() >= found.plan.token_bytes():  # the checkpoint's own cache is no larger
        return
    if answer.verdict == FITS:
        yield f'`{KV_DTYPE} = "fp8"` makes it fit'
    elif WORTH_ASKING <= (longest := solve(CTX, smaller).value or 0) < found.tokens:
        yield f'`{KV_DTYPE} = "fp8"` holds {longest} tokens'


def keeps(subject: Subject, dtype: str) -> bool:
    """Whether an attention backend of the engine's version is known to keep keys and values so on the card."""
    engine = subject.engine
    if engine is None or engine.table is None:
        return False
    flags: Tree = {
        **subject.table(engine.kind),
        KV_DTYPE: Leaf(dtype, Layer.OVERLAY, Origin(subject.file, (engine.kind, KV_DTYPE))),
    }
    view = View(subject, engine.table, flags)
    if str(view.capability) not in engine.table.considered:
        return False
    return not any(problem.at is not None and KV_DTYPE in problem.at.key for problem in hardware.check(view))


def _more(subject: Subject, asked: Question) -> Iterator[str]:
    """More of the card, where it is not another model's, and more cards, where heads can be shared out."""
    gpu, settings = asked.gpu, asked.settings
    if gpu is None or gpu.memory is None:
        return
    if subject.profile.one_at_a_time and settings.kv_cache_memory_bytes is None:
        share = least(asked)
        if share is not None:
            yield f"`{UTILIZATION} = {share:g}` makes room"
    heads, cards = asked.facts.architecture.heads, settings.tensor_parallel
    for more in (2, 4, 8):
        if more <= cards or not heads or heads % more:
            continue
        if asked.changed(tensor_parallel=more).answer().verdict == FITS:
            here = more * settings.pipeline_parallel <= gpu.count
            yield f"`{CARDS} = {more}` fits" if here else f"{more} such cards would do (`{CARDS} = {more}`)"
            return


def _with(asked: Question, share: int) -> Estimate:
    return asked.changed(gpu_memory_utilization=share / 100).answer()


def _utilization(asked: Question, found: Estimate) -> float:
    memory = (asked.gpu.memory if asked.gpu else None) or 0
    return asked.settings.gpu_memory_utilization or (found.granted / memory if memory else 1.0)
