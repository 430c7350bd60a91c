"""Model folders to discover: configs as published models write them, and weights that take no space.

Standard library alone: the real vLLM, which lives in another environment, is asked about the same folders.
"""

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

BITS = {"F4": 4, "F8_E4M3": 8, "I8": 8, "U8": 8, "BF16": 16, "F16": 16, "F32": 32, "I32": 32, "I64": 64}
Tensors = Mapping[str, tuple[str, tuple[int, ...]]]
ONE_LAYER: Tensors = {
    "model.embed_tokens.weight": ("BF16", (100, 16)),
    "model.layers.0.mlp.up_proj.weight": ("BF16", (32, 16)),
    "lm_head.weight": ("BF16", (100, 16)),
}


def header(tensors: Tensors) -> dict[str, Any]:
    """A sound safetensors header: tensors one after the other."""
    end, entries = 0, {}
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + prod(shape) * BITS[dtype] // 8
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    return entries


def write_weights(path: Path, entries: Mapping[str, Any], *, short: int = 0) -> None:
    """A safetensors file whose data is a hole; `short` bytes of it are missing (below zero: too many)."""
    text = json.dumps(entries).encode()
    data = max((entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"), default=0)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + data - short)


def write_folder(folder: Path, config: Any, tensors: Tensors = ONE_LAYER, **files: Any) -> Path:
    """A model folder; `files` are more JSON files by name, with `__` for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    write_weights(folder / "model.safetensors", header(tensors))
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(json.dumps(content))
    return folder


CONFIGS: dict[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text()) for file in sorted((Path(__file__).parent / "configs").glob("*.json"))
}
LLAMA = CONFIGS["llama-3.1"]
