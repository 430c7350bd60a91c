"""Moving pins: which lines of which profiles and overlays say the version, and what they say then."""

import re
import tomllib
from typing import Any

import pytest

from sources import OVERLAY, PROFILE, PROFILE_TEXT, examined, facts, sources
from stowplan.edit.pins import Setting, moved_model, moved_pins, renumbered, with_settings
from stowplan.nouns.project import Fleet, Subject
from stowplan.words.diagnostic import has_errors

PINNED = re.sub(r'version = ".*"', 'version = "0.19.1"  # pinned', PROFILE_TEXT).replace(
    "/opt/vllm/", "/opt/vllm-0.19.1/"
)
OTHER = re.sub(r'version = ".*"', 'version = "0.32.0"', PROFILE_TEXT)
VERSION, EXECUTABLE = ("engine", "vllm", "version"), ("engine", "vllm", "executable")
TWO = 'engine = "{}"\n[vllm]\nmax-model-len = 4096\n'


def fleet(files: dict[str, str | bytes | None]) -> Fleet:
    """The sound project with these files, merged."""
    return examined(sources(files))[1]


def subject(of: Fleet, name: str) -> Subject:
    """One subject of it."""
    return next(one for one in of.subjects if one.name == name)


def applied(files: dict[str, str | bytes | None], settings: list[Setting]) -> dict[str, Any]:
    """The project's files with the settings in them, which must be sound; each as plain values."""
    given = sources(files)
    for setting in settings:
        given[setting.file] = with_settings(given[setting.file], [setting])
    problems = examined(given)[2]
    assert not has_errors(problems), problems
    return {file: tomllib.loads(content.decode()) for file, content in given.items() if file.endswith(".toml")}


@pytest.mark.parametrize(
    ("executable", "old", "new", "then"),
    [
        ("/opt/vllm-0.19.1/bin/vllm", "0.19.1", "0.32.0", "/opt/vllm-0.32.0/bin/vllm"),
        ("/opt/0.19.1/vllm-0.19.1", "0.19.1", "0.32.0", "/opt/0.32.0/vllm-0.32.0"),
        ("/opt/vllm/bin/vllm", "0.19.1", "0.32.0", "/opt/vllm/bin/vllm"),
        ("/opt/vllm-0.19.10/bin/vllm", "0.19.1", "0.32.0", "/opt/vllm-0.19.10/bin/vllm"),
        ("/opt/vllm-10.19.1/bin/vllm", "0.19.1", "0.32.0", "/opt/vllm-10.19.1/bin/vllm"),
        ("/opt/vllm-0.19.1.post1/bin/vllm", "0.19.1", "0.32.0", "/opt/vllm-0.32.0.post1/bin/vllm"),
        ("/opt/vllm-0.19.1.2/bin/vllm", "0.19.1", "0.32.0", "/opt/vllm-0.19.1.2/bin/vllm"),
        ("/opt/vllm-0x19x1/bin/vllm", "0.19.1", "0.32.0", "/opt/vllm-0x19x1/bin/vllm"),
    ],
)
def test_a_path_that_names_the_version_names_the_new_one(executable: str, old: str, new: str, then: str) -> None:
    assert renumbered(executable, old, new) == then


def test_version_and_executable_move_and_nothing_else() -> None:
    settings = moved_pins(fleet({PROFILE: PINNED}), "vllm", "0.32.0")
    assert settings == [
        Setting(PROFILE, VERSION, "0.32.0"),
        Setting(PROFILE, EXECUTABLE, "/opt/vllm-0.32.0/bin/vllm"),
    ]
    assert with_settings(PINNED.encode(), settings).decode() == PINNED.replace("0.19.1", "0.32.0")


def test_what_is_pinned_already_and_other_engines_stay() -> None:
    kind = OTHER.replace("[engine.vllm]", '[engine.vllm]\nkind = "sglang"')
    assert moved_pins(fleet({PROFILE: OTHER}), "vllm", "0.32.0") == []
    assert moved_pins(fleet({PROFILE: kind}), "vllm", "0.33.0") == []


def test_a_label_is_no_kind() -> None:
    labelled = PINNED.replace("[engine.vllm]", '[engine.old]\nkind = "vllm"')
    keys = [setting.key for setting in moved_pins(fleet({PROFILE: labelled}), "vllm", "0.32.0")]
    assert keys == [("engine", "old", "version"), ("engine", "old", "executable")]


def test_only_the_profiles_that_are_meant() -> None:
    both = fleet({PROFILE: PINNED, "profiles/other.toml": PINNED})
    assert {one.file for one in moved_pins(both, "vllm", "0.32.0")} == {PROFILE, "profiles/other.toml"}
    assert {one.file for one in moved_pins(both, "vllm", "0.32.0", {"other"})} == {"profiles/other.toml"}


