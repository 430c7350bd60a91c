"""How the weights are quantised: what is asked for against what the checkpoint is, and what the version has.

vLLM decides in vllm/config/model.py, ModelConfig._verify_quantization, and vllm/config/vllm.py (__init__.py
in 0.11.0), VllmConfig._get_quantization_config, seen in 0.11.0 to 0.33.0. Some of its classes take over a
checkpoint of another method (AWQ → Marlin); what may become what stands in `vllm.json`.
"""

from collections.abc import Iterator

from stowplan.engines.values import elsewhere
from stowplan.stages.check.config.knowledge import holds
from stowplan.stages.check.config.values import is_opened
from stowplan.stages.check.config.view import View
from stowplan.stages.check.places import place_of
from stowplan.words.diagnostic import Diagnostic, Label, Place, error

ASKED, DTYPE = "quantization", "dtype"
OTHERS = ("quantization-config", "load-format")
"""With these vLLM may take the method from elsewhere; then nothing is compared."""


def own(view: View) -> str | None:
    """The checkpoint's method, as far as it counts: of safetensors, and of a config that nothing overrides."""
    facts = view.facts
    if facts is None or facts.quantization is None or facts.weights.format != "safetensors":
        return None
    return facts.quantization.method


def asked(view: View) -> str | None:
    """The method that is asked for, as vLLM compares it: in small letters."""
    method = view.text(ASKED)
    return None if method is None else method.lower()


def possible(view: View) -> tuple[str, ...]:
    """The methods that vLLM may end up with; none if there is no quantization, or if that is not known."""
    method, wanted, known = own(view), asked(view), view.known("quantization")
    if method is None and wanted in known["online"]:
        return ()
    becomes: tuple[str, ...] = tuple(known["becomes"].get(method, (method,))) if method is not None else ()
    if wanted is None:
        return becomes
    return (wanted, *becomes) if method in known["whatever_is_asked"] or _takes_over(view) else (wanted,)


def check(view: View) -> Iterator[Diagnostic]:
    """Asked for against the checkpoint's own; own, if nothing is asked, against the version's; dtype against both."""
    if any(name in view.flags for name in OTHERS):
        return
    method, wanted = own(view), asked(view)
    if wanted is not None:
        yield from _differs(view, method, wanted)
        if wanted in view.table.names.get("quantization", ()):
            yield from _deprecated(view, wanted, view.at(ASKED))
    elif method is not None and (known := view.fact("quantization", "method")) is not None:
        yield from _unsupported(view, method, known)
        yield from _deprecated(view, method, known)
    yield from _dtype(view)


def _differs(view: View, method: str | None, wanted: str) -> Iterator[Diagnostic]:
    known, facts = view.known("quantization"), view.facts
    names = view.table.names.get("quantization")
    others = view.known("other_names").get("quantization", ())
    if names is None or facts is None or (wanted not in names and wanted not in others):
        return  # what nobody knows is told by the name itself
    if method is None:
        if wanted in others and facts.quantization is None and facts.weights.format == "safetensors":
            message = f'`{ASKED}` wants a name that {view.version} knows; it is the string "{wanted}"'
            hint = f"`{wanted}` is a way of running a quantised checkpoint, and this model's weights are not quantised"
            yield error("bad-choice", message, view.at(ASKED), hint=hint)
        elif _wants_quantised(view, wanted):
            message = f"`{ASKED}` asks for `{wanted}`, a method of quantised checkpoints; this one is not quantised"
            hint = "drop it, or take a checkpoint that is quantised so"
            yield error("quantization-differs", message, view.at(ASKED), hint=hint)
        return
    fine = known["asked_for"].get(method, (method,))
    if wanted in fine or wanted in known["always"] or method in known["whatever_is_asked"] or _takes_over(view):
        return
    at = view.fact("quantization", "method")
    also = [Label(at, f"the checkpoint is `{method}`")] if at is not None else []
    message = f"`{ASKED}` asks for `{wanted}`; the checkpoint is quantised with `{method}`"
    hint = "drop it: vLLM reads the method off the checkpoint"
    yield error("quantization-differs", message, view.at(ASKED), also=also, hint=hint)


