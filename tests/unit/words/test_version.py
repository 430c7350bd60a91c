"""Versions a profile may ask for."""

import pytest

from stowplan.words.version import STOWPLAN, satisfies


@pytest.mark.parametrize(
    ("version", "requirement", "verdict"),
    [
        ("0.4.0", ">=0.4", True),
        ("0.4", ">=0.4.0", True),
        ("0.10.0", ">=0.9", True),
        ("0.3.9", ">=0.4", False),
        ("0.4.0", ">0.4", False),
        ("0.4.1", "> 0.4", True),
        ("0.4.1", "==0.4.1", True),
        ("0.4.1", "==0.4", False),
    ],
)
def test_versions_are_compared_part_by_part(version: str, requirement: str, verdict: bool) -> None:
    assert satisfies(version, requirement) is verdict


@pytest.mark.parametrize("requirement", ["", "0.4", "~=0.4", ">=0.4,<1", ">=x", ">=0.4rc1", ">=" + "9" * 5000, ">=٤"])
def test_a_requirement_that_cannot_be_read_is_none(requirement: str) -> None:
    assert satisfies("0.4.0", requirement) is None


def test_our_own_version_can_be_compared() -> None:
    assert satisfies(STOWPLAN, ">=0.0.1") is True
