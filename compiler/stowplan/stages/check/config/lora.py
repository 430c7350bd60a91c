"""Adapters: how many, and of which rank.

vLLM checks these in vllm/config/lora.py (LoRAConfig), where adapters are enabled at all; seen in 0.11.0 to
0.33.0. The ranks are listed by the parser since 0.11.2.
"""

from collections.abc import Iterator

from stowplan.stages.check.config.knowledge import holds
from stowplan.stages.check.config.view import View, rule
from stowplan.words.diagnostic import Diagnostic, error

ENABLED, CPU, GPU, RANK = "enable-lora", "max-cpu-loras", "max-loras", "max-lora-rank"


def _kept(view: View) -> Iterator[Diagnostic]:
    """All adapters of a batch are among those kept in memory. 0 means as many as there are in a batch."""
    kept, used = view.whole(CPU), view.size(GPU)
    if view.is_on(ENABLED) and kept is not None and 0 < kept < used:
        also = [view.label(GPU)] if GPU in view.flags else []
        message = f"`{CPU}` ({kept}) is less than `{GPU}` ({used})"
        hint = "memory keeps at least the adapters of one batch: raise the first, or lower the second"
        yield error("flags-conflict", message, view.at(CPU), also=also, hint=hint)


def _rank(view: View) -> Iterator[Diagnostic]:
    """Some ranks alone have kernels."""
    rank, known = view.whole(RANK), view.known("lora")
    if not view.is_on(ENABLED) or rank is None or rank in known["ranks"]:
        return
    if holds(view.table.version, until=known["ranks_until"]):
        ranks = ", ".join(map(str, known["ranks"]))
        yield error("bad-choice", f"`{RANK}` wants one of {ranks}; it is {rank}", view.at(RANK))


RULES = (rule(_kept, ENABLED, CPU), rule(_rank, ENABLED, RANK))
