"""Stubs: the start of an overlay for a model that was just discovered.

A stub sets nothing. It says what the model is and suggests, in comments, what could be set; it counts
only when a person has removed its status line.
"""

from collections.abc import Iterator

from stowplan.fit.bars import gib, ranged
from stowplan.fit.estimate import UNKNOWN
from stowplan.fit.solve import CTX, solve
from stowplan.fit.subject import Question
from stowplan.nouns.facts import Facts

SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
"""What of generation_config.json vLLM takes as sampling defaults (0.32.0, vllm/config/model.py)."""
SUGGESTED_CONTEXT = 32768
_MIB, _GIB = 1 << 20, 1 << 30


def stub(facts: Facts, profile: str, engine: str, question: Question | None = None) -> str:
    """The text of a new `<profile>.toml`: a status line and comments, nothing else.

    `engine` is a label of the profile's `[engine.<label>]`; `question` asks whether the model, as the profile's
    defaults have it, fits the card.
    """
    lines = [
        "#:schema ../../build/active/schema/overlay.json",
        'status = "stub"   # remove this line when the settings below are yours',
        "",
        *(f"# {line}" for line in _summary(facts, profile)),
        "",
        *(f"# {line}" for line in _suggestions(facts, engine, question)),
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


def _suggestions(facts: Facts, engine: str, question: Question | None) -> Iterator[str]:
    yield f'engine = "{engine}"'
    yield "[vllm]"
    if facts.context is not None:
        yield _context(facts.context.tokens, question)
    if facts.architecture.remote_code:
        yield "trust-remote-code = true   # runs the model's own code; the profile's `allow` must name it"
    chosen = {name: facts.generation.get(name) for name in SAMPLING}
    numbers = {k: v for k, v in chosen.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    if numbers:
        yield "[sampling]"
        yield from (f"{name} = {value}" for name, value in numbers.items())


def _context(tokens: int, question: Question | None) -> str:
    """The largest sensible context: what surely fits the card, and is not so long that nobody meant it."""
    line = f"max-model-len = {min(tokens, SUGGESTED_CONTEXT)}"
    if question is None or (whole := question.answer()).verdict == UNKNOWN or whole.plan.empty:
        return line
    fits = solve(CTX, question).value
    if fits is None:
        needed = f"{ranged(whole.needed, ' to ')} GiB of {gib(whole.granted)}"
        return f"{line}   # may not fit: with {whole.tokens} tokens it needs {needed}"
    if fits >= tokens:
        return f"{line}   # the whole context surely fits"
    return f"max-model-len = {min(int(fits), SUGGESTED_CONTEXT)}   # up to {fits} surely fit beside the weights"


def _size(count: int) -> str:
    """Bytes as a person reads them."""
    return f"{count / _GIB:.2f} GiB" if count >= _GIB else f"{count / _MIB:.2f} MiB"


def _safe(line: str) -> str:
    """Facts come from the internet: a comment must stay one line and show what it holds."""
    return "".join(character if character.isprintable() else "?" for character in line)
