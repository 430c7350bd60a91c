"""merge: a project → a fleet. Layers are laid over each other once, here and nowhere else.

Order, lowest first: the profile's defaults (its parent's below its own), the model's base.toml, its
overlay for the profile's parent, its overlay for the profile. Facts are a tree of their own, with
`[correct]` laid over them; settings cannot reach them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from stowplan.fit.subject import Drafts, draft_of, drafts
from stowplan.nouns.facts import Facts
from stowplan.nouns.profile import Profile
from stowplan.nouns.project import Document, Fleet, Model, Project, State, Subject
from stowplan.stages.merge.facts import merged_facts
from stowplan.stages.merge.ledger import Ledger
from stowplan.stages.merge.profiles import merged_profile
from stowplan.stages.merge.stack import Sheet, Stack, sheet_of
from stowplan.words.diagnostic import Diagnostic
from stowplan.words.layered import Layer, Leaf, Tree, find


def merge(project: Project) -> tuple[Fleet, list[Diagnostic]]:
    """The fleet: every profile and every subject, merged; and what stands in the way of that."""
    ledger = Ledger()
    profiles = {}
    for name in sorted(project.profiles):
        if (profile := merged_profile(name, project, ledger)) is not None:
            profiles[name] = profile
    models = [_lower(model, ledger) for _, model in sorted(project.models.items())]
    subjects = [
        subject
        for profile in profiles.values()
        for lower in models
        if (subject := _subject(lower, profile, ledger)) is not None
    ]
    located = cache(lambda: drafts(lower.facts for lower in models))
    return Fleet(profiles, tuple(_drafting(subject, located) for subject in subjects)), ledger.close()


def _drafting(subject: Subject, models: Callable[[], Drafts]) -> Subject:
    """The subject with the model that it drafts with, if that is one of the project's."""
    draft = draft_of(subject, models)
    return subject if draft is None else replace(subject, draft=draft)


@dataclass(frozen=True, slots=True)
class _Lower:
    """What a model is on every profile."""

    model: Model
    facts: Facts | None
    facts_tree: Tree
    base: Sheet | None
    because: str | None


def _lower(model: Model, ledger: Ledger) -> _Lower:
    facts, tree = merged_facts(model, ledger)
    if model.base is None:
        return _Lower(model, facts, tree, None, None)
    because = model.base.table.get("correct", {}).get("because")
    return _Lower(model, facts, tree, sheet_of(model.base, Layer.BASE), because)


def _subject(lower: _Lower, profile: Profile, ledger: Ledger) -> Subject | None:
    model = lower.model
    overlays = [model.overlays[name] for name in reversed(profile.names) if name in model.overlays]
    if not overlays or any(f"{name}.toml" in model.unreadable for name in ("base", *profile.names)):
        return None
    defaults = find(profile.tree, ("defaults",))
    stack = Stack(defaults if isinstance(defaults, dict) else {})
    if lower.base is not None:
        stack = stack.lay(lower.base, ledger)
    for overlay in overlays:
        stack = stack.lay(sheet_of(overlay, Layer.OVERLAY), ledger)
    settings = stack.settled()
    return Subject(
        model=model.name,
        profile=profile,
        state=_state(overlays, settings),
        file=overlays[-1].file,
        settings=settings,
        removed=stack.removed,
        facts=lower.facts,
        facts_tree=lower.facts_tree,
        because=lower.because,
    )


def _state(overlays: list[Document], settings: Tree) -> State:
    if all(overlay.table.get("status") == "stub" for overlay in overlays):
        return State.STUB
    enabled = settings.get("enabled")
    return State.DISABLED if isinstance(enabled, Leaf) and enabled.value is False else State.ACTIVE
