"""The context asked for against the longest the model takes by itself.

vLLM refuses the same (0.32.0, vllm/config/model.py, `_get_and_verify_max_len`) after it has started;
it lets through what `hf-overrides` changes, and VLLM_ALLOW_LONG_MAX_MODEL_LEN=1.
"""

from collections.abc import Iterator

from stowplan.nouns.project import Subject
from stowplan.stages.check.places import place_of
from stowplan.words.diagnostic import Diagnostic, Label, error
from stowplan.words.layered import Layer


def check(subject: Subject) -> Iterator[Diagnostic]:
    """`max-model-len` above the model's maximum, without an override that says it is meant."""
    facts = subject.facts
    asked = subject.leaf("vllm", "max-model-len")
    if subject.is_external or facts is None or facts.context is None or asked is None:
        return
    longest = facts.context.tokens
    if not isinstance(asked.value, int) or isinstance(asked.value, bool) or asked.value <= longest:
        return
    if subject.table("vllm", "hf-overrides") or subject.value("env", "VLLM_ALLOW_LONG_MAX_MODEL_LEN") == "1":
        return
    known = subject.fact("context", "tokens")
    also = []
    if known is not None:
        said = "corrected" if known.layer is Layer.CORRECTED else f"from {facts.context.evidence}"
        also = [Label(place_of(known), said)]
    yield error(
        "context-too-long",
        f"`max-model-len` asks for {asked.value} tokens; the model takes {longest}",
        place_of(asked),
        also=also,
        hint=f"at most {longest}; to stretch it, set rope scaling under [vllm.hf-overrides], or "
        'VLLM_ALLOW_LONG_MAX_MODEL_LEN = "1" under [env]',
    )
