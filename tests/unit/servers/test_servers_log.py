"""A log that holds several starts."""

import os
from pathlib import Path

import pytest
from server_cases import made, row

from fake_server import child
from stowplan.servers import log
from stowplan.servers.log import last_lines, last_run, log_file, opened, writes


def started(file: Path, digest: str, content: bytes) -> None:
    (server,) = made([row(digest=digest * 64)])
    descriptor = opened(file, server)
    os.write(descriptor, content)
    os.close(descriptor)


def test_the_last_start_counts(tmp_path: Path) -> None:
    (server,) = made([row()])
    file = log_file(tmp_path, server)
    assert file == tmp_path / ".state/log/qwen.rtx.log"
    started(file, "a", b"one\n")
    started(file, "b", b"two\n=== stowplan of another sort\nthree \xff")
    run = last_run(file)
    assert run.startswith(f"=== stowplan up qwen/rtx, generation 1, launch {'b' * 64}, ")
    assert run.partition("\n")[2] == "two\n=== stowplan of another sort\nthree \N{REPLACEMENT CHARACTER}"
    assert last_lines(run, 20) == run.partition("\n")[2]
    assert last_lines(run, 1) == "three \N{REPLACEMENT CHARACTER}"


def test_no_log(tmp_path: Path) -> None:
    assert last_run(tmp_path / "none") == ""
    assert last_lines("", 20) == ""


def test_of_a_long_log_the_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_LARGEST", 10)
    started(tmp_path / "log", "a", b"0123456789abc\n")
    run = last_run(tmp_path / "log")
    assert run == "456789abc\n"
    assert last_lines(run, 20) == "456789abc"


def test_who_writes_a_log(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with file.open("wb") as log, child(["sleep", "600"], stdout=log) as process:
        assert writes(process.pid, file)
        assert not writes(process.pid, tmp_path)
        assert not writes(process.pid, tmp_path / "none")
    assert not writes(process.pid, file)
