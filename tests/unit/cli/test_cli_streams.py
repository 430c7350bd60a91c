"""Output that nobody reads: a closed stream leads nowhere, a broken pipe ends the command without a word."""

import subprocess
import sys
from pathlib import Path

import pytest
from sound_project import compiled

BROKEN_PIPE = 141
"""What a shell says of a program that SIGPIPE ended."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("streams") / "project")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "stowplan", *arguments]


@pytest.mark.parametrize("arguments", [("explain", "llama"), ("compile",), ("--help",), ("compile", "--help")])
def test_a_pipe_that_nobody_reads(arguments: tuple[str, ...], project: Path) -> None:
    """The reader is gone before anything is written, so there is no race."""
    process = subprocess.Popen(command(*arguments), cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == BROKEN_PIPE
    process.stderr.close()


def test_a_reader_that_has_seen_enough(project: Path) -> None:
    script = 'set -o pipefail; "$@" explain llama | head -1'
    done = subprocess.run(["bash", "-c", script, "-", *command()], cwd=project, capture_output=True, text=True)
    assert done.returncode in (0, BROKEN_PIPE)
    assert (done.stdout, done.stderr) == ("llama-3.1-8b-instruct_(BF16)  (llama/card)\n", "")


def test_complaints_that_nobody_reads(project: Path) -> None:
    process = subprocess.Popen(command("no-such-verb"), cwd=project, stderr=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.close()
    assert process.wait() == BROKEN_PIPE


@pytest.mark.parametrize(
    ("arguments", "closed", "code"),
    [
        ("explain llama", ">&-", 0),
        ("explain llama", ">&- 2>&-", 0),
        ("compile --check", "<&- >&- 2>&-", 0),
        ("no-such-verb", "2>&-", 2),
    ],
)
def test_a_closed_stream(arguments: str, closed: str, code: int, project: Path) -> None:
    script = f'"$@" {arguments} {closed}'
    done = subprocess.run(["bash", "-c", script, "-", *command()], cwd=project, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