def test_a_profile_follows_the_one_it_extends() -> None:
    """The version is edited once, where it stands; an executable of its own moves, too."""
    desk = 'extends = "rtx"\n[engine.vllm]\nexecutable = "/home/me/vllm-0.19.1/bin/vllm"\n'
    family = fleet({PROFILE: PINNED, "profiles/desk.toml": desk})
    assert set(moved_pins(family, "vllm", "0.32.0", {"rtx"})) == {
        Setting(PROFILE, VERSION, "0.32.0"),
        Setting(PROFILE, EXECUTABLE, "/opt/vllm-0.32.0/bin/vllm"),
        Setting("profiles/desk.toml", EXECUTABLE, "/home/me/vllm-0.32.0/bin/vllm"),
    }
    assert moved_pins(family, "vllm", "0.32.0", {"desk"}) == []


def test_a_version_of_its_own_does_not_move_the_parents_executable() -> None:
    desk = 'extends = "rtx"\n[engine.vllm]\nversion = "0.19.1"\n'
    files: dict[str, str | bytes | None] = {PROFILE: PINNED, "profiles/desk.toml": desk}
    settings = moved_pins(fleet(files), "vllm", "0.32.0", {"desk"})
    then = applied(files, settings)
    assert then[PROFILE] == tomllib.loads(PINNED)
    assert then["profiles/desk.toml"]["engine"]["vllm"] == {
        "version": "0.32.0",
        "executable": "/opt/vllm-0.32.0/bin/vllm",
    }


def test_a_model_moves_to_an_engine_that_is_there() -> None:
    profile = PINNED.replace("[roots]", '[engine.next]\nkind = "vllm"\nversion = "0.32.0"\nexecutable = "/x"\n[roots]')
    files: dict[str, str | bytes | None] = {PROFILE: profile, OVERLAY: TWO.format("vllm")}
    merged = fleet(files)
    mine = subject(merged, "qwen/rtx")
    assert mine.engine is not None
    label, settings = moved_model(merged, mine, mine.engine, "0.32.0")
    assert (label, settings) == ("next", [Setting(OVERLAY, ("engine",), "next")])


def test_a_model_moves_to_an_engine_that_is_made_and_the_others_say_which_they_meant() -> None:
    files: dict[str, str | bytes | None] = {
        PROFILE: PINNED,
        "models.d/llama/discovered.json": facts("meta/llama"),
        "models.d/llama/rtx.toml": "# small\nport = 24002\n[vllm]\nmax-model-len = 4096\n",
        "models.d/stub/discovered.json": facts("meta/stub"),
        "models.d/stub/rtx.toml": 'status = "stub"\n',
    }
    merged = fleet(files)
    mine = subject(merged, "qwen/rtx")
    assert mine.engine is not None
    label, settings = moved_model(merged, mine, mine.engine, "0.32.0")
    then = applied(files, settings)
    assert label == "vllm-0-32"
    assert then[PROFILE]["engine"] == {
        "vllm": {"version": "0.19.1", "executable": "/opt/vllm-0.19.1/bin/vllm"},
        "vllm-0-32": {"kind": "vllm", "version": "0.32.0", "executable": "/opt/vllm-0.32.0/bin/vllm"},
    }
    assert then[OVERLAY]["engine"] == "vllm-0-32"
    assert then["models.d/llama/rtx.toml"]["engine"] == "vllm"
    assert then["models.d/stub/rtx.toml"] == {"status": "stub"}


def test_a_label_that_is_taken_gets_more_of_the_version() -> None:
    taken = '[engine.vllm-0-32]\nkind = "vllm"\nversion = "0.31.0"\nexecutable = "/x"\n[roots]'
    files: dict[str, str | bytes | None] = {PROFILE: PINNED.replace("[roots]", taken), OVERLAY: TWO.format("vllm")}
    merged = fleet(files)
    mine = subject(merged, "qwen/rtx")
    assert mine.engine is not None
    assert moved_model(merged, mine, mine.engine, "0.32.0")[0] == "vllm-0-32-0"


@pytest.mark.parametrize(
    ("source", "then"),
    [
        ("#:schema x\n[vllm]\na = 1\n", '#:schema x\nengine = "e"\n\n[vllm]\na = 1\n'),
        ("", 'engine = "e"\n'),
        ("# why\n\n[vllm]\n", 'engine = "e"\n\n# why\n\n[vllm]\n'),
        ("port = 1 # p\n\n[vllm]\n", 'port = 1 # p\nengine = "e"\n\n[vllm]\n'),
        ("port = 1", 'port = 1\nengine = "e"\n'),
        ("\ufeffport = 1\r\n", '\ufeffport = 1\r\nengine = "e"\r\n'),
        ("engine = 'old'   # e\n", 'engine = "e"     # e\n'),
    ],
)
def test_a_key_at_the_top_stands_above_all_tables(source: str, then: str) -> None:
    assert with_settings(source.encode(), [Setting(OVERLAY, ("engine",), "e")]).decode() == then
