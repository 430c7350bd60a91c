"""How a checkpoint is quantised, from whatever form its tools wrote it in."""

from typing import Any

from stowplan.discover import knowledge
from stowplan.discover.files import MIB
from stowplan.discover.section import CONFIG, Section, is_count, is_plain
from stowplan.nouns.facts import Quantization

MODELOPT_FILE = "hf_quant_config.json"


def quantization(config: Section, text: Section) -> Quantization | None:
    """The method as vLLM names it, bits and group size; None for a checkpoint that is not quantised.

    vLLM 0.32.0: `quantization_config`, else `compression_config`, of the model, else of its text part
    (model_arch_config_convertor.py, get_quantization_config), else ModelOpt's file of its own
    (vllm/transformers_utils/config.py, get_config).
    """
    for section in (config, text):
        for key in ("quantization_config", "compression_config"):
            found = section.section(key)
            if found is not None:
                return _read(found, dict(found.values))
    beside = config.folder.json_object(MODELOPT_FILE, MIB)
    return None if beside is None else _read(Section(config.folder, beside), beside)


def _read(section: Section, values: dict[str, Any]) -> Quantization | None:
    table = knowledge.table("quantization")
    stated = _modelopt(values) or values.get("quant_method")
    if not is_plain(stated):
        file = CONFIG if section.path else MODELOPT_FILE
        section.folder.odd(file, (*section.path, "quant_method"), "names no method")
        return None
    method = str(stated).lower()
    method = table["spellings"].get(method, method)
    weights = _weights(values)
    bits = _first(values, weights, table["bits_keys"]) or table["bits"].get(method) or _bitsandbytes(values)
    form = values.get("format")
    return Quantization(
        method=method,
        format=form if is_plain(form) else None,
        bits=bits,
        group_size=_first(values, weights, table["group_keys"]),
        kv_cache=_kv_cache(method, values),
    )


def _kv_cache(method: str, values: dict[str, Any]) -> str | None:
    """The dtype that the checkpoint wants its KV cache in.

    vLLM 0.32.0: compressed-tensors' scheme is always of 8 bits (vllm/model_executor/layers/attention/attention.py),
    ModelOpt says which (vllm/utils/torch_utils.py, get_kv_cache_quant_algo_string).
    """
    table = knowledge.table("quantization")["kv_cache"]
    if method == table["scheme_of"]:
        return table["scheme"] if values.get("kv_cache_scheme") is not None else None
    if not method.startswith(table["algorithm_of"]):
        return None
    nested = values.get("quantization")
    places = (nested if isinstance(nested, dict) else {}, values)
    told = next((place[key] for key in table["keys"] for place in places if place.get(key)), None)
    if isinstance(told, dict):
        shape = (told.get("type"), told.get("num_bits"))
        told = "fp8" if shape == ("float", 8) else "nvfp4" if shape == ("float", 4) else None
    found: str | None = table["algorithms"].get(told.lower()) if isinstance(told, str) else None
    return found


def _first(values: dict[str, Any], weights: dict[str, Any], keys: list[str]) -> int | None:
    """The first key that holds a count; -1 and null, which mean "per channel", are no group size."""
    found = (place.get(key) for place in (values, weights) for key in keys)
    return next((value for value in found if is_count(value)), None)


def _modelopt(values: dict[str, Any]) -> str | None:
    """ModelOpt names an algorithm inside `quantization`."""
    producer, inner = values.get("producer"), values.get("quantization")
    if not isinstance(inner, dict):
        return None
    ours = isinstance(producer, dict) and producer.get("name") == "modelopt"
    algorithm = inner.get("quant_algo")
    if not (ours or "modelopt_quant_config" in inner) or not isinstance(algorithm, str):
        return None
    method: str | None = knowledge.table("quantization")["modelopt"].get(algorithm.upper())
    return method


def _weights(values: dict[str, Any]) -> dict[str, Any]:
    """compressed-tensors keeps bits and group size with each group of layers; the first group's count."""
    groups = values.get("config_groups")
    for _, group in sorted(groups.items()) if isinstance(groups, dict) else ():
        weights = group.get("weights") if isinstance(group, dict) else None
        if isinstance(weights, dict):
            return weights
    return {}


def _bitsandbytes(values: dict[str, Any]) -> int | None:
    if values.get("load_in_4bit") is True:
        return 4
    return 8 if values.get("load_in_8bit") is True else None
