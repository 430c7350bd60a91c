"""How a model is shared among cards: tensor, pipeline, expert and data parallel.

vLLM checks these in vllm/config/model.py (verify_with_parallel_config), vllm/config/parallel.py
(ParallelConfig) and vllm/engine/arg_utils.py (create_engine_config), in 0.11.0 to 0.33.0 alike. With
`VLLM_DP_SIZE` in the environment the sizes are other ones, and nothing is said of them.
"""

from collections.abc import Iterator

from stowplan.stages.check.config.knowledge import holds
from stowplan.stages.check.config.view import View, rule
from stowplan.words.diagnostic import Diagnostic, Label, error, warning

TENSOR, PIPELINE, DATA = "tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size"
PREFILL, DECODE = "prefill-context-parallel-size", "decode-context-parallel-size"
LOCAL, RANK, START = "data-parallel-size-local", "data-parallel-rank", "data-parallel-start-rank"
HYBRID, EXTERNAL = "data-parallel-hybrid-lb", "data-parallel-external-lb"
MULTI_PORT, EXECUTOR, NODES = "data-parallel-multi-port-external-lb", "distributed-executor-backend", "nnodes"
BALANCED, EXPERTS = "enable-eplb", "enable-expert-parallel"


def _heads(view: View) -> Iterator[Diagnostic]:
    """Each card takes as many attention heads as the others."""
    size, facts = view.whole(TENSOR), view.facts
    heads = facts.architecture.heads if facts is not None else None
    if size is None or size < 2 or heads is None or heads % size == 0:
        return
    known = view.fact("architecture", "heads")
    also = [Label(known, f"{heads} heads")] if known is not None else []
    sizes = ", ".join(str(n) for n in range(1, min(heads, 64) + 1) if heads % n == 0)
    message = f"the {heads} attention heads cannot be shared evenly among `{TENSOR} = {size}` cards"
    yield error("flags-conflict", message, view.at(TENSOR), also=also, hint=f"it may be {sizes}")


def _cards(view: View) -> Iterator[Diagnostic]:
    """No more workers than the profile has cards, unless they run elsewhere."""
    asked = [name for name in (TENSOR, PIPELINE, PREFILL, LOCAL, DATA) if (view.whole(name) or 1) > 1]
    if not asked:
        return
    profile, known = view.subject.profile, view.known("gpus")
    executor, count = view.text(EXECUTOR), profile.value("gpu", "count")
    if not isinstance(count, int) or executor in known["elsewhere"] or view.size(NODES) > 1 or _is_elsewhere(view):
        return
    here = view.size(LOCAL) if LOCAL in view.flags else 1 if view.is_on(RANK) else view.size(DATA)
    sizes = {name: view.size(name) for name in (TENSOR, PIPELINE, PREFILL)}
    workers = here
    for size in sizes.values():
        workers *= size
    if workers <= count:
        return
    also = [*(view.label(name) for name in asked[1:]), *view.card("count", text="the profile's cards")]
    message = f"{workers} cards are asked for; the profile `{profile.name}` has {count}"
    hint = f'fewer, or `{EXECUTOR} = "ray"` if the others are on other machines'
    is_sure = executor in known["here"] or holds(view.table.version, since=known["refused_since"])
    graded = error if is_sure else warning
    yield graded("too-few-gpus", message, view.at(asked[0]), also=also, hint=hint)


def _decode_context(view: View) -> Iterator[Diagnostic]:
    """Decode context parallel shares the cards of tensor parallel."""
    tensor, decode = view.size(TENSOR), view.size(DECODE)
    if view.size(PREFILL) == 1 and decode > 0 and tensor % decode != 0:
        also = [view.label(TENSOR)] if TENSOR in view.flags else []
        message = f"`{TENSOR}` ({tensor}) cannot be divided by `{DECODE}` ({decode})"
        yield error("flags-conflict", message, view.at(DECODE), also=also, hint=f"make `{TENSOR}` a multiple of it")


def _experts(view: View) -> Iterator[Diagnostic]:
    """Only a mixture of experts has experts to share."""
    facts = view.facts
    if facts is None or facts.architecture.layers is None or not view.is_on(EXPERTS):
        return
    if facts.architecture.experts is None:
        message = f"`{EXPERTS}` is for mixtures of experts; the model's config names no experts"
        hint = f"{view.version} refuses a model without experts: drop the flag, or correct the fact"
        yield warning("flags-conflict", message, view.at(EXPERTS), hint=hint)


