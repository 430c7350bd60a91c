"""Will it fit? The memory of one launch on its cards, each part as a range, and what follows from it.

vLLM asks for `ceil(total x utilization)` bytes of each card and refuses to start where less is free; what weights,
activations and libraries leave of it becomes the KV cache, which must hold one sequence of the whole context
(0.32.0, vllm/v1/worker/utils.py, `request_memory`; vllm/v1/worker/gpu_worker.py, `determine_available_memory`;
vllm/v1/core/kv_cache_utils.py, `get_kv_cache_configs`). Since 0.20 CUDA graphs are of the grant as well; before,
they are captured in what nobody asked for.
"""

from collections.abc import Sequence
from dataclasses import replace

from stowplan.fit.batch import CPU, CUDA, batch, block, kv_dtype, length
from stowplan.fit.constants import Constants, constants
from stowplan.fit.estimate import DOES_NOT_FIT, FITS, TIGHT, UNKNOWN, Estimate
from stowplan.fit.grant import Grant, grant
from stowplan.fit.kv import NO_CACHE, Plan, plan
from stowplan.fit.lacking import NOTHING_MORE, Lacking
from stowplan.fit.layers import Unknown, cache_layers
from stowplan.fit.measured import Launch, Learnt, learn
from stowplan.fit.overhead import Batch
from stowplan.fit.ranks import GUESSED, Rank, ranks
from stowplan.fit.settings import FIT, Settings
from stowplan.fit.span import NOTHING, Span
from stowplan.nouns.facts import Facts
from stowplan.nouns.measured import Start
from stowplan.nouns.profile import Gpu

_NO_GRANT = Grant(0, 0, 0, 0, NOTHING, None, False)


def estimate(
    facts: Facts,
    settings: Settings,
    gpu: Gpu | None,
    version: str | None,
    more: Lacking = NOTHING_MORE,
    kind: str = "vllm",
    starts: Sequence[Start] = (),
) -> Estimate:
    """The memory of one launch: a model's facts, the launch's settings, the card, the engine's version (None where
    nobody says), and what `starts` of it on such a card were seen to take.

    Raises `KeyError` for a kind of engine that nothing is known of (`constants.knows`).
    """
    eras = constants(kind, version)
    known = eras[-1]
    missing = [f"what `{name}` changes is not followed here" for name in settings.unknown]
    notes = _notes(eras, version)
    tokens = length(facts, settings)
    if tokens is None:
        missing.append("how long its context is is neither set nor in the facts")
        tokens = 1
    at_once = batch(settings, known, gpu, tokens)
    layout = _layout(facts, settings, known, gpu, at_once, missing)
    taken = ranks(facts, settings, eras, gpu, at_once, more, missing, notes)
    granted = grant(settings, eras, gpu)
    if granted is None:
        missing.append("how much memory the card has is not in the profile" if gpu else "the profile has no GPU")
        granted = _NO_GRANT
    learnt: Learnt | str | None = None
    if starts:
        launch = Launch(facts=facts, settings=settings, known=known, gpu=gpu, batch=at_once, more=more)
        learnt = learn(starts, launch, taken[0], granted, kind)
    if isinstance(learnt, Learnt):
        taken, granted = (learnt.rank,), replace(granted, unseen=learnt.unseen)
        notes = [note for note in notes if note != GUESSED]
    elif learnt is not None:
        notes.append(learnt)
    stage, pool, blocks = _tightest(taken, granted, layout, settings)
    rank = taken[stage]
    most = tokens if facts.context is None else max(tokens, facts.context.tokens)
    longest = layout.longest(blocks.low, most)
    if settings.max_model_len == FIT:
        tokens = max(1, min(tokens, longest))
    kv = layout.needed(tokens, stage)
    # of no card, and of what a setting moves elsewhere, nothing can be said
    is_open = granted is _NO_GRANT or bool(settings.unknown)
    verdict, reasons = (UNKNOWN, ()) if is_open else _verdict(rank, granted, pool, kv, missing)
    return Estimate(
        verdict=verdict,
        granted=granted.granted,
        weights=rank.weights,
        activations=rank.activations,
        non_torch=rank.non_torch,
        graphs=granted.graphs_inside(rank),
        unseen=granted.unseen,
        context=granted.context(rank),
        kv=kv if granted.fixed is None else granted.fixed,
        pool=pool,
        blocks=blocks,
        plan=layout,
        tokens=tokens,
        batch=at_once,
        longest=longest,
        longest_likely=layout.longest(blocks.likely, most),
        reasons=reasons,
        missing=tuple(missing),
        notes=tuple(notes),
        measured=learnt.source if isinstance(learnt, Learnt) else None,
    )


