"""Reading a project's input files into memory, from the working tree or from a git revision.

Everything after this is pure: the same `Sources` give the same build, wherever they came from.
"""

Sources = dict[str, bytes]
"""Input files by path relative to the project, POSIX, sorted."""

PATTERNS = ("profiles/*.toml", "models.d/*.toml", "models.d/*/*.toml", "models.d/*/discovered.json")
"""What counts as an input. Nothing else in a project is read."""

MAX_BYTES = {".toml": 1 << 20, ".json": 16 << 20}
"""Larger files are refused unread: a person's TOML is small, facts of the largest models are under 1 MiB."""


def too_large(name: str, size: int) -> str | None:
    """What to say of an input file of `size` bytes if it is over its limit, else None."""
    limit = MAX_BYTES["." + name.rsplit(".", 1)[-1]]
    if size <= limit:
        return None
    return f"`{name}` has {size} bytes; an input of its kind may have {limit}"
