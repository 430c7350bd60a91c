"""Which profile is meant: -p, then the variable, then `stowplan use`, then the only one."""

from pathlib import Path

import pytest

from stowplan.read.profile import ProfileNotChosenError, active, choose

KNOWN = ("a100", "rtx")


def use(build: Path, profile: str) -> None:
    (build / "active").symlink_to(f"current/{profile}")


def test_each_way_goes_before_the_next(tmp_path: Path) -> None:
    use(tmp_path, "rtx")
    assert choose(tmp_path, "a100", "rtx", KNOWN) == "a100"
    assert choose(tmp_path, None, "a100", KNOWN) == "a100"
    assert choose(tmp_path, None, None, KNOWN) == "rtx"
    assert choose(tmp_path, None, "", KNOWN) == "rtx"


def test_the_only_profile_needs_no_word(tmp_path: Path) -> None:
    assert active(tmp_path) is None
    assert choose(tmp_path, None, None, ("rtx",)) == "rtx"


def test_several_profiles_and_no_word(tmp_path: Path) -> None:
    with pytest.raises(ProfileNotChosenError, match=r"a100, rtx.*-p PROFILE.*stowplan use"):
        choose(tmp_path, None, None, KNOWN)


@pytest.mark.parametrize(("named", "variable"), [("h100", None), (None, "h100")])
def test_a_profile_that_is_not_there_is_never_replaced_by_another(
    tmp_path: Path, named: str | None, variable: str | None
) -> None:
    use(tmp_path, "rtx")
    with pytest.raises(ProfileNotChosenError, match=r"`h100`, which does not exist; profiles: a100, rtx"):
        choose(tmp_path, named, variable, KNOWN)


def test_a_machine_whose_profile_is_gone_is_told(tmp_path: Path) -> None:
    use(tmp_path, "h100")
    with pytest.raises(ProfileNotChosenError, match="`stowplan use` names the profile `h100`"):
        choose(tmp_path, None, None, ("rtx",))
