"""The models that memory points name: the numbers of their published config.json, and the tensors these imply.

The bytes of a checkpoint are counted from its shapes, as its safetensors headers would give them; where the total
that its index states is known, `stated` holds it and a test compares.
"""

from dataclasses import dataclass
from typing import Any

from stowplan.nouns.facts import (
    Architecture,
    Context,
    Experts,
    Facts,
    LayerRun,
    Location,
    Mla,
    ModelSource,
    Quantization,
    Rope,
    Tower,
    Weights,
)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model's numbers; `bits` of its linear layers where it is quantised, `stated` its index's total in bytes."""

    layers: int
    hidden: int
    inner: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    positions: int
    tied: bool = False
    bias: bool = False
    window: int | None = None
    every: int | None = None
    experts: tuple[int, int, int, int] | None = None
    """Count, for a token, inner size, inner size of what is shared."""
    dense: int = 0
    """Leading layers without experts."""
    mla: Mla | None = None
    tower: tuple[str, int, int, int] | None = None
    """Type, layers, hidden size, inner size."""
    rope: Rope = Rope(kind="default")  # noqa: RUF009
    bits: float | None = None
    method: str | None = None
    family: str
    stated: int | None = None


def _qwen3(layers: int, hidden: int, inner: int, heads: int, stated: int) -> Model:
    return Model(
        family="qwen3", layers=layers, hidden=hidden, inner=inner, heads=heads, kv_heads=8, head_dim=128,
        vocab=151936, positions=40960, stated=stated,
    )  # fmt: skip


_LLAMA_8B: dict[str, Any] = {
    "family": "llama", "layers": 32, "hidden": 4096, "inner": 14336, "heads": 32, "kv_heads": 8, "head_dim": 128,
    "vocab": 128256, "positions": 131072,
}  # fmt: skip
_LLAMA_70B: dict[str, Any] = {**_LLAMA_8B, "layers": 80, "hidden": 8192, "inner": 28672, "heads": 64}
_QWEN2_7B: dict[str, Any] = {
    "family": "qwen2", "layers": 28, "hidden": 3584, "inner": 18944, "heads": 28, "kv_heads": 4, "head_dim": 128,
    "vocab": 152064, "positions": 32768, "bias": True,
}  # fmt: skip
_MISTRAL_24B: dict[str, Any] = {
    "family": "mistral3", "layers": 40, "hidden": 5120, "inner": 32768, "heads": 32, "kv_heads": 8, "head_dim": 128,
    "vocab": 131072, "positions": 131072, "tower": ("pixtral", 24, 1024, 4096),
}  # fmt: skip
_GEMMA2: dict[str, Any] = {
    "family": "gemma2", "head_dim": 256, "vocab": 256000, "positions": 8192, "tied": True, "window": 4096, "every": 2,
}  # fmt: skip
_GEMMA3: dict[str, Any] = {
    "family": "gemma3", "vocab": 262208, "positions": 131072, "tied": True, "window": 1024, "every": 6,
    "tower": ("siglip_vision_model", 27, 1152, 4304), "rope": Rope(kind="linear", factor=8.0),
}  # fmt: skip
_GRANITE: dict[str, Any] = {
    "family": "granite",
    "layers": 40,
    "heads": 32,
    "kv_heads": 8,
    "positions": 131072,
    "tied": True,
}

MODELS: dict[str, Model] = {
    "meta-llama/Llama-3.1-8B-Instruct": Model(**_LLAMA_8B, stated=16060522496),
    "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16": Model(**_LLAMA_8B, bits=4.125, method="compressed-tensors"),
    "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic": Model(**_LLAMA_70B, bits=8, method="compressed-tensors"),
    "Qwen/Qwen2.5-7B-Instruct": Model(**_QWEN2_7B, stated=15231233024),
    "Qwen/Qwen2.5-7B-Instruct-AWQ": Model(**_QWEN2_7B, bits=4.156, method="awq"),
    "Qwen/Qwen2-VL-7B-Instruct": Model(**{**_QWEN2_7B, "family": "qwen2_vl"}, tower=("qwen2_vl", 32, 1280, 5120)),
    "lingshu-medical-mllm/Lingshu-32B": Model(
        family="qwen2_5_vl", layers=64, hidden=5120, inner=27648, heads=40, kv_heads=8, head_dim=128,
        vocab=152064, positions=128000, bias=True, tower=("qwen2_5_vl", 32, 1280, 3456),
    ),
    "moonshotai/Kimi-Dev-72B": Model(
        family="qwen2", layers=80, hidden=8192, inner=29568, heads=64, kv_heads=8, head_dim=128,
        vocab=152064, positions=131072, bias=True, stated=145412407296,
    ),
    "Qwen/Qwen3-8B": _qwen3(36, 4096, 12288, 32, 16381470720),
    "Qwen/Qwen3-14B": _qwen3(40, 5120, 17408, 40, 29536614400),
    "Qwen/Qwen3-32B": _qwen3(64, 5120, 25600, 64, 65524246528),
    "ibm-granite/granite-3.1-2b-instruct": Model(**_GRANITE, hidden=2048, inner=8192, head_dim=64, vocab=49155),
    "ibm-granite/granite-3.1-8b-instruct": Model(**_GRANITE, hidden=4096, inner=12800, head_dim=128, vocab=49155),
    "ibm-granite/granite-vision-3.3-2b": Model(
        **{**_GRANITE, "family": "granite-vision"}, hidden=2048, inner=8192, head_dim=64, vocab=49156,
        tower=("siglip_vision_model", 27, 1152, 4304),
    ),
    "mistralai/Mixtral-8x7B-Instruct-v0.1": Model(
        family="mixtral", layers=32, hidden=4096, inner=14336, heads=32, kv_heads=8, head_dim=128, vocab=32000,
        positions=32768, experts=(8, 2, 14336, 0), stated=93405585408,
    ),
    "mistralai/Mistral-Small-3.2-24B-Instruct-2506": Model(**_MISTRAL_24B),
    "RedHatAI/Mistral-Small-3.1-24B-Instruct-2503-FP8-dynamic": Model(
        **_MISTRAL_24B, bits=8, method="compressed-tensors"
    ),
    "mistralai/Mistral-7B-Instruct-v0.3": Model(
        family="mistral", layers=32, hidden=4096, inner=14336, heads=32, kv_heads=8, head_dim=128, vocab=32768,
        positions=32768, stated=14496047104,
    ),
    "Qwen/Qwen1.5-MoE-A2.7B": Model(
        family="qwen2_moe", layers=24, hidden=2048, inner=5632, heads=16, kv_heads=16, head_dim=128, vocab=151936,
        positions=8192, bias=True, experts=(60, 4, 1408, 5632), stated=28631568384,
    ),
    "moonshotai/Kimi-VL-A3B-Instruct": Model(
        family="kimi_vl", layers=27, hidden=2048, inner=11264, heads=16, kv_heads=16, head_dim=192, vocab=163840,
        positions=131072, experts=(64, 6, 1408, 2816), dense=1,
        mla=Mla(kv_lora_rank=512, qk_rope_head_dim=64, qk_nope_head_dim=128, v_head_dim=128),
        tower=("moonvit", 27, 1152, 4304),
    ),
    "google/gemma-2-2b-it": Model(
        **_GEMMA2, layers=26, hidden=2304, inner=9216, heads=8, kv_heads=4, stated=5228683776
    ),
    "google/gemma-2-9b-it": Model(
        **_GEMMA2, layers=42, hidden=3584, inner=14336, heads=16, kv_heads=8, stated=18483411968
    ),
    "google/gemma-3-4b-it": Model(
        **_GEMMA3, layers=34, hidden=2560, inner=10240, heads=8, kv_heads=4, head_dim=256, stated=8600158944
    ),
    "google/gemma-3-27b-it": Model(
        **_GEMMA3, layers=62, hidden=5376, inner=21504, heads=32, kv_heads=16, head_dim=128, stated=54864812256
    ),
    "openai/gpt-oss-20b": Model(
        family="gpt_oss", layers=24, hidden=2880, inner=2880, heads=64, kv_heads=8, head_dim=64, vocab=201088,
        positions=131072, bias=True, window=128, every=2, experts=(32, 4, 2880, 0), bits=4.25, method="mxfp4",
        stated=13761264768,
    ),
}  # fmt: skip
"""By the repository's name."""

