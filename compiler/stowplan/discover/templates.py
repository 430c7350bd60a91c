"""Chat templates: where a model keeps them, and which holds. They are never rendered here.

The order is that of transformers 5.19.0 (tokenization_utils_base.py, processing_utils.py), which vLLM
follows (0.32.0, vllm/renderers/hf.py, resolve_chat_template): chat_template.jinja, then the processor's
JSON, then the tokenizer's own.
"""

from dataclasses import dataclass
from typing import Any

from stowplan.discover.files import MIB, Folder
from stowplan.discover.section import is_plain
from stowplan.nouns.facts import Template
from stowplan.words.digest import sha256

JINJA, WRAPPER, TOKENIZER = "chat_template.jinja", "chat_template.json", "tokenizer_config.json"
MORE = "additional_chat_templates"
MAX_TEMPLATE = 4 * MIB
MAX_TOKENIZER = 64 * MIB
_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class TemplateText:
    """A template as the facts name it, and its text."""

    template: Template
    text: str


def templates(folder: Folder, tokenizer: dict[str, Any]) -> list[TemplateText]:
    """Every template, the one that holds first; `tokenizer` is tokenizer_config.json.

    A .jinja file of another name holds only where somebody chooses it, and so has a name.
    """
    found: list[TemplateText | None] = []
    if (text := folder.text(JINJA, MAX_TEMPLATE)) is not None:
        found.append(_template(folder, JINJA, "jinja", text))
    wrapper = folder.json_object(WRAPPER, MAX_TEMPLATE)
    if wrapper is not None:
        found += _inside(folder, WRAPPER, "wrapper", wrapper.get("chat_template"))
    found += _inside(folder, TOKENIZER, "tokenizer", tokenizer.get("chat_template"))
    for path in sorted((*folder.real.glob("*.jinja"), *(folder.real / MORE).glob("*.jinja"))):
        file = path.relative_to(folder.real).as_posix()
        if file != JINJA and is_plain(path.stem) and (text := folder.text(file, MAX_TEMPLATE)) is not None:
            found.append(_template(folder, file, "jinja", text, path.stem))
    whole = [template for template in found if template is not None]
    return sorted(whole, key=lambda item: item.template.name is not None)


def _inside(folder: Folder, file: str, kind: str, value: Any) -> list[TemplateText | None]:
    """A template inside JSON: a text, or a list of named ones."""
    if value is None:
        return []
    if isinstance(value, str):
        return [_template(folder, file, kind, value)]
    entries = value if isinstance(value, list) else [value]
    found = []
    for entry in entries:
        name, text = (entry.get("name"), entry.get("template")) if isinstance(entry, dict) else (None, None)
        if not is_plain(name) or not isinstance(text, str):
            folder.odd(file, ("chat_template",), "is neither a text nor a list of named templates")
            return []
        found.append(_template(folder, file, kind, text, None if name == _DEFAULT else str(name)))
    return found


def _template(folder: Folder, file: str, kind: str, text: str, name: str | None = None) -> TemplateText | None:
    try:
        digest = sha256(text.encode("utf-8"))
    except UnicodeEncodeError:
        folder.odd(file, ("chat_template",), "holds half a character")
        return None
    return TemplateText(Template(file=file, kind=kind, sha256=digest, name=name), text)
