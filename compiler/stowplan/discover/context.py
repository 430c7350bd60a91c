"""The longest context a model takes by itself, as vLLM derives it.

vLLM 0.32.0, vllm/config/model.py, `_get_and_verify_max_len`, and `derive_max_model_len_and_key` in
vllm/transformers_utils/model_arch_config_convertor.py: the smallest of the keys that tell a length, or
`model_max_length` in config.json if there is one; for an embedding model with absolute positions at
most the tokenizer's `model_max_length`; times the rope's factor, unless the rope is of a kind (or the
model of a type) whose lengths are scaled already; and sentence-transformers' `max_seq_length` over all.
"""

from collections.abc import Iterable

from stowplan.discover import knowledge
from stowplan.discover.files import MIB, Folder
from stowplan.discover.rope import kind_of, tables
from stowplan.discover.section import CONFIG, Section, is_count
from stowplan.nouns.facts import Context
from stowplan.words.keypath import format_keypath


def context(text: Section, tokenizer_length: int | None) -> Context | None:
    """The longest context in tokens; None where nothing tells (vLLM then takes any that is asked for).

    `tokenizer_length` is the tokenizer's `model_max_length` where vLLM heeds it (`heeded`).
    """
    encoder = _encoder_length(text.folder)
    if encoder is not None:
        return encoder
    found = _stated(text)
    if found is None:
        return None
    tokens, evidence = found
    if tokenizer_length is not None and tokenizer_length < tokens:
        tokens, evidence = tokenizer_length, f"tokenizer_config.json: model_max_length = {tokenizer_length}"
    factor = _factor(text)
    if factor != 1.0:
        tokens, evidence = int(tokens * factor), f"{evidence}, times the rope factor {factor:g}"
    return Context(tokens=tokens, evidence=evidence, default=_default(text, tokens))


def heeded(config: Section, tokenizer_length: int | None, capabilities: Iterable[str]) -> int | None:
    """The tokenizer's length for a model that does not write text and has absolute positions, else None."""
    absolute = config.values.get("position_embedding_type") == "absolute"
    return tokenizer_length if absolute and "text" not in capabilities else None


def _stated(text: Section) -> tuple[int, str] | None:
    table = knowledge.table("context")
    lengths = []
    for key in table["keys"]:
        found = text.find(key)
        if found is None or (tokens := text.count(key)) is None:
            continue
        name = format_keypath((*text.path, found[0]))
        said = f"{CONFIG}: {name} = {tokens}"
        if found[2]:
            version = knowledge.transformers_version()
            said = f"{name} = {tokens}, which transformers {version} assumes for {text.model_type}"
        lengths.append((key != table["wins"], tokens, said))
    return min(lengths)[1:] if lengths else None


def _factor(text: Section) -> float:
    table = knowledge.table("context")
    if table["unscaled_types"] in (text.model_type or ""):
        return 1.0
    factor = 1.0
    for rope in tables(text):
        if kind_of(rope) not in table["unscaled_ropes"]:
            factor = rope.number("factor") or factor
    return factor


def _default(text: Section, tokens: int) -> int | None:
    """Where positions are `longrope`, vLLM takes only the original length unless asked for more."""
    if not any(kind_of(rope) == "longrope" for rope in tables(text)):
        return None
    original = text.count("original_max_position_embeddings")
    return original if original is not None and original < tokens else None


def _encoder_length(folder: Folder) -> Context | None:
    for file in knowledge.table("context")["encoder_files"]:
        found = folder.json_object(file, MIB)
        if not found:
            continue
        tokens = found.get("max_seq_length")
        if is_count(tokens):
            return Context(tokens=int(tokens), evidence=f"{file}: max_seq_length = {tokens}")
        if tokens is not None:
            folder.odd(file, ("max_seq_length",), "is no whole number above zero")
        return None
    return None