def _wants_quantised(view: View, wanted: str) -> bool:
    """Whether plain weights have nothing of what the method reads: neither in their config nor in a file beside it."""
    facts, known = view.facts, view.known("quantization")
    if facts is None or facts.quantization is not None or facts.weights.format != "safetensors":
        return False
    names = {file.path for file in facts.files}
    return wanted in known["of_checkpoints"] and names.isdisjoint(known["files"])


def _takes_over(view: View) -> bool:
    """Whether the model's own code chooses the method, whatever is asked for."""
    model_type = view.architecture.model_type or ""
    return model_type.startswith(tuple(view.known("quantization")["model_types"]))


def _unsupported(view: View, method: str, known: Place) -> Iterator[Diagnostic]:
    names = view.table.names.get("quantization")
    if names is None or any(name in names for name in possible(view)) or is_opened(view):
        return
    message = f"the checkpoint is quantised with `{method}`, which {view.version} cannot run"
    hint = elsewhere(method, "quantization", view.table)
    yield error("quantization-unsupported", message, known, also=_pinned(view), hint=hint)


def _deprecated(view: View, method: str, at: Place) -> Iterator[Diagnostic]:
    known = view.known("deprecated_quantization")
    span = known["methods"].get(method)
    if span is None or not holds(view.table.version, *span) or view.is_on(known["unless"]):
        return
    message = f"{view.version} refuses the deprecated quantization `{method}`"
    hint = f"`{known['unless']} = true` lets it through, as long as it is there"
    yield error("quantization-unsupported", message, at, also=_pinned(view), hint=hint)


def _pinned(view: View) -> list[Label]:
    engine = view.subject.engine
    if engine is None:
        return []
    return [Label(place_of(engine.version), "the version that is pinned")]


def _dtype(view: View) -> Iterator[Diagnostic]:
    """A method computes in some dtypes alone. One that could not be asked may compute in any."""
    dtype, methods = effective_dtype(view), possible(view)
    names = view.table.names.get("quantization", ())
    here = [method for method in methods if method in names]
    if dtype is None or not here or any(method not in view.table.methods for method in here):
        return
    takes = {one for method in here for one in view.table.methods[method].dtypes}
    if not takes or dtype in takes:
        return
    by = here[0] if ASKED in view.flags else own(view)
    quantised = view.at(ASKED) if ASKED in view.flags else view.fact("quantization", "method")
    computed = view.at(DTYPE) if DTYPE in view.flags else view.fact("architecture", "dtype")
    at, other, what = computed, quantised, f"quantised with `{by}`"
    if DTYPE not in view.flags and ASKED in view.flags:
        at, other, what = quantised, computed, f"the model's dtype is {dtype}"
    message = f"quantization `{by}` computes in {' or '.join(sorted(takes))}; the dtype is {dtype}"
    hint = f'write `{DTYPE} = "{min(takes)}"`' if len(takes) == 1 else f"set `{DTYPE}` to one of these"
    yield error("flags-conflict", message, at, also=[Label(other, what)] if other is not None else [], hint=hint)


def effective_dtype(view: View) -> str | None:
    """The dtype vLLM computes in, where that is sure: the one asked for, else the model's own if the card has it.

    vLLM turns float32 into one of two, and bfloat16 into float16 on cards before 8.0.
    """
    known = view.known("dtypes")
    chosen = view.text(DTYPE)
    if chosen is not None and chosen != "auto":
        return str(known["spellings"].get(chosen, chosen))
    facts = view.facts
    dtype = None if facts is None else facts.architecture.dtype
    if dtype == "float16":
        return dtype
    least = known["capability"].get(dtype)
    capability = view.capability
    if least is None or capability is None:
        return None
    return dtype if capability >= least else "float16"
