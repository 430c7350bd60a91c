"""The piece: what one entry adds to the files of its profile's build, printed already."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """Everything that is printed of one entry. It follows from the entry and its estimate alone, and from pieces alone
    follow the files that hold several; so a piece can be kept, and made anywhere. All of it is plain.

    `registry` and `provenance` are its lines in those files, without a comma. `names` are those it is found by,
    folded: rank (lower wins), whether the entry is an `alias-of` another, name. `roles` are its roles and priorities.
    `launch` is the launch's digest, `script` the script that starts it; None where there is none.
    """

    model: str
    name: str
    registry: bytes
    provenance: bytes
    names: tuple[tuple[int, bool, str], ...]
    roles: tuple[tuple[str, int], ...]
    launch: str | None
    script: bytes | None
