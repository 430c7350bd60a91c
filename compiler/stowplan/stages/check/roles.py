"""Roles: a model that takes one must be able to do what the profile says the role needs."""

from collections.abc import Iterator

from stowplan.nouns.facts import CAPABILITIES
from stowplan.nouns.profile import Profile
from stowplan.nouns.project import Subject
from stowplan.stages.check.places import place_of
from stowplan.words.diagnostic import Diagnostic, Label, Place, error
from stowplan.words.layered import Leaf, find


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Roles of the subject whose needs its facts do not show. Without facts nothing can be said."""
    if subject.facts is None:
        return
    for role, leaf in subject.table("roles").items():
        needs = subject.profile.leaf("roles", role)
        wanted = [c for c in (needs.value if needs is not None else ()) if c in CAPABILITIES]
        missing = [c for c in wanted if c not in subject.facts.capabilities]
        if not missing or needs is None or not isinstance(leaf, Leaf):
            continue
        has = ", ".join(sorted(subject.facts.capabilities)) or "nothing"
        message = f"`{subject.name}` takes the role `{role}`, which needs {' and '.join(missing)}; its facts show {has}"
        label = Label(place_of(needs), "what the role needs")
        hint = f'take the role away; if the facts are wrong: `{missing[0]} = "..."` under [correct.capabilities]'
        yield error("role-not-met", message, place_of(leaf), also=[label], hint=hint)


def check_needs(profile: Profile) -> Iterator[Diagnostic]:
    """Capabilities that do not exist."""
    table = find(profile.tree, ("roles",))
    for leaf in table.values() if isinstance(table, dict) else ():
        for index, name in enumerate(leaf.value if isinstance(leaf, Leaf) else ()):
            if isinstance(leaf, Leaf) and name not in CAPABILITIES:
                place = Place(leaf.origin.file, (*leaf.origin.key, index))
                known = ", ".join(f'"{capability}"' for capability in CAPABILITIES)
                yield error("bad-choice", f"`{name}` is no capability", place, hint=f"one of {known}")
