"""Versions: our own, and the comparison a profile may ask for."""

import re

from stowplan import __version__ as STOWPLAN  # noqa: N812

__all__ = ["STOWPLAN", "satisfies"]

_REQUIREMENT = re.compile(r"(>=|==|>) ?([0-9]{1,9}(?:\.[0-9]{1,9})*)")


def satisfies(version: str, requirement: str) -> bool | None:
    """Whether `version` meets `>=0.4`, `>0.4` or `==0.4.1`; None if the requirement cannot be read."""
    match = _REQUIREMENT.fullmatch(requirement)
    if match is None:
        return None
    have, want = _parts(version), _parts(match[2])
    width = max(len(have), len(want))
    have, want = have + (0,) * (width - len(have)), want + (0,) * (width - len(want))
    return {">=": have >= want, ">": have > want, "==": have == want}[match[1]]


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