ALIASES = {
    "meta-llama/Llama-3.1-8B": "meta-llama/Llama-3.1-8B-Instruct",
    "Llama-3.1-8B": "meta-llama/Llama-3.1-8B-Instruct",
    "meta-llama/Llama-3.1-8B (bf16)": "meta-llama/Llama-3.1-8B-Instruct",
    "Llama-3.1-8B-shape merged bf16 (131072 B/token)": "meta-llama/Llama-3.1-8B-Instruct",
    "RedHatAI/Llama-3.3-70B-Instruct-fp8-dynamic": "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic",
    "Qwen2.5-7B fp16 (57344 B/token)": "Qwen/Qwen2.5-7B-Instruct",
    "Qwen2.5-7B 4-bit (exact repo not shown)": "Qwen/Qwen2.5-7B-Instruct-AWQ",
    "Qwen2-VL-7B fine-tune bf16": "Qwen/Qwen2-VL-7B-Instruct",
    "Qwen3-8B fine-tune bf16": "Qwen/Qwen3-8B",
    "lingshu-medical-mllm/Lingshu-32B (Qwen2.5-VL-32B shape)": "lingshu-medical-mllm/Lingshu-32B",
    "google/gemma-3-27b-it (tp=4)": "google/gemma-3-27b-it",
}
"""What points call them otherwise."""