def _notes(eras: Sequence[Constants], version: str | None) -> list[str]:
    if version is None:
        return ["the engine's version is not known, so the ranges cover all of them"]
    if not eras[-1].exact:
        return [f"memory of {version} was not looked at; the nearest version's is taken, wider"]
    return []


def _layout(
    facts: Facts,
    settings: Settings,
    known: Constants,
    gpu: Gpu | None,
    at_once: Batch,
    missing: list[str],
) -> Plan:
    """How the KV cache is laid out; nothing is kept as far as we know where that is unknown."""
    wanted = kv_dtype(facts, settings, known)
    if wanted != settings.kv_cache_dtype:
        settings = replace(settings, kv_cache_dtype=wanted)
    layers = cache_layers(facts.architecture, settings, known)
    if not isinstance(layers, Unknown):
        tokens = block(settings, known, gpu, layers.latent)
        layout = plan(layers, settings, known, at_once.tokens, tokens, CPU if gpu is None else CUDA)
        if not isinstance(layout, Unknown):
            return layout
        layers = layout
    missing += layers.why
    return NO_CACHE


def _tightest(taken: Sequence[Rank], granted: Grant, layout: Plan, settings: Settings) -> tuple[int, Span, Span]:
    """The stage whose card holds the fewest blocks, its pool, and the blocks: all stages have as many."""
    pools = [granted.pool(rank) for rank in taken]
    if settings.num_gpu_blocks is not None:
        return 0, pools[0], Span.exact(settings.num_gpu_blocks)
    if layout.empty:
        stage = min(range(len(pools)), key=lambda i: pools[i].likely)
        return stage, pools[stage], NOTHING
    blocks = [
        Span(layout.pool(pool.low, stage), layout.pool(pool.likely, stage), layout.pool(pool.high, stage))
        for stage, pool in enumerate(pools)
    ]
    if len(blocks) == 1:
        return 0, pools[0], blocks[0]
    stage = min(range(len(blocks)), key=lambda i: (blocks[i].likely, pools[i].likely))
    fewest = Span(min(b.low for b in blocks), min(b.likely for b in blocks), min(b.high for b in blocks))
    return stage, pools[stage], fewest


def _verdict(rank: Rank, granted: Grant, pool: Span, kv: int, missing: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The verdict, and why it is not `fits`."""
    least, most, reasons = _start(rank, granted)
    if granted.fixed is None:
        short, maybe = kv > pool.high, kv > pool.low
    else:
        beside = rank.weights + rank.activations + rank.non_torch + rank.graphs + rank.context + granted.unseen
        room = beside.taken_from(granted.granted)
        short = kv > granted.fixed or granted.fixed > room.high
        maybe = granted.fixed > room.low
    if short:
        reasons.append("even at the least it needs more than is granted")
    elif maybe:
        reasons.append("it may need more than is granted")
    if least or short:
        return DOES_NOT_FIT, tuple(reasons)
    if missing:
        return UNKNOWN, tuple(reasons)
    return (TIGHT if most or maybe else FITS), tuple(reasons)


def _start(rank: Rank, granted: Grant) -> tuple[bool, bool, list[str]]:
    """Whether vLLM surely, and whether it may, refuse to start or fail when it captures its graphs."""
    outside = granted.outside(rank)
    if outside.low > granted.room:
        return True, True, ["vLLM does not start: it asks for more than is free beside what is reserved"]
    if outside.high > granted.room:
        return False, True, ["vLLM may not start: it may ask for more than is free beside what is reserved"]
    graphs = 0 if granted.graphs else rank.graphs.likely
    if outside.likely + graphs > granted.room:
        return False, True, ["CUDA graphs are taken from what nobody asked for, and may not find it there"]
    return False, False, []
