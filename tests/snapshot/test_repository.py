"""What this repository's own models.d compiles to, one readable file for each output.

The manifests hold the digest of every file of a build, so nothing changes unseen; the other snapshots
show what it was. `make snapshots` accepts a change: read every line of it first.
"""

import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from stowplan.nouns.artifact import StoreObject
from stowplan.pipeline import Compiled, compile_tree
from stowplan.report import render
from stowplan.words.diagnostic import Severity

REPOSITORY = Path(__file__).resolve().parents[2]
PROFILES = sorted(path.stem for path in (REPOSITORY / "profiles").glob("*.toml"))
SCRIPTS = sorted(
    f"{overlay.parent.name} on {overlay.stem}"
    for overlay in (REPOSITORY / "models.d").glob("*/*.toml")
    if overlay.stem in PROFILES and 'engine = "external"' not in overlay.read_text(encoding="utf-8")
)


class TextFile(SingleFileSnapshotExtension):
    """A snapshot that is a text file named after what it shows."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture
def text(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(TextFile)


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return compile_tree(REPOSITORY)


def content(built: StoreObject, path: str) -> str:
    return next(file.content for file in built.files if file.path == path).decode("utf-8")


def profile(compiled: Compiled, name: str) -> StoreObject:
    assert compiled.build is not None, render("text", compiled.diagnostics, compiled.sources)
    return compiled.build.profiles[name]


def spread(canonical: str) -> str:
    """JSON as a person reads it."""
    return json.dumps(json.loads(canonical), indent=2, ensure_ascii=False) + "\n"


def outline(canonical: str) -> str:
    """JSON of entries, each thing in them on a line of its own."""
    lines: list[str] = []
    for entry in json.loads(canonical):
        lines.append(entry.pop("name"))
        for part, things in sorted(entry.items()):
            match things:
                case list():
                    lines += [f"  {part}", *(f"    {json.dumps(thing, ensure_ascii=False)}" for thing in things)]
                case dict():
                    told = {key: json.dumps(thing, ensure_ascii=False) for key, thing in things.items()}
                    lines += [f"  {part}", *(f"    {key}: {thing}" for key, thing in told.items())]
                case _:
                    lines.append(f"  {part}: {json.dumps(things, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def test_nothing_is_wrong_with_it_but_the_age_of_its_engines(compiled: Compiled) -> None:
    tight = ("does-not-fit", Severity.WARNING, ("gpt-oss-20b", "rtx-4080-16g"))  # as its overlay says
    told = [p for p in compiled.diagnostics if p.id != "engine-advisory" and (p.id, p.severity, p.about) != tight]
    assert render("text", told, compiled.sources) == ""


def test_manifest_of_the_build(compiled: Compiled, text: SnapshotAssertion) -> None:
    assert compiled.build is not None
    about = json.loads(compiled.build.root.manifest)
    assert set(about.pop("inputs")) == set(compiled.sources)
    assert about.pop("profiles") == {name: built.digest for name, built in compiled.build.profiles.items()}
    assert text == json.dumps(about, indent=2) + "\n"


@pytest.mark.parametrize("name", PROFILES)
def test_manifest(compiled: Compiled, name: str, text: SnapshotAssertion) -> None:
    assert text == spread(profile(compiled, name).manifest.decode())


@pytest.mark.parametrize("name", PROFILES)
def test_registry(compiled: Compiled, name: str, text: SnapshotAssertion) -> None:
    assert text == spread(content(profile(compiled, name), "model_registry.json"))


@pytest.mark.parametrize("name", PROFILES)
def test_names(compiled: Compiled, name: str, text: SnapshotAssertion) -> None:
    assert text == content(profile(compiled, name), "names.idx")


@pytest.mark.parametrize("name", PROFILES)
def test_roles(compiled: Compiled, name: str, text: SnapshotAssertion) -> None:
    assert text == spread(content(profile(compiled, name), "roles.json"))


@pytest.mark.parametrize("name", PROFILES)
def test_provenance(compiled: Compiled, name: str, text: SnapshotAssertion) -> None:
    assert text == outline(content(profile(compiled, name), "provenance.json"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_script(compiled: Compiled, script: str, text: SnapshotAssertion) -> None:
    model, name = script.split(" on ")
    assert text == content(profile(compiled, name), f"launch/{model}.sh")


@pytest.mark.parametrize("schema", ["overlay", "base", "profile"])
def test_schema(compiled: Compiled, schema: str, text: SnapshotAssertion) -> None:
    assert text == spread(content(profile(compiled, "rtx-4080-16g"), f"schema/{schema}.json"))
