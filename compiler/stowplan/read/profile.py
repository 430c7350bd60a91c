"""Which profile is meant, where none or one is named."""

from collections.abc import Collection
from pathlib import Path

VARIABLE = "STOWPLAN_PROFILE"


class ProfileNotChosenError(Exception):
    """No profile, or none that exists, was named. Says which there are and how to name one."""


def choose(build: Path, named: str | None, environment: str | None, known: Collection[str]) -> str:
    """`named` (-p) > `environment` ($STOWPLAN_PROFILE) > build/active > the only one of `known`.

    Raises ProfileNotChosenError.
    """
    listed = ", ".join(sorted(known)) or "none"
    for how, name in (("-p", named), (f"${VARIABLE}", environment), ("`stowplan use`", active(build))):
        if name:
            if name in known:
                return name
            raise ProfileNotChosenError(f"{how} names the profile `{name}`, which does not exist; profiles: {listed}")
    if len(known) == 1:
        return next(iter(known))
    raise ProfileNotChosenError(
        f"which profile? There are: {listed}. Name one with -p PROFILE or ${VARIABLE}, or choose this machine's with "
        "`stowplan use PROFILE`"
    )


def active(build: Path) -> str | None:
    """The profile this machine was given by `stowplan use`; None if none was."""
    link = build / "active"
    return link.readlink().name if link.is_symlink() else None
