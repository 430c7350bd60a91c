"""roles.json: role → the models that take it, in order of preference."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from stowplan.nouns.artifact import Artifact
from stowplan.nouns.piece import Piece
from stowplan.words.digest import canonical_json


def artifacts(pieces: Sequence[Piece]) -> Iterator[Artifact]:
    """Names of entries by role: the highest priority first, ties by name."""
    takers: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for piece in pieces:
        for role, priority in piece.roles:
            takers[role].append((-priority, piece.name))
    ordered = {role: [name for _, name in sorted(found)] for role, found in takers.items()}
    yield Artifact("roles.json", canonical_json(ordered) + b"\n")
