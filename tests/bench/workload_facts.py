"""Facts of models that nobody has: this repository's real ones with other sizes, names and digests."""

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stowplan.nouns.facts import seal

MODELS = Path(__file__).resolve().parents[2] / "models.d"
DENSE = "qwen3-vl-8b-instruct-fp8"
SPARSE = "gpt-oss-20b"


@dataclass(frozen=True, slots=True)
class Size:
    """A decoder's numbers as they are published; `label` is what a name says of them."""

    label: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int


# The sizes of the Qwen3, Llama 3 and Mistral series, as their config.json files have them.
SIZES = (
    Size("0.6b", 28, 1024, 16, 8, 3072, 151936),
    Size("1b", 16, 2048, 32, 8, 8192, 128256),
    Size("1.7b", 28, 2048, 16, 8, 6144, 151936),
    Size("3b", 28, 3072, 24, 8, 8192, 128256),
    Size("4b", 36, 2560, 32, 8, 9728, 151936),
    Size("7b", 32, 4096, 32, 8, 14336, 32768),
    Size("8b", 36, 4096, 32, 8, 12288, 151936),
)
FAMILIES = {"qwen3": "Qwen3ForCausalLM", "llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM"}
LICENSES = ("apache-2.0", "mit", "llama3.1")
WORDS = ("instruct", "chat", "coder", "writer", "caption", "extract")
BYTES = {"": 2.0, "fp8": 1.0, "awq": 0.53}
"""Of one parameter of a layer; AWQ keeps a scale and a zero point beside 128 of 4 bits."""
LARGEST = 9 << 30
"""Bytes of weights above which a model is quantised: the smallest card has 16 GB."""


def model(number: int) -> dict[str, Any]:
    """The facts of model `number` as the content of discovered.json, sealed: always the same ones."""
    chance = random.Random(f"model {number}")
    is_sparse = chance.random() < 0.04
    size = chance.choice(SIZES)
    facts = _sparse() if is_sparse else _dense(chance, size)
    word, family = chance.choice(WORDS), facts["family"].replace("_", "-")
    method = facts.get("quantization", {}).get("method")
    name = "-".join(filter(None, (family, "20b" if is_sparse else size.label, word, method, f"{number:05}")))
    facts["source"] = {"provider": "huggingface", "repo": f"org-{number % 97:02}/{name}", "evidence": "location"}
    facts["location"] = {"root": "weights", "path": facts["source"]["repo"]}
    facts["license"] = chance.choice(LICENSES)
    facts["generation"] = {"temperature": round(chance.uniform(0.1, 1.0), 2), "top_k": chance.randrange(1, 65)}
    facts["weights"]["headers_sha256"] = _digest(f"weights {number}")
    for template in facts["templates"]:
        template["sha256"] = _digest(f"template {family} {number % 40}")
    facts.pop("files", None)
    facts["seal"] = seal(facts)
    return facts


def text(facts: Mapping[str, Any]) -> bytes:
    """Facts as discover writes them."""
    return (json.dumps(facts, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def cache_bytes(facts: Mapping[str, Any]) -> int:
    """What one token takes of a 16-bit KV cache if every layer keeps it, in bytes."""
    shape = facts["architecture"]
    return 2 * 2 * int(shape["layers"] * shape["kv_heads"] * shape["head_dim"])


def _dense(chance: random.Random, size: Size) -> dict[str, Any]:
    """A transformer of that size: one in four sees, the others are text alone."""
    facts = _real(DENSE)
    shape = facts["architecture"]
    sees = chance.random() < 0.25
    if not sees:
        facts["family"], architecture = chance.choice(tuple(FAMILIES.items()))
        shape |= {"names": [architecture], "model_type": facts["family"]}
        shape["rope"]["kind"] = "default"
        del shape["vision"], facts["capabilities"]["vision"]
        facts["capabilities"]["text"] = f"config.json: architectures `{architecture}`"
    shape |= {
        "attention": [{"kind": "full", "count": size.layers}],
        "layers": size.layers,
        "hidden_size": size.hidden,
        "heads": size.heads,
        "kv_heads": size.kv_heads,
        "intermediate_size": size.intermediate,
        "vocab_size": size.vocabulary,
        "max_positions": chance.choice((32768, 40960, 131072, 262144)),
    }
    facts["context"] = {
        "tokens": shape["max_positions"],
        "evidence": f"config.json: max_position_embeddings = {shape['max_positions']}",
    }
    vision = facts["weights"]["groups"]["vision"] if sees else 0
    methods = [method for method in BYTES if sum(_groups(size, method).values()) + vision < LARGEST]
    _weigh(facts, size, chance.choice(methods), vision=vision)
    return facts


def _weigh(facts: dict[str, Any], size: Size, method: str, *, vision: int) -> None:
    groups = _groups(size, method) | ({"vision": vision} if vision else {})
    whole = sum(groups.values())
    packed = {"": {}, "fp8": {"F8_E4M3": groups["layers"]}, "awq": {"I32": groups["layers"]}}[method]
    packed["BF16"] = whole - sum(packed.values())
    facts["weights"] = {"bytes": whole, "dtypes": packed, "format": "safetensors", "groups": groups}
    facts["quantization"] = {
        "": {},
        "fp8": {"method": "fp8", "bits": 8},
        "awq": {"method": "awq", "bits": 4, "group_size": 128},
    }[method]
    if not method:
        del facts["quantization"]


def _groups(size: Size, method: str) -> dict[str, int]:
    """Bytes of each group of tensors, as they follow from the shapes."""
    head = 128
    attention = size.hidden * head * 2 * (size.heads + size.kv_heads)
    layer = attention + 3 * size.hidden * size.intermediate
    table = 2 * size.vocabulary * size.hidden
    return {
        "embedding": table,
        "head": table,
        "layers": int(size.layers * (layer * BYTES[method] + 4 * size.hidden)),
        "other": 2 * size.hidden,
    }


def _sparse() -> dict[str, Any]:
    """Half of the real one: it has to fit the smallest card, too."""
    facts = _real(SPARSE)
    shape = facts["architecture"]
    shape |= {"layers": shape["layers"] // 2, "attention": shape["attention"][: shape["layers"] // 2]}
    weights = facts["weights"]
    for group in ("layers", "experts"):
        if group in weights["groups"]:
            weights["groups"][group] //= 2
    weights["bytes"] = sum(weights["groups"].values())
    weights.pop("dtypes", None)
    return facts


def _real(name: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(_source(name))
    del facts["seal"], facts["source"]
    return facts


@cache
def _source(name: str) -> bytes:
    return (MODELS / name / "discovered.json").read_bytes()


def _digest(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()
