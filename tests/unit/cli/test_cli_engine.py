"""`engine`: what a user meets around a capture, on a terminal and in a pipe, in a project and without one."""

import fcntl
import json
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import termios
import zipfile
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete
from sound_project import SOUND

from command import Done, stowplan
from stowplan.cli.engine import engine_command
from stowplan.cli.main import cli
from stowplan.engines.flags import flag_table, table_source, versions

VERSION = "0.33.0"
"""The newest, which the sound project pins."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The sound project, with an engine in it that answers as its table says."""
    shutil.copytree(SOUND, tmp_path / "project")
    python(tmp_path / "project/fake", json.loads(table_source("vllm", VERSION)))
    return tmp_path / "project"


def python(folder: Path, answer: object) -> Path:
    """An interpreter that answers so, whatever it is asked."""
    folder.mkdir(exist_ok=True)
    (folder / "answer.json").write_text(json.dumps(answer), "utf-8")
    (folder / "python").write_text('#!/bin/sh\ncat "$(dirname "$0")/answer.json"\n', "utf-8")
    (folder / "python").chmod(0o755)
    return folder / "python"


def pinned(project: Path, version: str, executable: Path) -> None:
    """Makes the project pin that engine."""
    profile = project / "profiles/card.toml"
    text = profile.read_text("utf-8").replace(f'"{VERSION}"', f'"{version}"')
    profile.write_text(text.replace(f"/opt/vllm-{VERSION}/bin/vllm", str(executable)), "utf-8")


def capture(project: Path, *arguments: str, version: str = VERSION) -> Done:
    return stowplan(project, "engine", "capture", "vllm", version, *arguments)


def wrote(project: Path) -> list[str]:
    """Everything below the project's engines/, whatever it is called."""
    return [path.relative_to(project).as_posix() for path in project.glob("engines/**/*") if path.is_file()]


def test_a_project_gets_no_copy_of_a_table_that_comes_with_stowplan(project: Path) -> None:
    done = capture(project, "--python", "fake/python")
    assert done.code == 0
    assert done.out.startswith("not written: vllm 0.33.0 takes just what the table that comes with Stowplan says")
    assert not (project / "engines").exists()


def test_where_it_is_told_to_it_writes_that_table_without_a_project(project: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    program = str(project / "fake/python")
    first = capture(tmp_path / "empty", "--python", program, "--output", "tables")
    path = tmp_path / f"empty/tables/vllm/{VERSION}.json"
    assert (first.code, path.read_bytes()) == (0, table_source("vllm", VERSION))
    assert first.out.startswith(f"wrote tables/vllm/{VERSION}.json: 320 flags\nagainst 0.32.0: flags: ")
    again = capture(tmp_path / "empty", "--python", program, "--output", "tables")
    assert again.out == f"tables/vllm/{VERSION}.json is already so: 320 flags\n"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_without_a_project_it_must_be_told_where(tmp_path: Path) -> None:
    done = capture(tmp_path, "--python", "/bin/true")
    assert done.code == 2
    assert "no project here" in done.err


def test_an_own_table_is_replaced_even_by_one_that_comes_with_stowplan(project: Path) -> None:
    (project / "engines/vllm").mkdir(parents=True)
    (project / f"engines/vllm/{VERSION}.json").write_text("{}")
    done = capture(project, "--python", "fake/python")
    assert done.out == f"wrote anew engines/vllm/{VERSION}.json: 320 flags\nwhat was there was no table\n"
    assert (project / f"engines/vllm/{VERSION}.json").read_bytes() == table_source("vllm", VERSION)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--python", "/nonexistent/python"), "cannot run `/nonexistent/python`"),
        (("--python", "no-such-program"), "cannot run `"),
        (("--python", sys.executable), "could not say what vllm takes"),
        (("--python", "fake/python", "--wheel", "x.whl"), "there is no file `x.whl`"),
        (("--python", "fake/python", "--wheel", "profiles/card.toml"), "`profiles/card.toml` is no wheel"),
        (("--python", "fake/python"), "has vllm 0.33.0, not 0.34.0"),
        ((), "no profile pins vllm 0.34.0 with an executable that is here"),
        (("--fetch",), "no profile pins vllm 0.34.0 with an executable that is here"),
    ],
)
def test_what_fails_is_one_error_and_writes_nothing(arguments: tuple[str, ...], told: str, project: Path) -> None:
    done = capture(project, *arguments, version="0.34.0")
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert done.err.count("error:") == 1
    assert "this is a bug" not in done.err
    assert wrote(project) == []