def family_of(name: str) -> str | None:
    """The family of a point's model, None for one that is not known here."""
    model = MODELS.get(ALIASES.get(name, name))
    return None if model is None else model.family


def facts_of(name: str) -> Facts | None:
    """The facts of a point's model, None for one that is not known here."""
    model = MODELS.get(ALIASES.get(name, name))
    return None if model is None else facts(model)


def facts(model: Model) -> Facts:
    """The facts of a model."""
    return Facts(
        source=ModelSource(provider="huggingface"),
        location=Location(root="weights", path="x"),
        weights=weights(model),
        architecture=Architecture(
            dtype="bfloat16",
            layers=model.layers,
            hidden_size=model.hidden,
            intermediate_size=model.inner,
            heads=model.heads,
            kv_heads=model.kv_heads,
            head_dim=None if model.mla else model.head_dim,
            vocab_size=model.vocab,
            tied_embeddings=model.tied,
            max_positions=model.positions,
            sliding_window=model.window,
            attention=_attention(model),
            rope=model.rope,
            mla=model.mla,
            experts=_experts(model),
            vision=_tower(model),
        ),
        context=Context(tokens=model.positions, evidence="config.json"),
        quantization=Quantization(method=model.method, bits=int(model.bits or 0)) if model.method else None,
    )


def _attention(model: Model) -> tuple[LayerRun, ...]:
    if model.every is None:
        return (LayerRun(kind="full", count=model.layers),)
    kinds = ["sliding" if (i + 1) % model.every else "full" for i in range(model.layers)]
    return tuple(LayerRun(kind=kind, count=1) for kind in kinds)


def _experts(model: Model) -> Experts | None:
    if model.experts is None:
        return None
    return Experts(count=model.experts[0], per_token=model.experts[1], intermediate_size=model.experts[2])


def _tower(model: Model) -> Tower | None:
    if model.tower is None:
        return None
    return Tower(model_type=model.tower[0], layers=model.tower[1], hidden_size=model.tower[2])


def weights(model: Model) -> Weights:
    """The tensors' bytes by group and dtype, counted from the shapes."""
    linear, plain, experts = _layer_elements(model)
    size = 2.0 if model.bits is None else model.bits / 8
    only_experts = model.method == "mxfp4"
    layers = int(linear * (2 if only_experts else size)) + 2 * plain
    routed = int(experts * size) + (_expert_biases(model) if only_experts else 0)
    embedding = 2 * model.vocab * model.hidden
    groups = {"layers": layers, "embedding": embedding, "other": 2 * model.hidden}
    if routed:
        groups["experts"] = routed
    if not model.tied:
        groups["head"] = embedding
    if model.tower is not None:
        groups["vision"] = 2 * _tower_elements(model)
    total = sum(groups.values())
    dtypes = {"BF16": total} if model.bits is None else {}
    return Weights(format="safetensors", bytes=total, groups=dict(sorted(groups.items())), dtypes=dtypes)


def _layer_elements(model: Model) -> tuple[int, int, int]:
    """Elements of the linear layers, of what is never quantised, and of the experts, of all layers together."""
    hidden = model.hidden
    queries = model.heads * model.head_dim
    if model.mla is not None:
        value = model.mla.v_head_dim or 0
        nope = model.mla.qk_nope_head_dim or 0
        rank = model.mla.kv_lora_rank
        attention = hidden * queries + hidden * (rank + model.mla.qk_rope_head_dim)
        attention += rank * model.heads * (nope + value) + model.heads * value * hidden
    else:
        keys = model.kv_heads * model.head_dim
        attention = 2 * hidden * queries + 2 * hidden * keys
    biases = (model.heads + 2 * model.kv_heads) * model.head_dim if model.bias else 0
    norms = model.layers * (4 * hidden + biases)
    if model.experts is None:
        return model.layers * (attention + 3 * hidden * model.inner), norms, 0
    count, _, inner, shared = model.experts
    sparse = model.layers - model.dense
    linear = model.layers * attention + sparse * 3 * hidden * shared + model.dense * 3 * hidden * model.inner
    return linear, norms + sparse * hidden * (count + 1), sparse * count * 3 * hidden * inner


def _expert_biases(model: Model) -> int:
    assert model.experts is not None
    count, _, inner, _ = model.experts
    return 2 * model.layers * count * (2 * inner + model.hidden)


def _tower_elements(model: Model) -> int:
    """A vision tower's elements, near enough: its layers, and a projector of twice its width."""
    assert model.tower is not None
    kind, layers, hidden, inner = model.tower
    gated = kind in {"pixtral", "qwen2_5_vl"}
    each = 4 * hidden * hidden + (3 if gated else 2) * hidden * inner
    if kind == "siglip_vision_model":
        return layers * each + hidden * model.hidden
    merged = 4 * hidden
    return layers * each + merged * merged + merged * model.hidden
