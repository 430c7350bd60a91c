"""Whether a launch fits its card, from what is known before it starts.

vLLM would tell after minutes of loading (0.32.0, vllm/v1/worker/utils.py, `request_memory`;
vllm/v1/core/kv_cache_utils.py, `_check_enough_kv_cache_memory`). An error where even the least that it may need is
too much, a warning where the range holds both; nothing where too little is known. stowplan.fit knows the rest.
"""

from collections.abc import Iterator
from dataclasses import replace

from stowplan.fit import remembered
from stowplan.fit.bars import bars, gib, parts, ranged
from stowplan.fit.constants import constants
from stowplan.fit.estimate import DOES_NOT_FIT, TIGHT, Estimate
from stowplan.fit.subject import Question, question
from stowplan.nouns.project import Subject
from stowplan.stages.check.places import place_of
from stowplan.stages.check.ways_to_fit import ways, ways_to_start
from stowplan.words.diagnostic import Diagnostic, Label, Place, Severity, error

MIB = 1 << 20
UTILIZATION, CACHE, CONTEXT = "gpu-memory-utilization", "kv-cache-memory-bytes", "max-model-len"


def check(subject: Subject) -> Iterator[Diagnostic]:
    """A launch that does not fit, or may not."""
    found = remembered.of(subject)
    if found is not None and found.verdict in (DOES_NOT_FIT, TIGHT):
        asked = question(subject)
        assert asked is not None  # else there had been no answer
        yield _told(subject, asked, found)


def _told(subject: Subject, asked: Question, found: Estimate) -> Diagnostic:
    at, label = granting(subject, asked, found)
    surely = found.verdict == DOES_NOT_FIT
    fixed, kv = asked.settings.kv_cache_memory_bytes, found.plan.needed(found.tokens)
    also, details, help_ = _context(subject, asked, found), tuple(bars(parts(found))), ways(subject, asked, found)
    if fixed is not None and kv > fixed:
        message = (
            f"`{subject.model}` needs {gib(kv)} GiB of KV cache for {found.tokens} tokens; {gib(fixed)} are set aside"
        )
        details = ()
    elif (found.needed.low if surely else found.needed.high) > found.granted:
        message = f"`{subject.model}` needs {ranged(found.needed, ' to ')} GiB on {subject.profile.name}, "
        message += f"{gib(found.granted)} are granted"
        if not surely:
            message += ": it may not fit" if found.needed.likely > found.granted else ": it likely fits, but may not"
    else:
        message, also, details = _refusal(subject, asked, surely), _reserved(subject), ()
        help_ = ways_to_start(asked, found)
    about = (subject.model, subject.profile.name)
    problem = error("does-not-fit", message, at, also=also, hint=help_, label=label, details=details, about=about)
    return problem if surely else replace(problem, severity=Severity.WARNING)


def _refusal(subject: Subject, asked: Question, surely: bool) -> str:
    gpu = asked.gpu
    assert gpu is not None and gpu.memory is not None  # else nothing is granted
    utilization = asked.settings.gpu_memory_utilization or constants(asked.kind, asked.version)[-1].utilization
    free = f"{(gpu.memory - gpu.reserved) / MIB:.0f} are free{' beside what is reserved' if gpu.reserved else ''}"
    message = f"`{subject.model}` asks for {gpu.memory * utilization / MIB:.0f} MiB on {subject.profile.name}, where "
    message += f"{free}, less what the driver takes"
    return f"{message}: vLLM would not start" if surely else f"{message} and CUDA graphs: they may find no room"


def granting(subject: Subject, asked: Question, found: Estimate) -> tuple[Place, str | None]:
    """The setting that says what may be taken, and the sum that follows from it."""
    gpu = asked.gpu
    memory = (gpu.memory if gpu else None) or 0
    fixed, leaf = asked.settings.kv_cache_memory_bytes, subject.leaf(asked.kind, CACHE)
    if leaf is not None and fixed is not None:
        return place_of(leaf), f"the KV cache: {gib(fixed)} GiB"
    leaf = subject.leaf(asked.kind, UTILIZATION)
    if leaf is not None and asked.settings.gpu_memory_utilization is not None:
        text = f"{memory / MIB:g} MiB x {leaf.value:g} = {gib(found.granted)} GiB"
        return place_of(leaf), text
    leaf = subject.profile.leaf("gpu", "memory")
    if leaf is None or not memory:
        return Place(subject.file), None
    text = f"{memory / MIB:g} MiB x {found.granted / memory:.2g}, the default = {gib(found.granted)} GiB"
    return place_of(leaf), text


def _context(subject: Subject, asked: Question, found: Estimate) -> list[Label]:
    """Where the context comes from, which the KV cache must hold once."""
    leaf = subject.leaf(asked.kind, CONTEXT)
    if leaf is not None and asked.settings.max_model_len is not None:
        return [Label(place_of(leaf), "one sequence of them must have room")]
    known = subject.fact("context", "tokens") or subject.fact("architecture", "max_positions")
    if known is None:
        return [Label(Place(subject.file), "this launch")]
    text = f"`{CONTEXT}` is not set, so the model's own {found.tokens} counts"
    return [Label(place_of(known), text)]


def _reserved(subject: Subject) -> list[Label]:
    leaf = subject.profile.leaf("gpu", "reserved")
    launch = Label(Place(subject.file), "this launch")
    return [launch] if leaf is None else [Label(place_of(leaf), "not vLLM's"), launch]