def test_a_wheel_is_fetched_by_pip(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real pip, which finds it in a folder here."""
    name = "vllm-0.33.0.dist-info"
    with zipfile.ZipFile(tmp_path / "vllm-0.33.0-py3-none-any.whl", "w") as archive:
        archive.writestr("vllm/__init__.py", "")
        archive.writestr(f"{name}/METADATA", "Metadata-Version: 2.1\nName: vllm\nVersion: 0.33.0\n")
        archive.writestr(f"{name}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{name}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    without = capture(project, "--python", "fake/python", "--fetch")
    assert (without.code, without.out) == (2, "")
    assert "pip could not fetch it" in without.err
    assert "--wheel FILE" in without.err
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    done = capture(project, "--python", "fake/python", "--fetch")
    assert (done.code, done.out.split(":")[0]) == (0, "not written"), done.err


@pytest.mark.parametrize("version", ["0", "v0.33.0", "../0.33.0", "0.33.0/x", "0.33.0 ", "0.33.0+cpu", ""])
def test_what_is_no_version_asks_nobody(version: str, project: Path) -> None:
    done = capture(project, "--python", "fake/python", version=version)
    assert done.code == 2
    assert "is no version" in done.err


def test_the_interpreter_beside_a_linked_executable_is_asked(project: Path) -> None:
    (project / "bin").mkdir()
    (project / "fake/vllm").touch()
    (project / "bin/vllm").symlink_to("../fake/vllm")
    pinned(project, VERSION, project / "bin/vllm")
    assert capture(project).out.startswith("not written")


def test_without_a_wheel_another_versions_environment_is_not_asked(project: Path) -> None:
    pinned(project, "0.32.0", project / "fake/vllm")
    assert "no profile pins vllm 0.33.0" in capture(project).err
    asked = capture(project, "--wheel", "x.whl").err
    assert "no file `x.whl`" in asked


def test_a_program_of_the_path_is_found(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "fake/python").rename(project / "fake/python3.99")
    monkeypatch.setenv("PATH", f"{project / 'fake'}:/usr/bin:/bin")
    assert capture(project, "--python", "python3.99").out.startswith("not written")


@pytest.mark.parametrize("version", versions("vllm"))
def test_every_flag_of_every_version_can_be_told(version: str, tmp_path: Path) -> None:
    table = flag_table("vllm", version)
    assert table is not None
    brief = stowplan(tmp_path, "engine", "flags", version)
    assert (brief.code, brief.err) == (0, "")
    named = [line.split("  ")[0] for line in brief.out.splitlines() if line.startswith("--")]
    assert named == [f"--{name}" for name in table.flags]
    full = stowplan(tmp_path, "engine", "flags", version, "*").out
    assert [line for line in full.splitlines() if line.startswith("--")] == named
    assert full.replace("\n", "").isprintable()
    told: dict[str, Any] = json.loads(stowplan(tmp_path, "engine", "flags", version, "--format", "json").out)
    assert [flag["name"] for flag in told["flags"]] == list(table.flags)
    known = versions("vllm")
    for flag in told["flags"]:
        assert known.index(flag["since"]) <= known.index(version) <= known.index(flag["until"] or known[-1])


@pytest.mark.parametrize(
    "typed", ["max-model-len", "max_model_len", "--max-model-len", "--max_model_len", "max-model-l*"]
)
def test_a_flag_is_found_however_it_is_written(typed: str, tmp_path: Path) -> None:
    assert stowplan(tmp_path, "engine", "flags", VERSION, typed).out.startswith("--max-model-len\n")


@pytest.mark.parametrize("typed", ["-tp", "tp", "--tensor-parallel-size"])
def test_another_spelling_finds_its_flag_alone(typed: str, tmp_path: Path) -> None:
    lines = stowplan(tmp_path, "engine", "flags", VERSION, typed).out.splitlines()
    assert [line for line in lines if line.startswith("--")] == ["--tensor-parallel-size"]


def test_a_named_folder_that_is_no_project_is_an_error(tmp_path: Path) -> None:
    for arguments in (("engine", "list"), ("engine", "flags", VERSION)):
        assert stowplan(tmp_path, *arguments).code == 0
        done = stowplan(tmp_path, "-C", str(tmp_path), *arguments)
        assert (done.code, done.out) == (2, "")
        assert "is no project" in done.err


def test_a_list_for_programs_names_tables_and_pins(project: Path) -> None:
    pinned(project, "0.34.0", Path("/opt/vllm/bin/vllm"))
    rows = json.loads(stowplan(project, "engine", "list", "--format", "json").out)["versions"]
    assert [row["version"] for row in rows] == [*versions("vllm"), "0.34.0"]
    assert rows[-1] == {
        "kind": "vllm",
        "version": "0.34.0",
        "origin": None,
        "flags": None,
        "instead": VERSION,
        "pins": [{"profile": "card", "label": "vllm"}],
    }
    assert {row["origin"] for row in rows[:-1]} == {"stowplan"}


def test_a_profile_that_cannot_be_read_is_said_to_be_missing(project: Path) -> None:
    (project / "profiles/card.toml").write_text("[gpu", "utf-8")
    done = stowplan(project, "engine", "list")
    assert done.code == 0
    assert done.err == "the profile `card` cannot be read: `stowplan check` says why\n"


@pytest.mark.parametrize(("columns", "widest"), [(60, 60), (20, 40)])
def test_lines_are_broken_for_a_terminal(columns: int, widest: int, tmp_path: Path) -> None:
    lines = on_a_terminal(tmp_path, columns, "engine", "flags", VERSION, "gpu-memory-utilization").splitlines()
    helps = [line for line in lines if line.startswith("    ")]
    assert len(helps) > 5
    assert max(map(len, helps)) <= widest
    piped = stowplan(tmp_path, "engine", "flags", VERSION, "gpu-memory-utilization").out
    assert " ".join(piped.split()) == " ".join(" ".join(lines).split())
    assert max(map(len, piped.splitlines())) > 100


def on_a_terminal(folder: Path, columns: int, *arguments: str) -> str:
    """What a terminal of so many columns shows."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([sys.executable, "-m", "stowplan", *arguments], cwd=folder, stdout=slave)
    os.close(slave)
    shown = b""
    try:
        while chunk := os.read(master, 4096):
            shown += chunk
    except OSError:  # Linux's way to say that nobody writes to it any more
        pass
    finally:
        os.close(master)
    assert process.wait() == 0
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("words", "typed", "found"),
    [
        ([], "", ["capture", "flags", "list"]),
        (["flags"], "0.11", ["0.11.0", "0.11.2"]),
        (["flags"], "0.9", ["0.99.0"]),
        (["flags", "0.11.0"], "swap", ["swap-space"]),
        (["flags", "0.19.1"], "swap", []),
        (["flags", "nonsense"], "swap", []),
        (["capture"], "", ["vllm"]),
    ],
)
def test_what_is_offered(words: list[str], typed: str, found: list[str], project: Path) -> None:
    (project / "engines/vllm").mkdir(parents=True)
    (project / "engines/vllm/0.99.0.json").write_text("{}", "utf-8")
    complete = ShellComplete(cli, {}, "stowplan", "_STOWPLAN_COMPLETE")
    offered = complete.get_completions(["-C", str(project), "engine", *words], typed)
    assert [item.value for item in offered] == found


