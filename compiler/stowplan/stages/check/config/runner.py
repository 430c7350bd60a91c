"""Whether the model does what it is run for: text, or vectors and scores.

vLLM decides in vllm/config/model.py, ModelConfig.__post_init__, 0.11.0 to 0.33.0. It is sure to refuse
`generate` only for architectures whose classes cannot generate; what others can do it finds out by loading
their code, so that a model which is none by its files (an embedding model with a language model's
architecture) is a warning.
"""

from collections.abc import Iterator

from stowplan.stages.check.config.view import View, rule
from stowplan.words.diagnostic import Diagnostic, Label, error, warning

RUNNER, TASK, CONVERT = "runner", "task", "convert"
RANKS = ("embedding", "reranking")


def _generate(view: View) -> Iterator[Diagnostic]:
    """`generate` for a model that gives vectors or scores."""
    facts = view.facts
    flag = next((name for name in (RUNNER, TASK) if view.value(name) == "generate"), None)
    if facts is None or flag is None:
        return
    names = facts.architecture.names
    only = view.known("pooling_only").get("architectures", ())
    known = view.fact("architecture", "names")
    also = [Label(known, "the model's architecture")] if known is not None else []
    if names and all(name in only for name in names):
        message = f"`{names[0]}` cannot generate text, and `{flag}` asks for it"
        yield error("runner-differs", message, view.at(flag), also=also, hint='write `runner = "pooling"`, or drop it')
        return
    rank = next((rank for rank in RANKS if rank in facts.capabilities), None)
    if rank is not None and "text" not in facts.capabilities:
        message = f"by its files this is a model for {rank}, and `{flag}` asks for text"
        hint = f'{facts.capabilities[rank]}; `runner = "pooling"` serves it as that'
        yield warning("runner-differs", message, view.at(flag), also=also, hint=hint)


def _pooling(view: View) -> Iterator[Diagnostic]:
    """`pooling` without a conversion, for a model that generates."""
    facts = view.facts
    if view.value(RUNNER) != "pooling" or view.value(CONVERT) != "none" or facts is None:
        return
    if "text" in facts.capabilities and not any(rank in facts.capabilities for rank in RANKS):
        message = "by its files this is a model that generates text; without a conversion it cannot pool"
        hint = '`convert = "embed"` or `"classify"` makes vectors or scores of it'
        yield warning("runner-differs", message, view.at(RUNNER), also=[view.label(CONVERT)], hint=hint)


RULES = (
    rule(_generate, any_of=(RUNNER, TASK)),
    rule(_pooling, RUNNER, CONVERT),
)
