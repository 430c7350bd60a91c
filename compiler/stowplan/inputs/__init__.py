"""Reading a project's input files into memory, from the working tree or from a git revision.

Everything after this is pure: the same `Sources` give the same build, wherever they came from. So that
both ways see the same, inputs are plain files in plain folders: links are refused, wherever they lead.
"""

import re

from stowplan.words.diagnostic import Diagnostic, Place, error

Sources = dict[str, bytes]
"""Input files by path relative to the project, POSIX, sorted."""

PROFILES, MODELS, ENGINES = FOLDERS = ("profiles", "models.d", "engines")
NESTED = ("models.d/*", "engines/*", "profiles/measured")
"""The folders in them that hold inputs, too."""
PATTERNS = (
    *("profiles/*.toml", "profiles/measured/*.toml"),
    *("models.d/*.toml", "models.d/*/*.toml", "models.d/*/discovered.json", "engines/*/*.json"),
)
"""What counts as an input. Nothing else in a project is read."""

MAX_BYTES = {".toml": 1 << 20, ".json": 16 << 20}
"""Larger files are refused unread: a person's TOML is small, facts of the largest models are under 1 MiB."""


def is_input(name: str) -> bool:
    """Whether the path `name`, relative to the project, is one of an input file."""
    return _INPUT.fullmatch(name) is not None and not _is_hidden(name)


def is_nested(name: str) -> bool:
    """Whether a folder of that name, in one of `FOLDERS`, holds inputs."""
    return _FOLDER.fullmatch(name) is not None


def leads_to_inputs(name: str) -> bool:
    """Whether `name` is an input, or would be a folder that holds some."""
    return name in FOLDERS or (not _is_hidden(name) and is_nested(name)) or is_input(name)


def _is_hidden(name: str) -> bool:
    return name[name.rfind("/") + 1 :].startswith(".")  # an editor's, or a file manager's


def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(pattern).replace(r"\*", "[^/]*") for pattern in patterns), re.DOTALL)


_INPUT, _FOLDER = _any_of(PATTERNS), _any_of(NESTED)


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
