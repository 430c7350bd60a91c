"""Whether the pinned version has code for the model's architecture.

vLLM looks the names of config.json up in vllm/model_executor/models/registry.py (inspect_model_cls), and a
name that differs from a registered one in its ending stands for that one (_normalize_arch). What it has not
it hands to its Transformers backend, if that can: so an unknown name is a warning, unless `model-impl`
says that vLLM's own code is wanted. Seen in 0.11.0 to 0.33.0.
"""

from collections.abc import Iterator

from stowplan.engines.values import elsewhere
from stowplan.stages.check.config.values import is_opened
from stowplan.stages.check.config.view import View
from stowplan.stages.check.places import place_of
from stowplan.words.diagnostic import Diagnostic, Label, error, warning

IMPL = "model-impl"
OWN = "vllm"
OTHER_CODE = ("transformers", "terratorch")


def check(view: View) -> Iterator[Diagnostic]:
    """The model's architecture is none that the version knows."""
    facts = view.facts
    known = view.table.names.get("architectures")
    impl = view.text(IMPL)
    if facts is None or not facts.architecture.names or known is None or impl in OTHER_CODE or is_opened(view):
        return
    if any(name in known or _stands_for_another(view, name, known) for name in facts.architecture.names):
        return
    name = facts.architecture.names[0]
    hint = elsewhere(name, "architectures", view.table)
    at = view.fact("architecture", "names")
    if impl == OWN:
        also = [Label(at, "the model's architecture")] if at is not None else []
        message = f"{view.version} has no code of its own for `{name}`, and `{IMPL}` asks for it"
        yield error("architecture-unknown", message, view.at(IMPL), also=also, hint=hint)
        return
    message = f"{view.version} has no code of its own for `{name}`"
    engine = view.subject.engine
    also = []
    if engine is not None:
        also = [Label(place_of(engine.version), "the version that is pinned")]
    slower = "it may run through the Transformers backend, or not at all"
    yield warning("architecture-unknown", message, at, also=also, hint=f"{hint}; {slower}" if hint else slower)


def _stands_for_another(view: View, name: str, known: tuple[str, ...]) -> bool:
    endings = view.known("architectures").get("endings", ())
    ending = next((ending for ending in endings if name.endswith(ending)), None)
    return ending is not None and any(name.removesuffix(ending) + other in known for other in endings)
