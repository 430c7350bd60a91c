"""A launch as a question of memory: what of a subject the estimate has to know, and the same with other settings."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stowplan.fit.constants import knows
from stowplan.fit.estimate import Estimate
from stowplan.fit.sense import sensible
from stowplan.fit.settings import Settings, settings
from stowplan.fit.verdict import estimate
from stowplan.nouns.facts import Facts
from stowplan.nouns.measured import Start
from stowplan.nouns.profile import Gpu
from stowplan.nouns.project import Subject
from stowplan.nouns.roots import resolve, split
from stowplan.words.layered import Tree, plain

Drafts = Mapping[str, Facts]
"""Facts by where the weights lie, as `root:path`."""

_SHORT = {"spec-method": "method", "spec-model": "model", "spec-tokens": "num_speculative_tokens"}
"""Flags that say one key of `speculative-config` (vLLM 0.22.1 and newer, vllm/engine/arg_utils.py,
`create_speculative_config`); a key may be said in one of both places."""
DRAFTING = frozenset(("speculative-config", *_SHORT))
"""Flags by which another model's facts may count."""


@dataclass(frozen=True, slots=True)
class Question:
    """A model's facts, a launch's settings, the card, the engine, and what `starts` of it took: all that `estimate`
    takes."""

    facts: Facts
    settings: Settings
    gpu: Gpu | None
    version: str | None
    kind: str = "vllm"
    starts: tuple[Start, ...] = ()

    def answer(self) -> Estimate:
        """The estimate."""
        return estimate(self.facts, self.settings, self.gpu, self.version, kind=self.kind, starts=self.starts)

    def changed(self, **values: Any) -> "Question":
        """The same launch with other settings, by the names that `Settings` has."""
        return replace(self, settings=replace(self.settings, **values))


def drafts(models: Iterable[Facts | None]) -> Drafts:
    """All models of a project by where they lie, for those that another one names as its draft."""
    return {f"{facts.location.root}:{facts.location.path}": facts for facts in models if facts is not None}


def draft_of(subject: Subject, models: Callable[[], Drafts]) -> Facts | None:
    """The model of the project that a subject's launch names as its draft, by root or by absolute path."""
    engine = subject.engine
    flags: Tree = {} if engine is None else subject.table(engine.kind)
    if DRAFTING.isdisjoint(flags):
        return None
    config = _speculative(plain(flags))
    named = config.get("model")
    if not isinstance(named, str):
        return None
    path = named.rstrip("/")
    if split(named) is not None:
        return models().get(path)
    roots = subject.profile.roots
    return next((facts for location, facts in models().items() if resolve(location, roots) == path), None)


def question(subject: Subject) -> Question | None:
    """What to ask for a subject.

    None where there is nothing to ask: something else serves it, its facts or its engine are not known, or
    nothing is known of the memory of that kind of engine.
    """
    engine, facts = subject.engine, subject.facts
    if engine is None or facts is None or subject.is_external or not knows(engine.kind):
        return None
    flags = plain(subject.table(engine.kind))
    if isinstance(flags.get("speculative-config"), dict) or not _SHORT.keys().isdisjoint(flags):
        flags["speculative-config"] = _speculative(flags)
    draft = None if subject.draft is None else sensible(subject.draft)
    facts, asked = sensible(facts), settings(flags, plain(subject.table("env")), draft)
    if asked.pipeline_parallel > (facts.architecture.layers or 1):
        asked = replace(asked, pipeline_parallel=1, unknown=(*asked.unknown, "pipeline-parallel-size"))
    seen = subject.profile.measured.get(subject.model, ())
    starts = tuple(start for start in seen if (start.engine, start.kind) == (engine.label, engine.kind))
    return Question(facts, asked, subject.profile.gpu, engine.version.value, engine.kind, starts)


def of(subject: Subject) -> Estimate | None:
    """Whether a subject fits its card; None where `question` has nothing to ask."""
    asked = question(subject)
    return None if asked is None else asked.answer()


def _speculative(flags: Mapping[str, Any]) -> dict[str, Any]:
    """`speculative-config` with the keys that flags of their own say, and without dashes in its keys, as vLLM does."""
    table = flags.get("speculative-config")
    found = {key: flags[flag] for flag, key in _SHORT.items() if flag in flags}
    if isinstance(table, dict):
        found |= {key.replace("-", "_"): value for key, value in table.items()}
    return found