def _balanced(view: View) -> Iterator[Diagnostic]:
    """Experts are balanced among cards, so there must be several."""
    if not view.is_on(BALANCED) or view.variable("VLLM_DP_SIZE") is not None:
        return
    if view.size(TENSOR) * view.size(DATA) * view.size(PREFILL) <= 1:
        message = f"`{BALANCED}` needs more than one card to balance experts on"
        yield error("flags-conflict", message, view.at(BALANCED), hint=f"set `{TENSOR}` or `{DATA}`, or drop it")


def _redundant(view: View) -> Iterator[Diagnostic]:
    """Redundant experts are there for balancing."""
    count = view.value("eplb-config", "num_redundant_experts")
    if isinstance(count, int) and count != 0 and not view.is_on(BALANCED):
        message = f"`eplb-config.num_redundant_experts` is {count}, and `{BALANCED}` is not set"
        at = view.at("eplb-config", "num_redundant_experts")
        yield error("flag-missing", message, at, hint=f"set `{BALANCED} = true`, or drop the redundant experts")


def _local(view: View) -> Iterator[Diagnostic]:
    """Of all data-parallel ranks, at most all are here; a single rank is alone here."""
    local, size = view.whole(LOCAL), view.size(DATA)
    if local is None or _is_elsewhere(view):
        return
    if RANK in view.flags and view.is_on(RANK):
        if local != 1:
            message = f"`{RANK}` starts one rank here; `{LOCAL}` says {local}"
            yield error("flags-conflict", message, view.at(LOCAL), also=[view.label(RANK)], hint="drop one of the two")
    elif local > size:
        also = [view.label(DATA)] if DATA in view.flags else []
        message = f"`{LOCAL}` ({local}) is more than `{DATA}` ({size})"
        yield error("flags-conflict", message, view.at(LOCAL), also=also, hint="the size counts the ranks everywhere")


def _rank(view: View) -> Iterator[Diagnostic]:
    """A rank is one of several, counted from 0."""
    for name in (RANK, START):
        rank, size = view.whole(name), view.size(DATA)
        if rank is None or _is_elsewhere(view):
            continue
        if name == START and (size <= 1 or RANK in view.flags or LOCAL not in view.flags):
            continue  # then it counts for nothing
        also = [view.label(DATA)] if DATA in view.flags else []
        if name == RANK and size <= 1:
            message = f"`{RANK}` is set, and `{DATA}` is {size}: there is nothing to be a rank of"
            yield error(
                "flags-conflict", message, view.at(RANK), also=also, hint=f"set `{DATA}` to the number of ranks"
            )
        elif rank >= size:
            message = f"`{name}` is {rank}; with `{DATA} = {size}` ranks go from 0 to {size - 1}"
            yield error("flags-conflict", message, view.at(name), also=also)


def _balancer(view: View) -> Iterator[Diagnostic]:
    """What each way of balancing load needs to know of this server."""
    if view.is_on(EXTERNAL) and RANK not in view.flags and view.size(NODES) <= 1:
        message = f"`{EXTERNAL}` needs `{RANK}`: the balancer outside sends requests to ranks"
        yield error("flag-missing", message, view.at(EXTERNAL))
    if view.is_on(HYBRID) and not {LOCAL, RANK, EXTERNAL} & view.flags.keys() and view.size(NODES) <= 1:
        message = f"`{HYBRID}` needs `{LOCAL}`: it balances among the ranks of this machine"
        yield error("flag-missing", message, view.at(HYBRID))


def _is_elsewhere(view: View) -> bool:
    """Whether ranks are counted in a way that the flags alone do not tell."""
    by_ray = view.text("data-parallel-backend") == "ray"
    return by_ray or view.is_on(MULTI_PORT) or view.variable("VLLM_DP_SIZE") is not None


RULES = (
    rule(_heads, TENSOR),
    rule(_cards, any_of=(TENSOR, PIPELINE, PREFILL, LOCAL, DATA)),
    rule(_decode_context, DECODE),
    rule(_experts, EXPERTS),
    rule(_balanced, BALANCED),
    rule(_redundant, "eplb-config"),
    rule(_local, LOCAL),
    rule(_rank, any_of=(RANK, START)),
    rule(_balancer, any_of=(EXTERNAL, HYBRID)),
)
