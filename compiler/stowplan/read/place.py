"""Where the outputs of a profile are: the way from `current` through its links to a folder of the store."""

import errno
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from stowplan.read.format import UnreadableBuildError
from stowplan.read.profile import ProfileNotChosenError, choose

CURRENT, ACTIVE = "current", "active"
_GENERATION = re.compile(r"generations/([1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class Place:
    """One generation of one profile: the folders of the build and of the profile, all links resolved.

    `current` is what that link said; `active` what that one said, None where it was not asked.
    """

    current: str
    active: str | None
    generation: int
    profile: str
    root: Path
    folder: Path


def locate(build: str, named: str | None, environment: str | None, reading: str | None) -> Place:
    """The place of the current generation. The profile is chosen as `choose` says, but for one thing.

    A profile that was the only one and is read already (`reading`) is kept when others come.
    Raises UnreadableBuildError, ProfileNotChosenError.
    """
    try:
        current = os.readlink(f"{build}/{CURRENT}")  # noqa: PTH115
        active = None if named or environment else _target(f"{build}/{ACTIVE}")
        match = _GENERATION.fullmatch(current)
        if match is None:
            raise UnreadableBuildError(f"`{build}/{CURRENT}` leads to `{current}`, which is no generation")
        root = _resolved(f"{build}/{current}")
        known: Collection[str] = _profiles(root)
        if named and named not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise ProfileNotChosenError(f"the build has no profile `{named}`; it has: {listed}")
        if reading is not None and reading in known and not (named or environment or active):
            known = (reading,)
        profile = choose(Path(build), named, environment, known)
        return Place(current, active, int(match[1]), profile, root, _resolved(f"{root}/{profile}"))
    except FileNotFoundError:
        raise UnreadableBuildError(f"there is no build at `{build}`; run `stowplan compile`") from None
    except OSError as problem:
        at = problem.filename or build
        if problem.errno == errno.EINVAL:
            raise UnreadableBuildError(f"`{at}` is no link; a build is copied with its links (`cp -a`)") from None
        raise UnreadableBuildError(f"cannot read `{at}`: {problem.strerror}") from None


def _profiles(root: Path) -> list[str]:
    """Of a build's folder, the links; the manifest, which lists them too, may be long."""
    with os.scandir(root) as found:
        return [entry.name for entry in found if entry.is_symlink()]


def _resolved(path: str) -> Path:
    return Path(os.path.realpath(path, strict=True))  # Path.resolve meets a loop of links with no OSError


def _target(link: str) -> str | None:
    try:
        return os.readlink(link)  # noqa: PTH115
    except FileNotFoundError:
        return None
