"""merge: a project → a fleet. Layers are laid over each other once, here and nowhere else.

Order, lowest first: the profile's defaults (its parent's below its own), the model's base.toml, its
overlay for the profile's parent, its overlay for the profile. Facts are a tree of their own, with
`[correct]` laid over them; settings cannot reach them.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from stowplan.fit.subject import Drafts, draft_of, drafts
from stowplan.nouns.facts import Facts
from stowplan.nouns.profile import Profile
from stowplan.nouns.project import Document, Fleet, Model, Project, State, Subject
from stowplan.stages.merge.facts import merged_facts
from stowplan.stages.merge.ledger import Ledger
from stowplan.stages.merge.profiles import merged_profile
from stowplan.stages.merge.sheets import settled
from stowplan.stages.merge.stack import Stack
from stowplan.words.diagnostic import Diagnostic
from stowplan.words.layered import Layer, Leaf, Tree, find


def merge(project: Project) -> tuple[Fleet, list[Diagnostic]]:
    """The fleet: every profile and every subject, merged; and what stands in the way of that."""
    ledger = Ledger()
    profiles = {}
    for name in sorted(project.profiles):
        if (profile := merged_profile(name, project, ledger)) is not None:
            profiles[name] = profile
    models = [(model, merged_facts(model, ledger)) for _, model in sorted(project.models.items())]
    subjects = [
        subject
        for profile in profiles.values()
        for model, facts in models
        if (subject := _subject(model, facts, profile, ledger)) is not None
    ]
    located = cache(lambda: drafts(facts for _, (facts, _) in models))
    return Fleet(profiles, tuple(_drafting(subject, located) for subject in subjects)), ledger.close()


def _drafting(subject: Subject, models: Callable[[], Drafts]) -> Subject:
    """The subject with the model that it drafts with, if that is one of the project's."""
    draft = draft_of(subject, models)
    return subject if draft is None else replace(subject, draft=draft)


def _subject(model: Model, facts: tuple[Facts | None, Tree], profile: Profile, ledger: Ledger) -> Subject | None:
    overlays = [model.overlays[name] for name in reversed(profile.names) if name in model.overlays]
    if not overlays or any(f"{name}.toml" in model.unreadable for name in ("base", *profile.names)):
        return None
    defaults = find(profile.tree, ("defaults",))
    stack = Stack(defaults if isinstance(defaults, dict) else {})
    if model.base is not None:
        stack = stack.lay(model.base, Layer.BASE, ledger)
    for overlay in overlays:
        stack = stack.lay(overlay, Layer.OVERLAY, ledger)
    settings = settled(stack.tree)
    return Subject(
        model=model.name,
        profile=profile,
        state=_state(overlays, settings),
        file=overlays[-1].file,
        settings=settings,
        removed=stack.removed,
        facts=facts[0],
        facts_tree=facts[1],
        because=None if model.base is None else model.base.table.get("correct", {}).get("because"),
    )


def _state(overlays: list[Document], settings: Tree) -> State:
    if all(overlay.table.get("status") == "stub" for overlay in overlays):
        return State.STUB
    enabled = settings.get("enabled")
    return State.DISABLED if isinstance(enabled, Leaf) and enabled.value is False else State.ACTIVE
