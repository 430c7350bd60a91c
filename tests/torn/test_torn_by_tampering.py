"""`verify` names whatever was changed in a published build."""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stowplan.store import verify
from stowplan.store.disk import discard
from torn import whole
from torn.programs import COMMAND_LINE
from torn.tampering import tamper

QUICK, FULL = 60, 600


@pytest.fixture
def built(folder: Path) -> Path:
    """The build folder of one small project, compiled once."""
    COMMAND_LINE.lay(folder / "project", 1)
    assert COMMAND_LINE.call(folder / "project", "compile")[0] == 0
    return folder / "project/build"


def overlooked(built: Path, times: int, dice: random.Random) -> Iterator[str]:
    """Tampers with a copy of the build, so many times, and looks at what is named. Out: what was not."""
    digest = whole.current_digest(built)
    assert digest is not None
    root = built / "store" / digest
    profiles = {path.resolve().name: path.name for path in root.iterdir() if path.is_symlink()}
    assert verify.build_differences(built, digest) == []
    for number in range(times):
        copy = built.with_name("tampered")
        shutil.copytree(built, copy, symlinks=True)
        done, where, path = tamper(copy / "store", dice)
        prefix = f"{profiles[where]}/" if where in profiles else ""
        said = verify.build_differences(copy, digest)
        if not any(line.startswith(f"{prefix}{path}: ") for line in said):
            yield f"{number}: {done} {prefix}{path} was named: {said}"
        assert whole.torn(copy), f"{done} {prefix}{path} changed nothing"
        discard(copy)


def test_whatever_was_changed_is_named(built: Path, seed: int, dice: random.Random) -> None:
    assert list(overlooked(built, QUICK, dice)) == [], f"seed {seed}"


@pytest.mark.full
def test_whatever_was_changed_is_named_six_hundred_times(built: Path, seed: int, dice: random.Random) -> None:
    assert list(overlooked(built, FULL, dice)) == [], f"seed {seed}"


BLIND: dict[str, Callable[[str], bool]] = {
    "content": lambda line: line.endswith(": changed"),
    "modes": lambda line: ": mode " in line,
    "what is missing": lambda line: line.endswith(": missing"),
    "what was added": lambda line: line.endswith(": not part of the build"),
    "the kind of things": lambda line: ": no " in line,
    "profiles": lambda line: line.startswith(("card/", "desk/")),
    "manifests": lambda line: "manifest.json: " in line,
}


@pytest.mark.parametrize("blind", BLIND.values(), ids=BLIND)
def test_a_verify_that_is_blind_to_something_is_found(
    blind: Callable[[str], bool], built: Path, monkeypatch: pytest.MonkeyPatch, seed: int, dice: random.Random
) -> None:
    real = verify.build_differences
    monkeypatch.setattr(verify, "build_differences", lambda *given: [said for said in real(*given) if not blind(said)])
    assert any(overlooked(built, FULL, dice)), f"seed {seed}"
