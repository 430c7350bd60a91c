"""What this user may not look into is named, the rest is found, and nothing is taken for gone."""

import os
import pickle
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from discover_cases import LLAMA, write_folder

from stowplan.discover import Discovery, discover, write
from stowplan.words.diagnostic import Diagnostic

NOBODY = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, as pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def weights(open_folder: Path) -> Path:
    for model in ("Org/Open", "Org/Closed"):
        write_folder(open_folder / "disk/weights" / model, LLAMA)
    return open_folder / "disk/weights"


@pytest.fixture
def project(open_folder: Path) -> Path:
    (open_folder / "project").mkdir()
    return open_folder / "project"


def scan(project: Path, weights: Path) -> Discovery:
    return discover(project, "rtx", {"weights": weights}, stub=lambda _: "")


def scan_with_closed(folder: Path, mode: int, project: Path, weights: Path) -> Discovery:
    """The same while `folder` has `mode`, by a user whom modes stop: root may look anywhere."""
    scan(project, weights)  # so that all is imported: the other user may not be able to
    folder.chmod(mode)
    try:
        return _as_another_user(lambda: scan(project, weights))
    finally:
        folder.chmod(0o755)


def _as_another_user(task: Callable[[], Discovery]) -> Discovery:
    if os.geteuid() != 0:
        return task()
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
            with os.fdopen(sink, "wb") as stream:
                pickle.dump(task(), stream)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(sink)
    with os.fdopen(source, "rb") as stream:
        content = stream.read()
    os.waitpid(child, 0)
    found: Discovery = pickle.loads(content)
    return found


def told(problem: Diagnostic) -> tuple[str, str, str | None]:
    return problem.id, problem.severity, None if problem.at is None else problem.at.file


def test_a_root_that_cannot_be_reached_is_named(weights: Path, project: Path) -> None:
    (problem,) = scan_with_closed(weights.parent, 0o600, project, weights).diagnostics
    assert told(problem) == ("unreadable-file", "warning", "weights:.")
    assert f"`{weights}`: Permission denied" in problem.message


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        pytest.param(0o000, ("unreadable-file", "warning", "weights:Org/Closed"), id="may not be listed"),
        pytest.param(0o644, ("unreadable-file", "error", "weights:Org/Closed/"), id="may be listed and not entered"),
    ],
)
def test_a_model_folder_that_cannot_be_read_is_named_and_the_rest_is_found(
    weights: Path, project: Path, mode: int, expected: tuple[str, str, str]
) -> None:
    found = scan_with_closed(weights / "Org/Closed", mode, project, weights)
    assert [model.name for model in found.models] == ["open"]
    assert list(map(told, found.diagnostics)) == [expected]
    assert "Permission denied" in found.diagnostics[0].message


def test_models_that_cannot_be_seen_are_not_taken_for_gone(weights: Path, project: Path) -> None:
    write(project, scan(project, weights))
    found = scan_with_closed(weights / "Org", 0o600, project, weights)
    assert found.absent == ()
    assert list(map(told, found.diagnostics)) == [("unreadable-file", "warning", "weights:Org")]
