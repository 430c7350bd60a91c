"""How vLLM groups the layers of a cache, and how large a block of a group is.

Sources, vLLM 0.32.0: vllm/v1/core/kv_cache_utils.py (`_get_kv_cache_groups_uniform_page_size`,
`unify_kv_cache_spec_page_size`, `unify_hybrid_kv_cache_specs`, `_project_kv_cache_groups_to_worker`),
vllm/platforms/interface.py (`_align_hybrid_block_size`), vllm/distributed/utils.py (`get_pp_indices`).
"""

from collections.abc import Mapping, Sequence

from stowplan.fit.constants import Constants
from stowplan.fit.layers import CHUNKED, FULL, SLIDING, STATE, Layers
from stowplan.fit.settings import Settings

KERNEL = 16
"""Tokens: a block of an enlarged cache is a multiple (`get_supported_kernel_block_sizes` of the common backends)."""
KERNEL_LATENT = 128
"""The same for latent attention; 64 with most backends before 0.20 (vllm/model_executor/models/config.py)."""


def merged(counts: Mapping[str, int], settings: Settings, known: Constants) -> Mapping[str, str]:
    """What each kind is kept as.

    Without the hybrid manager, layers with a window or in chunks get blocks for everything, beside layers of full
    attention. Chunks switch it off by themselves where they are not allowed for.
    """
    chunks = known.keeps_chunks if settings.keeps_chunks is None else settings.keeps_chunks
    hybrid = settings.hybrid_manager is not False and (chunks or CHUNKED not in counts)
    if hybrid or FULL not in counts:
        return {kind: kind for kind in counts}
    return {kind: FULL if kind in (SLIDING, CHUNKED) else kind for kind in counts}


def enlarged(layers: Layers, known: Constants, block: int) -> int:
    """The tokens of an attention block that is no smaller than a state, where a model has layers of both."""
    token = next(size for kind, size in layers.sizes.items() if kind != STATE)
    kernel = KERNEL_LATENT if layers.latent else KERNEL
    if known.aligns_to_block:
        kernel = max(kernel, block)
    return max(block, kernel * -(-layers.sizes[STATE] // (kernel * token)))


def group_size(counts: Sequence[int], known: Constants) -> int:
    """Layers in a group: those of the rarest kind; those of the commonest where it is less than half as common
    again (since 0.18)."""
    least, most = min(counts), max(counts)
    return most if known.rounds_groups_up and most < least * 1.5 else least


def stage_bytes(
    order: Sequence[str], totals: Mapping[str, int], size: int, page: int, stages: int, draft: int
) -> tuple[int, ...]:
    """Bytes of a block on the card of each of several pipeline stages: the pages of the group with most layers there.

    `order` names the kind of each layer, `totals` how many there are of each. Groups are made of the whole model,
    every nth layer of a kind into the same one, so that each stage holds a part of each. A draft's layers, `draft`
    bytes for a block, are on the last stage.
    """
    groups = {kind: -(-count // size) for kind, count in totals.items()}
    seen = dict.fromkeys(totals, 0)
    group_of = []
    for kind in order:
        group_of.append((kind, seen[kind] % groups[kind]))
        seen[kind] += 1
    found = []
    start = 0
    for layers in stage_layers(len(order), stages):
        here = group_of[start : start + layers]
        start += layers
        found.append(max((here.count(group) for group in set(here)), default=0) * page)
    found[-1] += draft
    return tuple(found)


def stage_layers(layers: int, stages: int) -> Sequence[int]:
    """How many layers each pipeline stage has: as many as possible alike; what is left over goes to the later
    ones, but not to the last."""
    parts = [layers // stages] * stages
    for i in range(2, layers % stages + 2):
        parts[-i] += 1
    return parts


def block_tokens(kind: str, page: int, largest: int, block: int) -> int:
    """Tokens in a block of a kind: where its page is a part of the largest one, so many more; else it is padded."""
    return block * (largest // page) if kind != STATE and page and largest % page == 0 else block


def batches_in_flight(settings: Settings, known: Constants, platform: str) -> int:
    """How many batches may be under way at once, each of which holds blocks that a window has left behind.

    vLLM 0.32.0, vllm/config/vllm.py, `max_concurrent_batches`; scheduling ahead is off for poolers and on CPUs.
    """
    if not known.counts_batches_in_flight:
        return 1
    ahead = settings.async_scheduling
    if ahead is None:
        ahead = known.schedules_ahead and platform != "cpu" and not settings.pooling
    return settings.pipeline_parallel + (1 if ahead else 0)
