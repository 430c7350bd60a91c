"""The toml-test corpus through the command line: what is TOML is read as it is meant, what is none is named.

One project holds every file of the corpus as an overlay, as a base.toml and as a profile, so the corpus
also shows that no TOML, however strange, ends in anything but diagnostics.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from command import stowplan
from stowplan.report import FORMATS
from stowplan.stages.load.syntax import parse

REPOSITORY = Path(__file__).parents[1]
CORPUS = REPOSITORY.parent / "shared/fixtures/toml-test"

pytestmark = pytest.mark.skipif(not CORPUS.exists(), reason="the toml-test corpus is not here")

READ: Mapping[str, Callable[[str], Any]] = {
    "string": str,
    "integer": int,
    "float": float,
    "bool": {"true": True, "false": False}.__getitem__,
    "datetime": datetime.fromisoformat,
    "datetime-local": datetime.fromisoformat,
    "date-local": date.fromisoformat,
    "time-local": time.fromisoformat,
}
"""The corpus' tags of values → how it writes them."""


def corpus(kind: str) -> dict[str, bytes]:
    """The `valid` or `invalid` files of toml-test for TOML 1.0.0: a name that fits a folder → content."""
    names = (CORPUS / "files-toml-1.0.0").read_text().split()
    chosen = [name for name in names if name.startswith(f"{kind}/") and name.endswith(".toml")]
    return {name.removesuffix(".toml").replace("/", "-"): (CORPUS / name).read_bytes() for name in chosen}


def meant(tagged: Any) -> Any:
    """A value of the corpus' JSON as Python has it."""
    if isinstance(tagged, list):
        return [meant(item) for item in tagged]
    if tagged.keys() == {"type", "value"} and isinstance(tagged["value"], str):
        return READ[tagged["type"]](tagged["value"])
    return {key: meant(value) for key, value in tagged.items()}


def same(one: Any, other: Any) -> bool:
    """Equal in value and type; not-a-number equals itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for name, content in {**corpus("valid"), **corpus("invalid")}.items():
        for file in (f"models.d/{name}/{name}.toml", f"models.d/{name}/base.toml", f"profiles/{name}.toml"):
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return folder


def test_every_valid_file_is_read_as_it_is_meant() -> None:
    names = [name for name in (CORPUS / "files-toml-1.0.0").read_text().split() if name.startswith("valid/")]
    for name in names:
        if name.endswith(".toml"):
            expected = json.loads((CORPUS / name).with_suffix(".json").read_text(encoding="utf-8"))
            assert same(parse(name, (CORPUS / name).read_bytes()), meant(expected)), name


def test_every_invalid_file_is_named_at_its_line_and_no_other(project: Path) -> None:
    done = stowplan(project, "check", "--format", "json")
    assert (done.code, done.err) == (1, "")
    lines: defaultdict[str, list[int]] = defaultdict(list)
    for problem in json.loads(done.out)["diagnostics"]:
        if problem["id"] == "toml-syntax":
            lines[problem["file"]].append(problem["line"])
    assert lines.keys() == {
        file
        for name in corpus("invalid")
        for file in (f"models.d/{name}/{name}.toml", f"models.d/{name}/base.toml", f"profiles/{name}.toml")
    }
    for file, found in lines.items():
        count = (project / file).read_bytes().count(b"\n") + 1
        assert len(found) == 1, file
        assert 1 <= found[0] <= count, file


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "json"])
def test_every_other_format_can_tell_it_all(project: Path, form: str) -> None:
    done = stowplan(project, "check", "--format", form)
    assert done.code == 1
    assert "this is a bug" not in done.err
    told = done.out + done.err
    assert all(f"models.d/{name}/{name}.toml" in told for name in corpus("invalid"))
