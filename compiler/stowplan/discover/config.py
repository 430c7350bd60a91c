"""config.json → the architecture's numbers, from wherever the model nests them."""

from typing import Any

from stowplan.discover import knowledge
from stowplan.discover.attention import attention, sliding_window
from stowplan.discover.files import MIB, Folder
from stowplan.discover.heads import Heads
from stowplan.discover.images import with_largest_image
from stowplan.discover.rope import rope
from stowplan.discover.section import Section, is_plain
from stowplan.discover.states import state
from stowplan.nouns.facts import Architecture, Experts, Mla, Tower

MAX_CONFIG = 4 * MIB


def top(folder: Folder, values: dict[str, Any]) -> Section:
    """The whole of a config.json as a section."""
    model_type = values.get("model_type")
    return Section(folder, values, (), model_type if is_plain(model_type) else None)


def text_section(config: Section) -> Section:
    """The part that describes the language model: a nested one, else the whole.

    For a flat config of a model that transformers nests (Qwen2-VL as published) the nested type's
    assumptions hold.
    """
    paths = knowledge.table("text_sections")["paths"]
    for path in paths:
        nested = config.section(*path)
        if nested is not None:
            return nested
    known = knowledge.assumed(config.model_type).get("sections", {})
    flat = next((known[path[0]] for path in paths if path[0] in known), None)
    return config if flat is None else Section(config.folder, config.values, (), flat)


def architecture(config: Section) -> Architecture:
    """All numbers of the architecture; what is absent or odd is left out."""
    names = knowledge.table("names")
    text = text_section(config)
    layers = text.count(*names["layers"])
    heads, hidden_size = text.count(*names["heads"]), text.count(*names["hidden_size"])
    mla = _mla(text)
    kv_heads, head_dim = _kv_heads(text) or heads, _head_dim(text, hidden_size, heads, mla)
    value_dim = None if mla is not None else text.count("v_head_dim")
    value_dim = None if value_dim == head_dim else value_dim
    if mla is not None and text.model_type in knowledge.table("latent")["kept_by_head"]:
        kv_heads, head_dim, mla = heads, (mla.qk_nope_head_dim or 0) + mla.qk_rope_head_dim, None
    encoded = any(section.truth("is_encoder_decoder") for section in (text, config))
    attends = attention(text, layers, encoded, heads, Heads(kv_heads, head_dim, value_dim))
    return Architecture(
        names=config.texts("architectures"),
        model_type=config.text("model_type"),
        dtype=_dtype(config, text),
        layers=layers,
        hidden_size=hidden_size,
        intermediate_size=text.count(*names["intermediate_size"]),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        value_dim=value_dim,
        vocab_size=text.count(*names["vocab_size"]),
        tied_embeddings=_tied(config, text),
        max_positions=text.count(*knowledge.table("context")["keys"]),
        sliding_window=sliding_window(text),
        chunk_size=text.count("attention_chunk_size"),
        attention=attends,
        kv_shared_layers=text.count("num_kv_shared_layers"),
        draft_layers=text.count(*names["draft_layers"]),
        encoder_tokens=text.count("max_source_positions") if encoded else None,
        state=state(text, attends, hidden_size, head_dim),
        unfollowed=tuple(key for key in knowledge.table("unfollowed")["keys"] if text.values.get(key)),
        rope=rope(text),
        mla=mla,
        experts=_experts(text),
        vision=with_largest_image(tower(config, "vision"), config),
        audio=tower(config, "audio"),
        remote_code=True if config.values.get("auto_map") else None,
    )


def tower(config: Section, kind: str) -> Tower | None:
    """The encoder of a kind (`vision`, `audio`) beside the language model, if config.json has one."""
    table = knowledge.table("towers")
    for path in table[kind]:
        found = config.section(*path)
        if found is not None:
            single = {field: names for field, names in table["names"].items() if _is_single(found, names)}
            numbers = {field: found.count(*names) for field, names in single.items()}
            return Tower(model_type=found.text("model_type"), **numbers)
    return None


def _is_single(section: Section, names: list[str]) -> bool:
    """Some towers give sizes per side or per stage, as lists; those are no single number, and not odd."""
    return not any(isinstance(section.values.get(name), (list, dict)) for name in names)


def _tied(config: Section, text: Section) -> bool | None:
    key = "tie_word_embeddings"
    stated = next((section for section in (text, config) if key in section.values), None)
    if stated is not None:
        return stated.truth(key)
    assumed = config.truth(key)
    return text.truth(key) if assumed is None else assumed


def _dtype(config: Section, text: Section) -> str | None:
    """As vLLM 0.32.0 looks for it: model_arch_config_convertor.py, get_torch_dtype."""
    places = (config, text, config.section("vision_config"), config.section("encoder_config"))
    for place in places:
        if place is not None and (found := place.text("dtype", "torch_dtype")) is not None:
            return found.removeprefix("torch.")
    return None


def _kv_heads(text: Section) -> int | None:
    """Falcon and DBRX have words of their own (vLLM 0.32.0, model_arch_config_convertor.py)."""
    if text.values.get("multi_query") is True and not text.values.get("new_decoder_architecture"):
        return 1
    nested = text.section("attn_config") if isinstance(text.values.get("attn_config"), dict) else None
    if nested is not None and (found := nested.count("kv_n_heads")) is not None:
        return found
    return text.count(*knowledge.table("names")["kv_heads"])


def _head_dim(text: Section, hidden_size: int | None, heads: int | None, mla: Mla | None) -> int | None:
    names = knowledge.table("names")["head_dim"]
    if mla is not None:
        return text.count(*names) if any(name in text.values for name in names) else None
    explicit = text.count(*names)
    return hidden_size // heads or None if explicit is None and hidden_size and heads else explicit


def _mla(text: Section) -> Mla | None:
    rank, rope_dim = text.count("kv_lora_rank"), text.count("qk_rope_head_dim")
    if rank is None or rope_dim is None:
        return None
    return Mla(
        kv_lora_rank=rank,
        qk_rope_head_dim=rope_dim,
        qk_nope_head_dim=text.count("qk_nope_head_dim"),
        v_head_dim=text.count("v_head_dim"),
        q_lora_rank=text.count("q_lora_rank"),
    )


def _experts(text: Section) -> Experts | None:
    names = knowledge.table("names")
    count = text.count(*names["experts"])
    if count is None:
        return None
    return Experts(
        count=count,
        per_token=text.count(*names["experts_per_token"]),
        shared=text.count(*names["experts_shared"]),
        intermediate_size=text.count(*names["experts_intermediate_size"]),
    )
