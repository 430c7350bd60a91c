"""Rotary positions, in all the forms config.json has had for them.

transformers 5 writes `rope_parameters`, one table or one for each kind of layer; before it was
`rope_scaling` beside `rope_theta`, with `type` for what is now `rope_type`.
"""

from stowplan.discover import knowledge
from stowplan.discover.section import Section, is_plain
from stowplan.nouns.facts import Rope


def tables(text: Section) -> list[Section]:
    """The tables of rope parameters: none, one, or one for each kind of layer, full attention's first.

    vLLM 0.32.0, vllm/transformers_utils/config.py, iter_rope_parameters.
    """
    name = "rope_scaling" if isinstance(text.values.get("rope_scaling"), dict) else "rope_parameters"
    whole = text.section(name)
    if whole is None or not whole.values:
        return []
    nested = [key for key, value in sorted(whole.values.items()) if isinstance(value, dict)]
    if not nested or "rope_type" in whole.values or "type" in whole.values:
        return [whole]
    sections = (whole.section(key) for key in sorted(nested, key=lambda key: key != "full_attention"))
    return [section for section in sections if section is not None and section.values]


def kind_of(table: Section) -> str:
    """The kind in one table, as it is called today."""
    legacy: dict[str, str] = knowledge.table("ropes")["legacy"]
    found = table.values.get("rope_type") or table.values.get("type") or "default"
    if not is_plain(found):
        table.odd("rope_type", found, "a short text")
        return "default"
    if table.values.get("type") == "mrope" or "mrope_section" in table.values:
        return "mrope" if found in ("mrope", "default") else str(found)
    return legacy.get(found, str(found))


def rope(text: Section) -> Rope | None:
    """The positions of the full-attention layers; None where config.json says nothing of them."""
    found = tables(text)
    theta = text.number("rope_theta", "rotary_emb_base")
    if not found:
        return None if theta is None else Rope(kind="default", theta=theta)
    table = found[0]
    return Rope(
        kind=kind_of(table),
        factor=table.number("factor"),
        original_max_positions=table.count("original_max_position_embeddings")
        or text.count("original_max_position_embeddings"),
        theta=table.number("rope_theta") or theta,
    )
