"""Speculative decoding: which keys its method needs.

vLLM checks these in vllm/config/speculative.py, SpeculativeConfig.__post_init__ and _verify_args, and lets a
draft model be the method since 0.15.1; seen in 0.11.0 to 0.33.0. A model that is a speculator itself brings
the keys along (vllm/transformers_utils/config.py, maybe_override_with_speculators), and so may a draft model
bring the number of tokens.
"""

from collections.abc import Iterator
from typing import Any

from stowplan.stages.check.config.knowledge import holds
from stowplan.stages.check.config.view import View, rule
from stowplan.words.diagnostic import Diagnostic, Place, error

CONFIG, TENSOR, LENGTH = "speculative-config", "tensor-parallel-size", "max-model-len"
SHORT = {"method": "spec-method", "model": "spec-model", "num_speculative_tokens": "spec-tokens"}
TOKENS, DRAFT_TENSOR, DRAFT_LENGTH = "num_speculative_tokens", "draft_tensor_parallel_size", "max_model_len"
LEAST, MOST = "prompt_lookup_min", "prompt_lookup_max"


def _check(view: View) -> Iterator[Diagnostic]:
    known = view.known("speculative")
    names = view.architecture.names
    if any(name.endswith(tuple(known["speculators"])) for name in names):
        return
    keys = _Keys(view)
    method, model, tokens = keys.text("method"), keys.text("model"), keys.value(TOKENS)
    by_itself = method in known["by_themselves"] or model in known["by_themselves"]
    if method in known["refused_until"] and holds(view.table.version, until=known["refused_until"][method]):
        message = f"{view.version} has no speculative decoding with a draft model yet"
        yield error("bad-choice", message, keys.at("method"), hint="use another method, or pin a newer version")
    elif tokens is not None and model is None and (method is None or method in known["by_model"]):
        what = f"method `{method}`" if method is not None else "a draft model, which is the method if none is named,"
        yield error("flag-missing", f"{what} needs `model`: what proposes the tokens", keys.whole)
    elif tokens is None and method not in known["own_count"] and (model is None or by_itself):
        message = f"`{CONFIG}` does not say `{TOKENS}`: how many tokens are proposed at once"
        yield error("flag-missing", message, keys.whole)
    least, most = keys.value(LEAST), keys.value(MOST)
    if by_itself and _is_count(least) and _is_count(most) and least > most:
        message = f"`{LEAST}` ({least}) is more than `{MOST}` ({most})"
        yield error("flags-conflict", message, keys.at(LEAST))
    if model is not None and not by_itself:
        yield from _draft(view, keys)


def _draft(view: View, keys: "_Keys") -> Iterator[Diagnostic]:
    """A draft model is shared as the model is, or not at all, and reads no more than the model does."""
    tensor, draft = view.size(TENSOR), keys.value(DRAFT_TENSOR)
    if _is_count(draft) and draft not in (1, tensor):
        also = [view.label(TENSOR)] if TENSOR in view.flags else []
        message = f"`{DRAFT_TENSOR}` is {draft}; it may be 1, or {tensor} as `{TENSOR}` is"
        yield error("flags-conflict", message, keys.at(DRAFT_TENSOR), also=also)
    length, longest = keys.value(DRAFT_LENGTH), view.whole(LENGTH)
    if _is_count(length) and longest is not None and 0 < longest < length:
        message = f"the draft's `{DRAFT_LENGTH}` ({length}) is more than `{LENGTH}` ({longest})"
        yield error("flags-conflict", message, keys.at(DRAFT_LENGTH), also=[view.label(LENGTH)])


class _Keys:
    """The keys of the configuration, wherever they are set: in the table, with dashes or not, or by a flag."""

    def __init__(self, view: View) -> None:
        self._view = view
        table = view.value(CONFIG)
        self._table: dict[str, Any] = table if isinstance(table, dict) else {}

    @property
    def whole(self) -> Place:
        """Where the configuration stands, or the first flag that makes it."""
        flag = next(flag for flag in (CONFIG, *SHORT.values()) if flag in self._view.flags)
        return self._view.at(flag, part="key")

    def value(self, key: str) -> Any:
        written = self._written(key)
        return self._view.value(SHORT.get(key, "")) if written is None else self._table[written]

    def text(self, key: str) -> str | None:
        value = self.value(key)
        return value if isinstance(value, str) else None

    def at(self, key: str) -> Place:
        written = self._written(key)
        return self._view.at(SHORT[key]) if written is None else self._view.at(CONFIG, written)

    def _written(self, key: str) -> str | None:
        return next((name for name in (key, key.replace("_", "-")) if name in self._table), None)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


RULES = (rule(_check, any_of=(CONFIG, *SHORT.values())),)
