"""What is asked for, and what the checkpoint is, against the compute capability of the profile's card.

vLLM refuses in VllmConfig._get_quantization_config (methods), in vllm/platforms/cuda.py,
check_if_supports_dtype (bfloat16), and in get_attn_backend_cls (attention backends and kv-cache dtypes,
since 0.12.0), seen in 0.11.0 to 0.33.0. What a method or a backend needs is in the table, as its class says.
Nothing is said of a card that the profile does not name, nor of a backend that could not be asked.
"""

from collections.abc import Iterator, Mapping

from stowplan.stages.check.config.quantization import ASKED, DTYPE, OTHERS, possible
from stowplan.stages.check.config.view import View, said
from stowplan.words.diagnostic import Diagnostic, Place, error

BACKEND, CACHE = "attention-backend", "kv-cache-dtype"


def check(view: View) -> Iterator[Diagnostic]:
    """Every part that the card is too old (or too new) for."""
    capability = view.capability
    if capability is None:
        return
    if not any(name in view.flags for name in OTHERS):
        yield from _method(view, capability)
    yield from _dtype(view, capability)
    backend = _chosen_backend(view)
    if backend is not None:
        yield from _backend(view, capability, *backend)
    yield from _cache(view, capability, None if backend is None else backend[0])


def _method(view: View, capability: int) -> Iterator[Diagnostic]:
    known = [view.table.methods[name].capability for name in possible(view) if name in view.table.methods]
    names = view.table.names.get("quantization", ())
    if not known or any(name in names and name not in view.table.methods for name in possible(view)):
        return
    if capability >= min(known):
        return
    at = view.at(ASKED) if ASKED in view.flags else view.fact("quantization", "method")
    what = f"quantization `{possible(view)[0]}`" if ASKED in view.flags else "the checkpoint's quantization"
    yield _too_old(view, f"{what} needs", min(known), at)


def _dtype(view: View, capability: int) -> Iterator[Diagnostic]:
    known = view.known("dtypes")
    dtype = view.text(DTYPE)
    least = known["capability"].get(dtype)
    if least is not None and capability < least:
        yield _too_old(view, f'`{DTYPE} = "{dtype}"` needs', least, view.at(DTYPE), f'`{DTYPE} = "half"` runs on it')


def _chosen_backend(view: View) -> tuple[str, tuple[str, ...]] | None:
    """The attention backend that is asked for, and the path of flag and key that says so."""
    for path in ((BACKEND,), ("attention-config", "backend")):
        value = view.value(*path)
        if isinstance(value, str) and value.upper() in view.table.backends:
            return value.upper(), path
    return None


def _backend(view: View, capability: int, name: str, path: tuple[str, ...]) -> Iterator[Diagnostic]:
    cards = view.table.backends[name].capabilities
    if str(capability) not in view.table.considered or capability in cards or not cards:
        return
    message = f"attention backend `{name}` runs on {_list(cards)}; profile "
    message += f"`{view.subject.profile.name}` has {said(capability)}"
    also = view.card("capability", text="the card's compute capability")
    others = [
        other
        for kind in view.table.considered[str(capability)].values()
        for other in kind
        if other in view.table.backends and capability in view.table.backends[other].capabilities
    ]
    hint = f"{view.version} tries there by itself: {', '.join(dict.fromkeys(others))}" if others else None
    yield error("gpu-too-old", message, view.at(*path), also=also, hint=hint)


def _cache(view: View, capability: int, backend: str | None) -> Iterator[Diagnostic]:
    dtype = view.text(CACHE)
    considered = view.table.considered.get(str(capability))
    if dtype is None or dtype == "auto" or considered is None:
        return
    if backend is not None:
        takes = view.table.backends[backend].kv_cache_dtypes
        if not _keeps(view, backend, dtype):
            message = f"attention backend `{backend}` keeps keys and values as {', '.join(takes)}, not {dtype}"
            path = (BACKEND,) if BACKEND in view.flags else ("attention-config", "backend")
            yield error("flags-conflict", message, view.at(CACHE), also=[view.label(*path)])
        return
    candidates = _candidates(view, considered)
    runs = [name for name in candidates if name not in view.table.backends or _takes(view, name, dtype, capability)]
    if candidates and not runs:
        message = f"no attention backend of {view.version} keeps keys and values as {dtype} on a card with "
        message += said(capability)
        also = view.card("capability", text="the card's compute capability")
        yield error("gpu-too-old", message, view.at(CACHE), also=also, hint=f'`{CACHE} = "auto"` runs anywhere')


def _candidates(view: View, considered: Mapping[str, tuple[str, ...]]) -> set[str]:
    """The backends that vLLM may take: those it tries by itself, and those that models bring along."""
    kinds = considered.keys() if view.facts is None else ("mla",) if view.architecture.mla is not None else ("other",)
    tried = {name for kind in kinds for name in considered[kind]}
    anywhere = {name for kinds in view.table.considered.values() for names in kinds.values() for name in names}
    elsewhere = tuple(view.known("kv_cache")["other_platforms"])
    brought = {n for n in view.table.backends if n not in anywhere and not n.startswith(elsewhere)}
    return tried | brought


def _takes(view: View, name: str, dtype: str, capability: int) -> bool:
    return capability in view.table.backends[name].capabilities and _keeps(view, name, dtype)


def _keeps(view: View, name: str, dtype: str) -> bool:
    """Whether a backend keeps keys and values so, as its class lists it, or as it says beyond that."""
    listed = view.table.backends[name].kv_cache_dtypes
    beyond = view.known("kv_cache")["beyond_list"].get(name)
    return not listed or dtype in listed or (beyond is not None and dtype.startswith(beyond))


def _too_old(view: View, what: str, least: int, at: Place | None, hint: str | None = None) -> Diagnostic:
    capability = view.capability or 0
    message = f"{what} a card with compute capability {said(least)}; profile `{view.subject.profile.name}` has "
    message += said(capability)
    also = view.card("capability", text="the card's compute capability")
    return error("gpu-too-old", message, at, also=also, hint=hint)


def _list(capabilities: tuple[int, ...]) -> str:
    return ", ".join(said(capability) for capability in sorted(capabilities))
