"""Reading a project's input files into memory, from the working tree or from a git revision.

Everything after this is pure: the same `Sources` give the same build, wherever they came from. So that
both ways see the same, inputs are plain files in plain folders: links are refused, wherever they lead.
"""

from pathlib import PurePosixPath

from stowplan.words.diagnostic import Diagnostic, Place, error

Sources = dict[str, bytes]
"""Input files by path relative to the project, POSIX, sorted."""

PROFILES, MODELS, ENGINES = FOLDERS = ("profiles", "models.d", "engines")
NESTED = (MODELS, ENGINES)
"""The folders whose folders hold inputs, too."""
PATTERNS = (
    *("profiles/*.toml", "models.d/*.toml", "models.d/*/*.toml", "models.d/*/discovered.json"),
    "engines/*/*.json",
)
"""What counts as an input. Nothing else in a project is read."""

MAX_BYTES = {".toml": 1 << 20, ".json": 16 << 20}
"""Larger files are refused unread: a person's TOML is small, facts of the largest models are under 1 MiB."""


def is_input(name: str) -> bool:
    """Whether the path `name`, relative to the project, is one of an input file."""
    path = PurePosixPath(name)
    if path.name.startswith("."):  # an editor's, or a file manager's
        return False
    return any(len(path.parts) == pattern.count("/") + 1 and path.match(pattern) for pattern in PATTERNS)


def leads_to_inputs(name: str) -> bool:
    """Whether `name` is an input, or would be a folder that holds some."""
    folder, _, last = name.rpartition("/")
    return name in FOLDERS or (folder in NESTED and not last.startswith(".")) or is_input(name)


def unreadable(name: str, reason: str) -> Diagnostic:
    """What to say of an input that cannot be read."""
    return error("unreadable-file", f"cannot read `{name}`: {reason}", Place(name))


def link(name: str) -> Diagnostic:
    """What to say of a link where an input or its folder should be."""
    return unreadable(name, "it is a link; inputs are plain files in plain folders")


def too_large(name: str, size: int) -> Diagnostic | None:
    """What to say of an input file of `size` bytes if it is over its limit, else None."""
    limit = MAX_BYTES["." + name.rsplit(".", 1)[-1]]
    if size <= limit:
        return None
    return error("unreadable-file", f"`{name}` has {size} bytes; an input of its kind may have {limit}", Place(name))
