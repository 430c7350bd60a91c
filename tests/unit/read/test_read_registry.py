"""Reading a build: a newer format is refused, unknown fields are not, what is broken is said."""

import json
from pathlib import Path

import pytest

from stowplan.read.registry import UnreadableBuildError, manifest, rows


def written(folder: Path, name: str, content: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))


def test_a_build_of_tomorrow_is_refused_by_name(tmp_path: Path) -> None:
    written(tmp_path, "manifest.json", {"format": 99, "profiles": {}})
    with pytest.raises(UnreadableBuildError, match="has format 99; this Stowplan reads up to 1: install a newer one"):
        manifest(tmp_path)


def test_unknown_fields_are_ignored(tmp_path: Path) -> None:
    written(tmp_path, "manifest.json", {"format": 1, "profiles": {"rtx": "d"}, "mood": "fine"})
    written(tmp_path / "rtx", "model_registry.json", [{"name": "a", "metadata": {"model": "a"}, "mood": 1}])
    assert rows(tmp_path)["rtx"][0]["name"] == "a"


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "run `stowplan compile`"), ("{", "cannot read"), ("[]", "no manifest"), ({"profiles": {}}, "no `format`")],
)
def test_what_is_no_build_is_said(tmp_path: Path, content: object, said: str) -> None:
    if content is not None:
        written(tmp_path, "manifest.json", content)
    with pytest.raises(UnreadableBuildError, match=said):
        manifest(tmp_path)


def test_a_registry_that_is_cut_off_is_said(tmp_path: Path) -> None:
    written(tmp_path, "manifest.json", {"format": 1, "profiles": {"rtx": "d"}})
    written(tmp_path / "rtx", "model_registry.json", '[\n{"name":')
    with pytest.raises(UnreadableBuildError, match=r"model_registry.json.*stowplan compile"):
        rows(tmp_path)
