"""CUDA graphs: which of them a launch has captured, and how many.

One for each size of a batch, once for batches of any kind and once more for those that only decode; both anew where
adapters may be at work. Sources, vLLM 0.32.0: vllm/config/vllm.py, `_set_cudagraph_sizes` and the levels of
optimisation; vllm/v1/cudagraph_dispatcher.py, `initialize_cudagraph_keys`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

NONE, PIECEWISE, FULL, DECODE_ONLY, BOTH = "NONE", "PIECEWISE", "FULL", "FULL_DECODE_ONLY", "FULL_AND_PIECEWISE"
_LEVELS = {"0": NONE, "1": PIECEWISE}
_COMPILED = 3
"""The `mode` (before 0.12: `level`) of `compilation-config` in which graphs can be captured piece by piece."""
FLAGS = frozenset(
    (
        *("cudagraph-capture-sizes", "cuda-graph-sizes", "max-cudagraph-capture-size"),
        *("compilation-config", "optimization-level", "performance-mode"),
    )
)
"""The flags that `captures` looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captures:
    """What a launch says of its graphs: the `sizes` of batches (tokens), or the greatest of them (`most`), None where
    it says nothing; vLLM's name of the `mode`; `fine` for every size from 1 to 32. `perhaps`: it may be that none
    are captured at all."""

    sizes: tuple[int, ...] | None = None
    most: int | None = None
    mode: str = BOTH
    fine: bool = False
    perhaps: bool = False

    @lru_cache(maxsize=1024)  # noqa: B019 - a small value, and few of them
    def count(self, tokens: int, sequences: int, most: int, drafted: int = 0) -> int:
        """How many graphs there are with batches of so many tokens and sequences, `drafted` tokens ahead of each;
        `most` is the greatest size that the version takes by itself."""
        each = 1 + drafted
        sizes = [size for size in self._sizes(min(sequences * each * 2, most)) if size <= tokens]
        mixed = 0 if self.mode in (NONE, DECODE_ONLY) else len(sizes)
        decoding = sum(each <= size <= sequences * each for size in sizes) if self.mode in (DECODE_ONLY, BOTH) else 0
        return mixed + decoding

    def _sizes(self, usual: int) -> tuple[int, ...]:
        if self.sizes is not None:
            return self.sizes
        most = usual if self.most is None else self.most
        first = range(1, 33) if self.fine else (1, 2, 4)
        return tuple({size for size in (*first, *range(8, 256, 8), *range(256, most + 1, 16)) if size <= most})


USUAL = Captures()


def captures(flags: Mapping[str, Any]) -> Captures:
    """What a launch's flags (canonical names, without dashes) say of graphs; values of a wrong type say nothing."""
    config = _config(flags.get("compilation-config"))
    one_by_one = flags.get("cudagraph-capture-sizes") or flags.get("cuda-graph-sizes")
    sizes = _numbers(one_by_one or config.get("cudagraph_capture_sizes"))
    most = flags.get("max-cudagraph-capture-size", config.get("max_cudagraph_capture_size"))
    if "cuda-graph-sizes" in flags and sizes is not None and len(sizes) == 1:  # one is the greatest, several are all
        most, sizes = sizes[0], None
    mode = config.get("cudagraph_mode")
    if not isinstance(mode, str):
        mode = _LEVELS.get(str(flags.get("optimization-level")).upper().removeprefix("O"), BOTH)
    return Captures(
        sizes=sizes,
        most=most if isinstance(most, int) and not isinstance(most, bool) else None,
        mode=mode.upper(),
        fine=flags.get("performance-mode") == "interactivity",
        perhaps=config.get("mode", config.get("level", _COMPILED)) != _COMPILED,
    )


def _config(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return {key.replace("-", "_"): item for key, item in value.items()} if isinstance(value, dict) else {}


def _numbers(value: Any) -> tuple[int, ...] | None:
    if not isinstance(value, list) or not value:
        return None
    return tuple(sorted({n for n in value if isinstance(n, int) and not isinstance(n, bool) and n > 0}))
