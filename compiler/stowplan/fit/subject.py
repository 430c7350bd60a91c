"""A launch as a question of memory: what of a subject the estimate has to know, and the same with other settings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stowplan.fit.constants import knows
from stowplan.fit.estimate import Estimate
from stowplan.fit.sense import sensible
from stowplan.fit.settings import Settings, settings
from stowplan.fit.verdict import estimate
from stowplan.nouns.facts import Facts
from stowplan.nouns.profile import Gpu
from stowplan.nouns.project import Subject
from stowplan.nouns.roots import resolve, split
from stowplan.words.layered import plain

Drafts = Mapping[str, Facts]
"""Facts by where the weights lie, as `root:path`."""

_SHORT = {"spec-method": "method", "spec-model": "model", "spec-tokens": "num_speculative_tokens"}
"""Flags that say one key of `speculative-config` (vLLM 0.22.1 and newer, vllm/engine/arg_utils.py,
`create_speculative_config`); a key may be said in one of both places."""


@dataclass(frozen=True, slots=True)
class Question:
    """A model's facts, a launch's settings, the card, and the engine: all that `estimate` takes."""

    facts: Facts
    settings: Settings
    gpu: Gpu | None
    version: str | None
    kind: str = "vllm"

    def answer(self) -> Estimate:
        """The estimate."""
        return estimate(self.facts, self.settings, self.gpu, self.version, kind=self.kind)

    def changed(self, **values: Any) -> "Question":
        """The same launch with other settings, by the names that `Settings` has."""
        return replace(self, settings=replace(self.settings, **values))


def drafts(subjects: Iterable[Subject]) -> Drafts:
    """All models of a project, for those that another one names as its draft."""
    found = (subject.facts for subject in subjects)
    return {f"{facts.location.root}:{facts.location.path}": facts for facts in found if facts is not None}


def question(subject: Subject, others: Drafts | None = None) -> Question | None:
    """What to ask for a subject; `others` are the project's models, where one may be its draft.

    None where there is nothing to ask: something else serves it, its facts or its engine are not known, or
    nothing is known of the memory of that kind of engine.
    """
    engine, facts = subject.engine, subject.facts
    if engine is None or facts is None or subject.is_external or not knows(engine.kind):
        return None
    flags = plain(subject.table(engine.kind))
    if isinstance(flags.get("speculative-config"), dict) or not _SHORT.keys().isdisjoint(flags):
        flags["speculative-config"] = _speculative(flags)
    draft = _draft(subject, flags.get("speculative-config"), others) if others else None
    draft = None if draft is None else sensible(draft)
    facts, asked = sensible(facts), settings(flags, plain(subject.table("env")), draft)
    if asked.pipeline_parallel > (facts.architecture.layers or 1):
        asked = replace(asked, pipeline_parallel=1, unknown=(*asked.unknown, "pipeline-parallel-size"))
    return Question(facts, asked, subject.profile.gpu, engine.version.value, engine.kind)


def of(subject: Subject, others: Drafts | None = None) -> Estimate | None:
    """Whether a subject fits its card; None where `question` has nothing to ask."""
    asked = question(subject, others)
    return None if asked is None else asked.answer()


def _speculative(flags: Mapping[str, Any]) -> dict[str, Any]:
    """`speculative-config` with the keys that flags of their own say, and without dashes in its keys, as vLLM does."""
    table = flags.get("speculative-config")
    found = {key: flags[flag] for flag, key in _SHORT.items() if flag in flags}
    if isinstance(table, dict):
        found |= {key.replace("-", "_"): value for key, value in table.items()}
    return found


def _draft(subject: Subject, config: Any, others: Drafts) -> Facts | None:
    """The model of the project that a `speculative-config` names, by root or by absolute path."""
    named = config.get("model") if isinstance(config, dict) else None
    if not isinstance(named, str):
        return None
    if split(named) is not None:
        return others.get(named.rstrip("/"))
    roots = subject.profile.roots
    path = named.rstrip("/")
    return next((facts for location, facts in others.items() if resolve(location, roots) == path), None)
