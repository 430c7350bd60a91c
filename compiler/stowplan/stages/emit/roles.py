"""roles.json: role → the models that take it, in order of preference."""

from collections import defaultdict
from collections.abc import Iterator

from stowplan.nouns.artifact import Artifact
from stowplan.nouns.entry import Entry
from stowplan.nouns.profile import Profile
from stowplan.words.digest import canonical_json


def artifacts(profile: Profile, entries: tuple[Entry, ...]) -> Iterator[Artifact]:  # noqa: ARG001
    """Names of entries by role: the highest priority first, ties by name."""
    takers: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        for role in entry.roles:
            takers[role].append(entry)
    ordered = {
        role: [entry.name for entry in sorted(found, key=lambda entry: (-entry.roles[role], entry.name))]
        for role, found in takers.items()
    }
    yield Artifact("roles.json", canonical_json(ordered) + b"\n")
