"""emit: entries → the files of one profile's build. Each emitter makes its own and knows no other.

First each entry by itself is printed as a piece, then pieces are put together: the lines of a file, its index.
"""

from collections.abc import Sequence

from stowplan.fit import remembered
from stowplan.fit.estimate import Estimate
from stowplan.nouns.artifact import Artifact
from stowplan.nouns.entry import Entry
from stowplan.nouns.piece import Piece
from stowplan.nouns.profile import Profile
from stowplan.stages.emit import provenance, registry, roles, schema, vllm_script


def emit(profile: Profile, entries: Sequence[Entry]) -> tuple[Artifact, ...]:
    """Every output file of `profile`, whose entries these are, sorted by path."""
    return join(profile, [piece(profile, entry, remembered.of(entry.subject)) for entry in entries])


def piece(profile: Profile, entry: Entry, fit: Estimate | None) -> Piece:
    """What is printed of one entry of `profile`; `fit` is how much memory it takes, where that can be asked."""
    launch = entry.launch
    return Piece(
        model=entry.subject.model,
        name=entry.name,
        registry=registry.line(profile, entry, fit),
        provenance=provenance.line(entry),
        names=registry.names(entry),
        roles=tuple(entry.roles.items()),
        launch=None if launch is None else launch.digest,
        script=vllm_script.script(profile, entry),
    )


def join(profile: Profile, pieces: Sequence[Piece]) -> tuple[Artifact, ...]:
    """The files of `profile` made of the pieces of all its entries, in any order; sorted by path."""
    ordered = sorted(pieces, key=lambda piece: piece.name)
    made = [
        *registry.artifacts(ordered),
        *provenance.artifacts(ordered),
        *roles.artifacts(ordered),
        *schema.artifacts(profile),
        *vllm_script.artifacts(ordered),
    ]
    return tuple(sorted(made, key=lambda artifact: artifact.path))
