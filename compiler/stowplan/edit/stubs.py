"""Stubs: the start of an overlay for a model that was just discovered.

A stub sets nothing. It says what the model is and suggests, in comments, what could be set; it counts
only when a person has removed its status line.
"""

from collections.abc import Iterator

from stowplan.nouns.facts import Facts

SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
"""What of generation_config.json vLLM takes as sampling defaults (0.32.0, vllm/config/model.py)."""
SUGGESTED_CONTEXT = 32768
_MIB, _GIB = 1 << 20, 1 << 30


def stub(facts: Facts, profile: str, engine: str) -> str:
    """The text of a new `<profile>.toml`: a status line and comments, nothing else.

    `engine` is a label of the profile's `[engine.<label>]`.
    """
    lines = [
        "#:schema ../../build/active/schema/overlay.json",
        'status = "stub"   # remove this line when the settings below are yours',
        "",
        *(f"# {line}" for line in _summary(facts, profile)),
        "",
        *(f"# {line}" for line in _suggestions(facts, engine)),
    ]
    return "\n".join(_safe(line).rstrip() for line in lines) + "\n"


def _summary(facts: Facts, profile: str) -> Iterator[str]:
    """What a person wants to know before deciding."""
    location = facts.location
    name = facts.source.repo or location.path.rsplit("/", 1)[-1]
    yield f"{name} on {profile}, found at {location.root}:{location.path}"
    if facts.weights.bytes is not None:
        held = ", ".join(sorted(facts.weights.dtypes))
        yield f"weights: {_size(facts.weights.bytes)}" + (f" ({held})" if held else "")
    if facts.quantization is not None:
        bits = f", {facts.quantization.bits} bits" if facts.quantization.bits else ""
        yield f"quantization: {facts.quantization.method}{bits}"
    if facts.context is not None:
        yield f"longest context: {facts.context.tokens} tokens ({facts.context.evidence})"
    if facts.capabilities:
        yield f"capabilities: {', '.join(sorted(facts.capabilities))}"
    if facts.license is not None:
        yield f"licence: {facts.license}"


def _suggestions(facts: Facts, engine: str) -> Iterator[str]:
    yield f'engine = "{engine}"'
    yield "[vllm]"
    if facts.context is not None:
        yield f"max-model-len = {min(facts.context.tokens, SUGGESTED_CONTEXT)}"
    if facts.architecture.remote_code:
        yield "trust-remote-code = true   # runs the model's own code; the profile's `allow` must name it"
    chosen = {name: facts.generation.get(name) for name in SAMPLING}
    numbers = {k: v for k, v in chosen.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    if numbers:
        yield "[sampling]"
        yield from (f"{name} = {value}" for name, value in numbers.items())


def _size(count: int) -> str:
    """Bytes as a person reads them."""
    return f"{count / _GIB:.2f} GiB" if count >= _GIB else f"{count / _MIB:.2f} MiB"


def _safe(line: str) -> str:
    """Facts come from the internet: a comment must stay one line and show what it holds."""
    return "".join(character if character.isprintable() else "?" for character in line)
