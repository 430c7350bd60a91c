"""One model folder → its facts. What it is called and what was known before play no part."""

from collections.abc import Mapping
from typing import Any

from stowplan.discover.capabilities import capabilities
from stowplan.discover.config import MAX_CONFIG, architecture, text_section, top
from stowplan.discover.context import context, heeded
from stowplan.discover.files import MIB, Folder
from stowplan.discover.listing import files
from stowplan.discover.origin import license_of, source
from stowplan.discover.quantization import quantization
from stowplan.discover.safetensors import Header
from stowplan.discover.section import CONFIG, is_count, is_plain
from stowplan.discover.sentence import embedding
from stowplan.discover.templates import MAX_TOKENIZER, TOKENIZER, templates
from stowplan.discover.weights import weights
from stowplan.nouns.facts import Facts, Location, ModelFile, Tokenizer
from stowplan.words.diagnostic import has_errors

GENERATION = "generation_config.json"
_LONGEST_LIST = 64
_NO_LIMIT = 10**9
"""A tokenizer that knows no limit claims a length of 10**30."""


def facts(folder: Folder) -> Facts | None:
    """All that the folder's files tell; None where an error was noted in `folder.problems`."""
    listed = files(folder)
    values = folder.json_object(CONFIG, MAX_CONFIG)
    config = top(folder, values or {})
    numbers = architecture(config)
    held, headers = weights(folder, listed, numbers.layers if numbers.draft_layers else None)
    if values is None or held is None or has_errors(folder.problems):
        return None
    text = text_section(config)
    tokenizer = folder.json_object(TOKENIZER, MAX_TOKENIZER) or {}
    chat = templates(folder, tokenizer)
    vectors = embedding(folder, numbers.hidden_size)
    abilities = capabilities(config, numbers, vectors, chat)
    tokenizer_length = _length(tokenizer)
    found = Facts(
        source=source(folder, config, listed),
        location=Location(root=folder.root, path=folder.path),
        weights=held,
        architecture=numbers,
        context=context(text, heeded(config, tokenizer_length, abilities)),
        quantization=quantization(config, text),
        capabilities=dict(sorted(abilities.items())),
        templates=tuple(item.template for item in chat),
        tokenizer=_tokenizer(tokenizer, tokenizer_length),
        embedding=vectors,
        generation=_generation(folder),
        family=numbers.model_type,
        license=license_of(folder),
        files=tuple(_file(folder, path, size, headers) for path, size in listed.items()),
    )
    return None if has_errors(folder.problems) else found


def _file(folder: Folder, path: str, size: int, headers: Mapping[str, Header]) -> ModelFile:
    header = headers.get(path)
    digest = None if header is None else header.sha256
    return ModelFile(path=path, size=size, header_sha256=digest, sha256=folder.digests.get(path))


def _length(tokenizer: dict[str, Any]) -> int | None:
    length = tokenizer.get("model_max_length")
    return int(length) if is_count(length) and length < _NO_LIMIT else None


def _tokenizer(values: dict[str, Any], length: int | None) -> Tokenizer | None:
    kind = values.get("tokenizer_class")
    found = Tokenizer(kind=kind if is_plain(kind) else None, max_length=length)
    return None if found == Tokenizer() else found


def _generation(folder: Folder) -> dict[str, Any]:
    """generation_config.json: numbers, truths, short texts and short lists of them."""
    values = folder.json_object(GENERATION, MIB) or {}
    kept = {}
    for key, value in sorted(values.items()):
        if key.startswith("_") or key == "transformers_version" or value is None:
            continue
        items = value if isinstance(value, list) else [value]
        if is_plain(key) and len(items) <= _LONGEST_LIST and all(_is_scalar(item) for item in items):
            kept[key] = value
        else:
            folder.odd(GENERATION, (key,), "is no number, truth, short text or short list of them")
    return kept


def _is_scalar(value: Any) -> bool:
    if isinstance(value, bool) or is_plain(value):
        return True
    return isinstance(value, (int, float)) and abs(value) < 1 << 53  # which no infinity is, and no NaN