@pytest.mark.parametrize("name", engine_command.commands)
def test_every_part_explains_itself_with_an_example(name: str, tmp_path: Path) -> None:
    done = stowplan(tmp_path, "engine", name, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: stowplan engine {name} ")
    assert f"\n  stowplan engine {name}" in done.out
    options = [each for each in engine_command.commands[name].params if isinstance(each, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_the_page_on_engines_shows_what_is_printed(tmp_path: Path) -> None:
    page = (SOUND.parents[2] / "docs/engines.md").read_text("utf-8")
    blocks = re.findall(r"```console\n\$ stowplan (.*?)\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    for command, shown in blocks:
        done = stowplan(tmp_path, *shlex.split(command))
        assert done.out + done.err == shown


def own_table(project: Path, kind: str, **changes: Any) -> None:
    """A small flag table of version 1.0 of an engine, below the project's engines/."""
    table: dict[str, Any] = {
        "format": 2,
        "engine": kind,
        "version": "1.0",
        "source": "this test",
        "allow_abbrev": False,
        "flags": {"--speed": {"type": "int", "default": 1, "help": "\x1b[31mHow fast.\x1b[0m"}},
        "objects": {},
        "names": {},
        "quantization": {},
        "attention": {},
        "considered": {},
        "variables": [],
    }
    path = project / f"engines/{kind}/1.0.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**table, **changes}), "utf-8")


def test_a_table_of_an_engine_that_stowplan_does_not_know(project: Path) -> None:
    own_table(project, "sglang")
    done = stowplan(project, "engine", "flags", "1.0")
    escaped = "<U+001B>[31mHow fast.<U+001B>[0m"
    assert done.out == f"--speed  integer; default 1; since 1.0\n    {escaped}\n"
    assert "sglang\n  1.0     1 flags, engines/sglang/1.0.json\n" in stowplan(project, "engine", "list").out


def test_a_version_of_two_engines_wants_the_kind(project: Path) -> None:
    own_table(project, "sglang")
    own_table(project, "vllm")
    done = stowplan(project, "engine", "flags", "1.0")
    assert (done.code, done.out) == (2, "")
    assert "there is a version 1.0 of sglang and of vllm; say which with --kind" in done.err
    assert stowplan(project, "engine", "flags", "1.0", "--kind", "sglang").code == 0


def test_a_table_under_the_name_of_another_is_not_taken(project: Path) -> None:
    own_table(project, "vllm", version="2.0")
    done = stowplan(project, "engine", "flags", "1.0")
    assert (done.code, done.out) == (2, "")
    assert "`engines/vllm/1.0.json` is the flag table of vllm 2.0" in done.err


def test_a_table_without_flags_has_none_to_tell(project: Path) -> None:
    own_table(project, "vllm", flags={})
    assert stowplan(project, "engine", "flags", "1.0") == Done(0, "\n", "")
