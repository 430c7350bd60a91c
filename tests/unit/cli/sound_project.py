"""The sound project of the cases, compiled, to be changed."""

import shutil
from pathlib import Path

from command import stowplan

SOUND = Path(__file__).resolve().parents[2] / "cases/a-sound-project"
OVERLAY = "models.d/llama/card.toml"


def compiled(folder: Path) -> Path:
    """The project in `folder`, which is made, with generation 1."""
    shutil.copytree(SOUND, folder)
    assert stowplan(folder, "compile").code == 0
    return folder


def with_second_profile(project: Path) -> Path:
    """`project` with the profile `desk`, published as generation 2."""
    shutil.copy(project / "profiles/card.toml", project / "profiles/desk.toml")
    shutil.copy(project / OVERLAY, project / "models.d/llama/desk.toml")
    assert stowplan(project, "compile").code == 0
    return project
