"""The KV cache as vLLM lays it out: layers in groups, a pool of blocks, and the blocks that a sequence takes.

The layers of one kind are cut into groups of equal size, and all groups draw on one pool; a block holds
`block_tokens` tokens in every layer of a group, so all groups' blocks are equally large, and the last group of a
kind may be padded. Sources, vLLM 0.32.0 unless said otherwise: vllm/v1/core/kv_cache_utils.py
(`get_kv_cache_groups`, `_get_kv_cache_groups_uniform_page_size`, `unify_kv_cache_spec_page_size`,
`_max_memory_usage_bytes_from_groups`, `get_kv_cache_configs`), vllm/v1/kv_cache_interface.py (the specs'
`max_memory_usage_bytes`) and vllm/platforms/interface.py (`_align_hybrid_block_size`). Which rules held in which
version stands in memory.json.
"""

from dataclasses import dataclass

from stowplan.fit.constants import Constants
from stowplan.fit.groups import (
    batches_in_flight,
    block_tokens,
    enlarged,
    group_size,
    merged,
    stage_bytes,
)
from stowplan.fit.layers import CHUNKED, CROSS, FULL, SLIDING, STATE, Layers, Unknown, prefixes_kept
from stowplan.fit.settings import Settings


@dataclass(frozen=True, slots=True)
class Share:
    """What the layers of one kind take: `groups` blocks where one is needed, of `tokens` tokens each.

    A sequence of L tokens has `reach` of them in blocks at most (None: all; 0: `fixed` blocks, whatever L), and
    `more` blocks beside. `cost` is what the check at start counts for one of its blocks, in bytes; `keeps` are the
    bytes a token keeps in all its layers, of `window` tokens at most.
    """

    kind: str
    groups: int
    tokens: int
    reach: int | None
    more: int
    cost: int
    keeps: int
    window: int | None

    def blocks(self, length: int) -> int:
        """Blocks of one group that a sequence of `length` tokens may need at once."""
        reach = length if self.reach is None else min(self.reach, length)
        return -(-reach // self.tokens) + self.more


@dataclass(frozen=True, slots=True)
class Plan:
    """How the cache of a model is laid out, on the card of each pipeline stage.

    `block_bytes` is what a block takes on a card, one number for each stage; `spare` blocks are never handed out.
    """

    shares: tuple[Share, ...]
    block_bytes: tuple[int, ...]
    spare: int
    multiplies: bool

    @property
    def empty(self) -> bool:
        """Whether nothing is kept: an encoder."""
        return not self.shares

    def token_bytes(self) -> int:
        """Bytes that one more token keeps on all cards of a stage's rank while it is in reach of every layer."""
        return sum(share.keeps for share in self.shares if share.kind != STATE)

    def kept(self, length: int) -> int:
        """Bytes that a sequence of `length` tokens keeps once it is read: those in reach, without padding."""
        total = 0
        for share in self.shares:
            tokens = min(length, share.window or length)
            if share.kind in (STATE, CROSS):
                tokens = 1 if share.kind == STATE else share.window or 0
            total += share.keeps * tokens
        return total

    def blocks(self, length: int) -> int:
        """Blocks that vLLM counts for one sequence of `length` tokens, at the worst moment of its reading."""
        total = 0
        for share in self.shares:
            total += share.groups * share.blocks(length)
        return total

    def needed(self, length: int, stage: int = 0) -> int:
        """Bytes of the pool that the check at start wants for one sequence of `length` tokens."""
        total = self.spare * self.block_bytes[0]
        for share in self.shares:
            total += share.cost * share.blocks(length)
        return total if stage == 0 or self.empty else total * self.block_bytes[stage] // self.block_bytes[0]

    def pool(self, memory: int, stage: int = 0) -> int:
        """Blocks in `memory` bytes on the card of a stage."""
        return memory // self.block_bytes[stage] if memory > 0 and self.shares else 0

    def concurrency(self, blocks: int, length: int) -> float:
        """How many sequences of `length` tokens a pool of `blocks` blocks holds, as vLLM logs it."""
        needed = self.blocks(length)
        return blocks / needed if needed else float("inf")

    def tokens(self, blocks: int, length: int) -> int:
        """What vLLM logs as "GPU KV cache size" of a pool of `blocks`, for sequences of `length` tokens.

        Since 0.21 that is the concurrency times the length; before, the blocks of one group times their tokens.
        """
        if self.multiplies:
            return int(self.concurrency(blocks, length) * length)
        return blocks // sum(share.groups for share in self.shares) * min(share.tokens for share in self.shares)

    def longest(self, blocks: int, most: int) -> int:
        """The longest sequence, of `most` tokens at most, that a pool of `blocks` blocks lets start; 0 if none."""
        shares = self.shares
        if not shares:
            return most
        memory = (blocks - self.spare) * self.block_bytes[0]
        rising = None
        saturated = 0
        for share in shares:
            if share.reach is None:
                rising = share
                continue
            saturated = max(saturated, share.reach)
            memory -= share.cost * share.blocks(share.reach)
        if rising is not None:
            length = memory // rising.cost * rising.tokens
            if len(shares) == 1 or length >= saturated:
                return max(0, min(length, most))
        elif memory >= 0:
            return most
        return self._shorter(blocks * self.block_bytes[0], min(most, saturated))

    def _shorter(self, memory: int, most: int) -> int:
        """The longest sequence where it is shorter than some window reaches: by halving."""
        if self.needed(1) > memory:
            return 0
        low, high = 1, most
        while low < high:
            middle = (low + high + 1) // 2
            if self.needed(middle) <= memory:
                low = middle
            else:
                high = middle - 1
        return low


NO_CACHE = Plan((), (0,), 0, False)


def plan(
    layers: Layers, settings: Settings, known: Constants, batch: int, block: int, platform: str = "cuda"
) -> Plan | Unknown:
    """How vLLM lays out the cache of those layers.

    `batch` are the tokens of a batch at most, `block` the tokens of a block where no state layer asks for more.
    """
    counts = layers.counts
    if not counts:
        return NO_CACHE
    draft, stages = sum(layers.draft), settings.pipeline_parallel
    spare, multiplies = 1 if known.keeps_null_block else 0, known.multiplies_concurrency
    if len(counts) == 1 and FULL in counts:
        count, token = counts[FULL], layers.sizes[FULL]
        whole = sum(layers.uneven) or count * token
        sizes: tuple[int, ...] = ((whole + draft) * block,)
        if stages > 1:
            sizes = stage_bytes(layers.order(), counts, count, token * block, stages, draft * block)
        share = Share(FULL, 1, block, None, 0, sizes[0], whole + draft, None)
        return Plan((share,), sizes, spare, multiplies)
    if draft:
        return Unknown(("how a draft's layers are grouped with layers of several kinds is not followed here",))
    if STATE in counts:
        if settings.state_mode == "all":
            return Unknown(("`mamba-cache-mode all` makes blocks of a size that is not in the facts",))
        if len(counts) > 1:
            block = enlarged(layers, known, block)
    if settings.hybrid_manager is False and len(counts) > 1 and (STATE in counts or CROSS in counts):
        return Unknown(("its layers need the hybrid KV cache manager, which is switched off",))
    as_kind = merged(counts, settings, known)
    totals: dict[str, int] = {}
    keeps: dict[str, int] = {}
    for old, count in counts.items():
        kind = as_kind[old]
        totals[kind] = totals.get(kind, 0) + count
        keeps[kind] = keeps.get(kind, 0) + count * layers.sizes[old]
    pages = {kind: layers.sizes[kind] * (1 if kind == STATE else block) for kind in totals}
    page = max(pages.values())
    size = group_size(tuple(totals.values()), known)
    sizes = (size * page,)
    if stages > 1:
        sizes = stage_bytes([as_kind[kind] for kind in layers.order()], totals, size, page, stages, 0)
    in_flight = batch * batches_in_flight(settings, known, platform)
    for_encoder = batch if known.keeps_batch_for_encoder else layers.encoder_tokens
    shares = []
    for kind, count in totals.items():
        groups = -(-count // size)
        reach, more, window = _reach(kind, layers, settings, known, in_flight, for_encoder, block)
        cost = groups * sizes[0] if known.checks_groups or len(totals) == 1 else count * page
        shares.append(
            Share(kind, groups, block_tokens(kind, pages[kind], page, block), reach, more, cost, keeps[kind], window)
        )
    return Plan(tuple(shares), sizes, spare, multiplies)


def _reach(
    kind: str, layers: Layers, settings: Settings, known: Constants, in_flight: int, for_encoder: int, block: int
) -> tuple[int | None, int, int | None]:
    """How many tokens of a sequence are in blocks at most, how many blocks there are beside, and the window."""
    if kind == SLIDING:
        # one more block: a window need not begin where a block does
        return layers.window - 1 + in_flight, 1, layers.window
    if kind == CHUNKED:
        return layers.chunk + in_flight, 0, layers.chunk
    if kind == CROSS:
        return 0, -(-for_encoder // block), layers.encoder_tokens
    if kind == STATE:
        # a model of state layers alone caches no prefixes
        if len(layers.sizes) > 1 and prefixes_kept(settings, known):
            return 0, 2 + settings.draft_tokens + (layers.state in known.checkpointed_states), None
        return 0, 1 + settings.draft_tokens, None
    return None, 0, None
