"""`logs`: what a server said since it was started last, and what it goes on to say."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import stowplan
from e2e.engine import free_port
from fake_server import Served, child, served


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, free_port()) as made:
        made.overlay("qwen", "")
        yield made


def test_only_the_last_start_is_shown(project: Served) -> None:
    for word in ("first", "second"):
        project.behave(logs=(word,))
        project.run("up", "qwen")
        project.run("down", "qwen")
    head, *lines = project.run("logs", "qwen").out.splitlines()
    assert head.startswith("=== stowplan up qwen/rtx, generation 1, launch ")
    assert lines == ["second", "Application startup complete."]
    assert "first" in (project.folder / "build/.state/log/qwen.rtx.log").read_text()


def test_no_log(project: Served) -> None:
    done = stowplan(project.folder, "logs", "qwen")
    assert done.code == 2
    assert "there is no log of qwen/rtx: `stowplan up` never started it" in done.err


def test_following(project: Served) -> None:
    project.behave(logs=("one",))
    project.run("up", "qwen")
    file = project.folder / "build/.state/log/qwen.rtx.log"
    command = [sys.executable, "-m", "stowplan", "-C", str(project.folder), "logs", "-f", "qwen"]
    with child(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as logs:
        assert logs.stdout is not None
        begin = [logs.stdout.readline() for _ in range(3)]
        assert begin[1:] == [b"one\n", b"Application startup complete.\n"]
        with file.open("ab", buffering=0) as log:
            log.write("half an \N{SNOWMAN}".encode()[:-1])
            log.write("\N{SNOWMAN} and more\n".encode()[-11:])
        assert logs.stdout.readline().decode() == "half an \N{SNOWMAN} and more\n"
        file.write_text("cut\n")
        assert logs.stdout.readline() == b"cut\n"
