"""Finding vLLM's parts, and letting them be imported on a machine without a GPU."""

import importlib
import importlib.util
import re
import sys
import types
from collections.abc import Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder
from typing import Any

Found = dict[str, Any]
"""What was found of one thing, as JSON will have it."""
KERNELS = ("vllm._C", "vllm._C_stable_libtorch")
"""vLLM's compiled modules for CUDA."""
GPU_PACKAGES = ("flashinfer",)
"""Packages for GPUs that attention backends import before they say what they run on."""


def load(*places: str) -> Any:
    """The first of `module:name` that exists, as modules move between versions; None if none does."""
    for place in places:
        module, _, name = place.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue
    return None


def one_line(text: str | None) -> str:
    """A help text in one line, as it would be printed: without the doubled percent signs of argparse.

    Without the address of vLLM's API pages, too, which is another one in every version.
    """
    words = re.sub(r"\s+", " ", (text or "").replace("%%", "%"))
    return re.sub(r" ?API docs: \S+", "", words).strip()


class NoKernels:
    """Keeps vLLM's compiled modules out: its parser needs none, and two sets of kernels in one process abort it."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG004
        if not name.startswith("vllm."):
            return None
        found = PathFinder.find_spec(name, path)
        if found is not None and isinstance(found.loader, ExtensionFileLoader):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return found


class Hollow(types.ModuleType):
    """A package that is not here, so that what imports it can be asked about: every name in it is an empty class."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []
        self.__all__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class HollowPackages:
    """Stands in for the packages for GPUs that are not installed."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG004
        hollow: Any = HollowPackages
        return ModuleSpec(name, hollow, is_package=True) if name.split(".")[0] in GPU_PACKAGES else None

    @staticmethod
    def create_module(spec: ModuleSpec) -> types.ModuleType:
        return Hollow(spec.name)

    @staticmethod
    def exec_module(module: types.ModuleType) -> None:
        """There is nothing to run."""


def prepare() -> None:
    """Let a vLLM built for GPUs start on a machine without one, and with a newer PyTorch than its own."""
    if importlib.util.find_spec("vllm") is None:
        raise ModuleNotFoundError("No module named 'vllm'", name="vllm")
    sys.meta_path.insert(0, NoKernels)
    sys.meta_path.append(HollowPackages)
    processor = importlib.import_module("torch")._C._cpu
    for name in ("_is_avx2_supported", "_is_avx512_supported", "_is_amx_tile_supported"):
        if not hasattr(processor, name):
            setattr(processor, name, lambda: False)
    platforms: Any = importlib.import_module("vllm.platforms")
    if not platforms.current_platform.device_type:
        cpu = importlib.import_module("vllm.platforms.cpu").CpuPlatform()
        platforms._current_platform = platforms.current_platform = cpu
