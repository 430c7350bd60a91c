"""emit: entries → the files of one profile's build. Each emitter makes its own and knows no other."""

from stowplan.nouns.artifact import Artifact
from stowplan.nouns.entry import Entry
from stowplan.nouns.profile import Profile
from stowplan.stages.emit import provenance, registry, roles, schema, vllm_script

_EMITTERS = (registry, provenance, roles, schema, vllm_script)


def emit(profile: Profile, entries: tuple[Entry, ...]) -> tuple[Artifact, ...]:
    """Every output file of `profile`, whose entries these are, sorted by path."""
    made = [artifact for emitter in _EMITTERS for artifact in emitter.artifacts(profile, entries)]
    return tuple(sorted(made, key=lambda artifact: artifact.path))
