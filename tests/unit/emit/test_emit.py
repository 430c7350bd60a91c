"""The files of one profile's build, and that the order of their inputs means nothing."""

import random
from pathlib import PurePosixPath

import pytest

from emit_projects import INCIDENT, QWEN, artifacts_of, entries_of
from stowplan.stages.emit import emit
from stowplan.stages.emit.layout import json_array, json_line, json_object
from stowplan.words.digest import canonical_text


def test_the_files_of_a_profile() -> None:
    profile, entries = entries_of(INCIDENT, "rtx-4080-16g")
    made = emit(profile, entries)
    assert [artifact.path for artifact in made] == [
        f"launch/{QWEN}.sh",
        "model_registry.json",
        "names.idx",
        "provenance.json",
        "roles.json",
        "schema/base.json",
        "schema/overlay.json",
        "schema/profile.json",
    ]
    assert [artifact.path for artifact in made if artifact.executable] == [f"launch/{QWEN}.sh"]


def test_a_profile_without_entries_has_empty_files() -> None:
    profile, _ = entries_of(INCIDENT, "rtx-4080-16g")
    made = {artifact.path: artifact.content for artifact in emit(profile, ())}
    assert made["model_registry.json"] == made["provenance.json"] == b"[]\n"
    assert made["names.idx"] == b""
    assert made["roles.json"] == b"{}\n"
    assert not [path for path in made if PurePosixPath(path).parts[0] == "launch"]


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_files_and_keys_means_nothing(seed: int) -> None:
    dice = random.Random(seed)
    files = {
        file: _shuffled(content, dice) if file.endswith(".toml") else content for file, content in INCIDENT.items()
    }
    given = dict(dice.sample(sorted(files.items()), len(files)))
    assert list(given.items()) != list(INCIDENT.items())
    assert artifacts_of(given, "rtx-4080-16g") == artifacts_of(INCIDENT, "rtx-4080-16g")


def _shuffled(content: bytes, dice: random.Random) -> bytes:
    """The file with its keys, and its tables, in another order."""
    top, *tables = content.decode().split("\n[")
    lines, blocks = top.splitlines(), [table.splitlines() for table in tables]
    dice.shuffle(lines)
    dice.shuffle(blocks)
    for block in blocks:
        block[1:] = dice.sample(block[1:], len(block) - 1)
    return "\n".join([*lines, *("[" + "\n".join(block) for block in blocks)]).encode() + b"\n"


def test_one_line_of_json() -> None:
    line = json_line("é", canonical_text({"b": {"z": 1, "a": [{"y": 2, "x": "é\n"}]}, "a": 1}))
    assert line.decode() == '{"name":"é","a":1,"b":{"a":[{"x":"é\\n","y":2}],"z":1}}'
    assert json_object([("b", "1"), ("a\n", "[]")]) == '{"a\\n":[],"b":1}'
    assert json_object([]) == "{}"
    assert json_array([line, b"{}"]) == b"[\n" + line + b",\n{}\n]\n"
