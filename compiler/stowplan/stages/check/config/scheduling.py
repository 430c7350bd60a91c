"""How many tokens and requests are taken at once.

vLLM checks these in vllm/config/scheduler.py (SchedulerConfig: _verify_args in 0.11.0, verify_max_model_len
from 0.11.2 on) and in vllm/config/model.py (validate_model_config_after), seen up to 0.33.0. What is not set
vLLM chooses so that it fits, so only what is set is compared.
"""

from collections.abc import Iterator

from stowplan.stages.check.config.knowledge import holds
from stowplan.stages.check.config.view import View, rule
from stowplan.words.diagnostic import Diagnostic, Label, error

TOKENS, SEQS, LENGTH, CHUNKED = "max-num-batched-tokens", "max-num-seqs", "max-model-len", "enable-chunked-prefill"
ACTIVE, LONG = "max-num-active-seqs", "long-prefill-token-threshold"
PARTIAL, LONG_PARTIAL = "max-num-partial-prefills", "max-long-partial-prefills"


def _more_requests_than_tokens(view: View) -> Iterator[Diagnostic]:
    """Each request of a batch has a token in it."""
    tokens, seqs = view.whole(TOKENS), view.whole(SEQS)
    if tokens is not None and seqs is not None and 0 < tokens < seqs:
        message = f"`{TOKENS}` ({tokens}) is less than `{SEQS}` ({seqs})"
        hint = "each request of a batch needs a token in it: raise the first, or lower the second"
        yield error("flags-conflict", message, view.at(TOKENS), also=[view.label(SEQS)], hint=hint)


def _whole_prompts(view: View) -> Iterator[Diagnostic]:
    """Without chunked prefill a whole prompt is one batch."""
    tokens = view.whole(TOKENS)
    if tokens is None or not _is_whole(view):
        return
    length, at = view.whole(LENGTH), []
    if LENGTH in view.flags:
        at = [view.label(LENGTH)]
    elif view.facts is not None and view.facts.context is not None and "disable-sliding-window" not in view.flags:
        length = view.facts.context.default or view.facts.context.tokens
        known = view.fact("context", "tokens")
        at = [Label(known, "the model's own context")] if known is not None else []
    if length is not None and 0 < tokens < length:
        message = f"`{TOKENS}` ({tokens}) is less than the context of {length} tokens, and `{CHUNKED}` is false"
        hint = f"a prompt is then one batch: raise `{TOKENS}`, lower `{LENGTH}`, or let prompts be chunked"
        yield error("flags-conflict", message, view.at(TOKENS), also=[view.label(CHUNKED), *at], hint=hint)


def _is_whole(view: View) -> bool:
    """Whether chunked prefill is off because the settings say so."""
    since = view.known("chunked_prefill").get("choice_since")
    return view.value(CHUNKED) is False and holds(view.table.version, since=since)


def _no_length(view: View) -> Iterator[Diagnostic]:
    """A context has a token. -1 is a word of some versions: as many as fit."""
    length, minimum = view.whole(LENGTH), view.table.flags[LENGTH].minimum
    if length is None or length >= 1 or length == minimum:
        return
    if holds(view.table.version, since=view.known("length")["checked_since"]):
        yield error("bad-value", f"`{LENGTH}` wants a number at least 1; it is the integer {length}", view.at(LENGTH))


def _active(view: View) -> Iterator[Diagnostic]:
    """Those that run are among those that are taken."""
    active, seqs = view.whole(ACTIVE), view.whole(SEQS)
    if active is not None and seqs is not None and active > seqs:
        message = f"`{ACTIVE}` ({active}) is more than `{SEQS}` ({seqs})"
        yield error("flags-conflict", message, view.at(ACTIVE), also=[view.label(SEQS)])


def _long(view: View) -> Iterator[Diagnostic]:
    """A prompt that counts as long must fit. Where there are partial prefills, only those look."""
    threshold, length = view.whole(LONG), view.whole(LENGTH)
    if threshold is None or length is None or not 0 < length < threshold:
        return
    if PARTIAL not in view.table.flags or view.size(PARTIAL) > 1:
        message = f"`{LONG}` ({threshold}) is more than `{LENGTH}` ({length})"
        yield error("flags-conflict", message, view.at(LONG), also=[view.label(LENGTH)])


def _partial(view: View) -> Iterator[Diagnostic]:
    """Prompts filled in part, several at once: chunks, and long ones among them."""
    partial, long = view.size(PARTIAL), view.size(LONG_PARTIAL)
    if PARTIAL in view.flags and partial > 1 and _is_whole(view):
        message = f"`{PARTIAL}` ({partial}) needs prompts to be chunked, and `{CHUNKED}` is false"
        yield error("flags-conflict", message, view.at(PARTIAL), also=[view.label(CHUNKED)])
    if LONG_PARTIAL in view.flags and long > partial:
        also = [view.label(PARTIAL)] if PARTIAL in view.flags else []
        message = f"`{LONG_PARTIAL}` ({long}) is more than `{PARTIAL}` ({partial})"
        yield error("flags-conflict", message, view.at(LONG_PARTIAL), also=also)


RULES = (
    rule(_more_requests_than_tokens, TOKENS, SEQS),
    rule(_whole_prompts, TOKENS, CHUNKED),
    rule(_no_length, LENGTH),
    rule(_active, ACTIVE, SEQS),
    rule(_long, LONG, LENGTH),
    rule(_partial, any_of=(PARTIAL, LONG_PARTIAL)),
)
