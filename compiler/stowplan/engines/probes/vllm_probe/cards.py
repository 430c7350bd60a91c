"""What runs on which card: quantization methods and attention backends by compute capability."""

import sys
import types
from collections.abc import Callable
from typing import Any

from .modules import KERNELS, Found, Hollow, load, one_line
from .named import backends

CAPABILITIES = ((7, 0), (7, 2), (7, 5), (8, 0), (8, 6), (8, 7), (8, 9), (9, 0), (10, 0), (10, 3), (12, 0), (12, 1))
"""Compute capabilities that are asked about: those of the cards there are, oldest first."""


def methods(unread: list[str]) -> dict[str, Found]:
    """Quantization method → the least compute capability and the dtypes its class names."""
    found = {}
    look_up: Callable[[str], Any] = load("vllm.model_executor.layers.quantization:get_quantization_config")
    for name in load("vllm.model_executor.layers.quantization:QUANTIZATION_METHODS"):
        try:
            method = look_up(name)
            least = method.get_min_capability()
            takes = sorted(str(dtype).removeprefix("torch.") for dtype in activation_dtypes(method))
        except Exception as problem:  # a method of another platform imports what is not here
            unread.append(f"quantization {name}: {reason(problem)}")
            continue
        found[name] = {"capability": least, "dtypes": takes}
    return dict(sorted(found.items()))


def activation_dtypes(method: Any) -> list[Any]:
    """What a quantization class says of itself; some versions forgot that it is asked as a class method."""
    ask = method.get_supported_act_dtypes
    found: list[Any] = ask() if isinstance(ask, types.MethodType) else ask(method)
    return found


def attention(unread: list[str]) -> dict[str, Found]:
    """Attention backend → capabilities it runs on, and kv-cache dtypes it takes, as its class says (since 0.12)."""
    version = load("vllm.platforms.interface:DeviceCapability")
    found: dict[str, Found] = {}
    for name, member in sorted(getattr(backends(), "__members__", {}).items()):
        try:
            held = member.get_class()
            cards = [major * 10 + minor for major, minor in CAPABILITIES if runs(held, version(major, minor))]
            takes = sorted(map(str, held.supported_kv_cache_dtypes))
        except Exception as problem:
            unread.append(f"attention backend {name}: {reason(problem)}")
            continue
        found[name] = {"capabilities": cards, "kv_cache_dtypes": takes}
    return found


def runs(held: Any, capability: Any) -> bool:
    return bool(held.supports_compute_capability(capability))


def considered(unread: list[str]) -> dict[str, dict[str, list[str]]]:
    """Compute capability → the backends vLLM tries there by itself, best first: for MLA and for everything else."""
    for kernels in KERNELS:  # the module for CUDA imports them to register them; it is asked for a list
        sys.modules.setdefault(kernels, Hollow(kernels))
    ask = load("vllm.platforms.cuda:_get_backend_priorities")
    version = load("vllm.platforms.interface:DeviceCapability")
    found = {}
    for major, minor in CAPABILITIES if ask is not None else ():
        try:
            found[str(major * 10 + minor)] = {
                kind: [backend.name for backend in ask(kind == "mla", version(major, minor))]
                for kind in ("mla", "other")
            }
        except Exception as problem:
            unread.append(f"backends of {major}.{minor}: {reason(problem)}")
    return found


def reason(problem: Exception) -> str:
    return f"{type(problem).__name__}: {one_line(str(problem))}"[:160]
