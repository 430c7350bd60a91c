"""Names that the parser does not look up: which options take them, and the registries they stand in."""

from collections.abc import Mapping
from typing import Any

from .modules import load

NAMED: Mapping[str, dict[str, Any]] = {
    "--attention-backend": {"names": "attention_backends", "any_case": True, "suggest": ["auto"]},
    "--load-format": {"names": "load_formats", "any_case": True},
    "--mm-encoder-attn-backend": {"names": "attention_backends", "any_case": True, "suggest": ["auto"]},
    "--quantization": {"names": "quantization", "any_case": True},
    "--reasoning-parser": {"names": "reasoning_parsers", "opened_by": "reasoning-parser-plugin"},
    "--tokenizer-mode": {"names": "tokenizer_modes", "any_case": True},
    "--tool-call-parser": {"names": "tool_parsers", "opened_by": "tool-parser-plugin"},
    "AttentionConfig.backend": {"names": "attention_backends", "any_case": True},
    "KVTransferConfig.kv_connector": {"names": "kv_connectors", "opened_by": "kv_connector_module_path"},
    "SpeculativeConfig.quantization": {"names": "quantization", "any_case": True},
}
"""Values that are names in a registry, which the parser does not look up: the registry, whether the case of letters
counts, other values that are taken, and what, when set, brings names of its own."""


def registered(manager: Any, attribute: str) -> list[str] | None:
    if manager is None:
        return None
    return sorted(manager.list_registered() if hasattr(manager, "list_registered") else getattr(manager, attribute))


def names() -> dict[str, list[str]]:
    """Registry → the names in it, sorted. One that this version does not have is left out."""
    methods = load("vllm.model_executor.layers.quantization:QUANTIZATION_METHODS")
    tools = load("vllm.tool_parsers:ToolParserManager", "vllm.entrypoints.openai.tool_parsers:ToolParserManager")
    models = load("vllm:ModelRegistry", "vllm.model_executor.models:ModelRegistry")
    loaders = load("vllm.model_executor.model_loader:_LOAD_FORMAT_TO_MODEL_LOADER")
    tokenizers = load("vllm.tokenizers.registry:TokenizerRegistry", "vllm.tokenizers:TokenizerRegistry")
    connectors = load("vllm.distributed.kv_transfer.kv_connector.factory:KVConnectorFactory")
    found = {
        "architectures": sorted(models.get_supported_archs()),
        "attention_backends": sorted(getattr(backends(), "__members__", {})),
        "kv_connectors": sorted(getattr(connectors, "_registry", {})),
        "load_formats": sorted(loaders or ()),
        "quantization": sorted(methods or ()),
        "reasoning_parsers": registered(load("vllm.reasoning:ReasoningParserManager"), "reasoning_parsers"),
        "tokenizer_modes": sorted(
            getattr(tokenizers, "tokenizers", None) or getattr(tokenizers, "REGISTRY", None) or ()
        ),
        "tool_parsers": registered(tools, "tool_parsers"),
    }
    return {registry: known for registry, known in found.items() if known}


def backends() -> Any:
    return load(
        "vllm.v1.attention.backends.registry:AttentionBackendEnum",
        "vllm.attention.backends.registry:AttentionBackendEnum",
        "vllm.platforms.interface:_Backend",
    )
