"""sentence-transformers' modules.json: what a model's vectors are like.

vLLM 0.32.0, vllm/transformers_utils/config.py, get_pooling_config and try_get_dense_modules.
"""

from typing import Any

from stowplan.discover import knowledge
from stowplan.discover.files import MIB, Folder
from stowplan.discover.section import is_count, is_plain
from stowplan.nouns.facts import Embedding
from stowplan.nouns.roots import is_inside

MODULES = "modules.json"


def embedding(folder: Folder, hidden_size: int | None) -> Embedding | None:
    """Pooling, dimension and normalisation; None for a model whose modules hold no pooling."""
    listed = folder.json_list(MODULES, MIB) if folder.has(MODULES) else None
    modules = [module for module in listed or () if isinstance(module, dict)]
    table = knowledge.table("sentence")
    pooling = _module(modules, table["pooling"])
    if pooling is None:
        return None
    settings = _settings(folder, pooling)
    dense = _module(modules[::-1], table["dense"])
    wide = _settings(folder, dense).get("out_features") if dense is not None else None
    own = settings.get("word_embedding_dimension") or settings.get("embedding_dimension")
    return Embedding(
        pooling=_mode(settings),
        dimension=next((n for n in (wide, own) if is_count(n)), hidden_size),
        normalized=_module(modules, table["normalize"]) is not None,
    )


def _module(modules: list[dict[str, Any]], kinds: list[str]) -> dict[str, Any] | None:
    return next((module for module in modules if module.get("type") in kinds), None)


def _settings(folder: Folder, module: dict[str, Any]) -> dict[str, Any]:
    path = module.get("path")
    if not isinstance(path, str) or not is_inside(path):
        if path not in ("", None):
            folder.odd(MODULES, ("path",), "leads out of the model's folder")
        return {}
    return folder.json_object(f"{path}/config.json", MIB) or {}


def _mode(settings: dict[str, Any]) -> str | None:
    """The first mode that is on, in vLLM's words: MEAN, CLS, LAST."""
    for key, value in settings.items():
        name = value if key == "pooling_mode" and is_plain(value) else key if value is True else None
        if name is None or (name == key and not key.startswith("pooling_mode_")):
            continue
        mode = str(name).removeprefix("pooling_mode_")
        return ("last" if "lasttoken" in mode else mode.split("_", 1)[0]).upper()
    return None
