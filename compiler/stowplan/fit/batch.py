"""What vLLM decides by itself before it measures: the context, the batch, the tokens of a block.

Sources: vLLM 0.32.0, vllm/engine/arg_utils.py (`get_batch_defaults`,
`_set_default_max_num_seqs_and_batched_tokens_args`); the rows of memory.json say since when.
"""

from stowplan.fit.constants import Constants
from stowplan.fit.overhead import Batch
from stowplan.fit.settings import AUTO, FIT, Settings
from stowplan.nouns.facts import Facts
from stowplan.nouns.profile import Gpu

CPU = "cpu"
CUDA = "cuda"


def length(facts: Facts, settings: Settings) -> int | None:
    """The context in tokens: what the launch says, else the model's own; None if nobody knows."""
    asked = settings.max_model_len
    if asked is not None and asked != FIT:
        return asked
    if facts.context is None:
        return facts.architecture.max_positions
    return facts.context.default or facts.context.tokens


def batch(settings: Settings, known: Constants, gpu: Gpu | None, context: int) -> Batch:
    """Tokens and sequences that run at once, for sequences of `context` tokens at most; without a GPU, a CPU's."""
    world = settings.tensor_parallel * settings.pipeline_parallel
    tokens, sequences = settings.max_num_batched_tokens, settings.max_num_seqs
    if tokens is None or sequences is None:
        usual = _usual(known, gpu, world)
        sequences = usual.sequences if sequences is None else sequences
        if tokens is None:
            tokens = usual.tokens
            if _reads_whole(settings, known, context):
                tokens = max(tokens, context)
            tokens = min(tokens, sequences * context)
        if settings.max_num_seqs is None:
            sequences = min(sequences, tokens)
    return Batch(tokens, min(sequences, tokens))


def kv_dtype(facts: Facts, settings: Settings, known: Constants) -> str:
    """The dtype of the KV cache: what the launch says, unless the checkpoint has one, and the version takes that.

    Some versions took a checkpoint's even against what the launch says: memory.json, `checkpoint-kv-dtype`.
    """
    have = facts.quantization
    if have is None or have.kv_cache is None:
        return settings.kv_cache_dtype
    for method, when in known.checkpoint_kv_dtype.items():
        if have.method.startswith(method) and (when == "always" or settings.kv_cache_dtype == AUTO):
            return have.kv_cache
    return settings.kv_cache_dtype


def _reads_whole(settings: Settings, known: Constants, context: int) -> bool:
    """Whether a prompt is read at once, so that a batch must take the whole context."""
    if settings.chunked_prefill is not None:
        return not settings.chunked_prefill
    return settings.pooling or context <= known.prefills_whole


def _usual(known: Constants, gpu: Gpu | None, world: int) -> Batch:
    if gpu is None:
        return Batch(2048 * world, 128 * world)
    name = gpu.name.lower()
    for row in known.batches:
        if (gpu.memory or 0) >= row.memory and not any(word in name for word in row.but):
            return Batch(row.tokens, row.sequences)
    raise ValueError("memory.json: no batch for small cards")


def block(settings: Settings, known: Constants, gpu: Gpu | None, latent: bool) -> int:
    """The tokens of a block where no state layer asks for more."""
    if settings.block_size is not None:
        return settings.block_size
    platform = CPU if gpu is None else CUDA
    capability = None if gpu is None else gpu.capability
    found = 0
    for row in known.blocks:
        if row.platform == platform and (latent or not row.latent):
            found = row.size if not row.capabilities or capability in row.capabilities else found
    return found
