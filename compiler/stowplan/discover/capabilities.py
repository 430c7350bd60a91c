"""What a model can do, each with the evidence for it.

An embedding model is one by its modules.json, whatever its architecture is called: Qwen3-Embedding
is a `Qwen3ForCausalLM`. Marks in chat templates are looked for in their text; nothing is rendered.
"""

from collections.abc import Iterator, Sequence

from stowplan.discover import knowledge
from stowplan.discover.section import CONFIG, Section
from stowplan.discover.sentence import MODULES
from stowplan.discover.templates import TemplateText
from stowplan.nouns.facts import Architecture, Embedding


def capabilities(
    config: Section,
    architecture: Architecture,
    embedding: Embedding | None,
    templates: Sequence[TemplateText],
) -> dict[str, str]:
    """Capability → evidence, of those in `nouns.facts.CAPABILITIES` that there is evidence for."""
    found = dict(_senses(config, architecture))
    purpose = _purpose(config, next(iter(architecture.names), ""), embedding)
    if purpose is not None:
        found[purpose[0]] = purpose[1]
    if "text" in found:
        found |= _habits(templates)
    return found


def _purpose(config: Section, name: str, embedding: Embedding | None) -> tuple[str, str] | None:
    """What comes out: text, vectors or a rank. The endings are vLLM's (0.32.0, _SUFFIX_TO_DEFAULTS)."""
    if embedding is not None:
        return "embedding", f"{MODULES}: a pooling module"
    table = knowledge.table("capabilities")
    said = f"{CONFIG}: architectures `{name}`"
    if name.endswith(tuple(table["generates"])):
        return None if any(key in config.values for key in table["speech_keys"]) else ("text", said)
    if name.endswith(tuple(table["classifies"])):
        return ("reranking", f"{said}, one label") if _labels(config) == 1 else None
    if name.endswith(tuple(table["embeds"])):
        return "embedding", said
    return None


def _labels(config: Section) -> int | None:
    """How many classes; silence means two (transformers 5.19.0, PreTrainedConfig.num_labels)."""
    named = config.values.get("id2label")
    return len(named) if isinstance(named, dict) else config.count("num_labels")


def _senses(config: Section, architecture: Architecture) -> Iterator[tuple[str, str]]:
    """What goes in beside text: an encoder for it stands in config.json."""
    towers = {"vision": architecture.vision, "audio": architecture.audio}
    for sense, tower in towers.items():
        if tower is not None:
            paths = knowledge.table("towers")[sense]
            path = next(path for path in paths if config.section(*path) is not None)
            yield sense, f"{CONFIG}: {'.'.join(path)}"
    if architecture.audio is None:
        for key in knowledge.table("capabilities")["speech_keys"]:
            if key in config.values:
                yield "audio", f"{CONFIG}: {key}"


def _habits(templates: Sequence[TemplateText]) -> Iterator[tuple[str, str]]:
    """Tools and reasoning, by marks in the text of a template."""
    table = knowledge.table("capabilities")
    for habit, marks in (("tools", table["tool_markers"]), ("reasoning", table["reasoning_markers"])):
        for template in templates:
            mark = next((mark for mark in marks if mark in template.text), None)
            if mark is not None:
                yield habit, f"{template.template.file}: `{mark}`"
                break
