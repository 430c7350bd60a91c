"""Launch.matches: real processes, of ours and of another user, alive and ended."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from reader_cases import wait_until

from stowplan.read import Launch, running

ARGV = (sys.executable, "-c", "import time; time.sleep(60)")
DIGEST = "d" * 64
NOBODY = 65534

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")

Start = Callable[..., int]


def launch(argv: tuple[str, ...] = ARGV, digest: str = DIGEST) -> Launch:
    return Launch(argv, {}, (), Path("/nowhere/x.sh"), digest)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process and gives its pid, once it is the program that was asked for."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(environment: Mapping[str, str], argv: tuple[str, ...] = ARGV, user: int | None = None) -> int:
        process = subprocess.Popen(argv, env=environment, user=user, extra_groups=[] if user else None)
        started.append(process)
        wait_until(lambda: Path(f"/proc/{process.pid}/cmdline").read_bytes().endswith(os.fsencode(argv[-1]) + b"\0"))
        return process.pid

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_the_digest_in_its_environment_decides(start: Start) -> None:
    pid = start({"A": "1", "STOWPLAN_LAUNCH": DIGEST, "Z": "1"})
    assert launch().matches(pid) is True
    assert launch(argv=("other",)).matches(pid) is True
    assert launch(digest="e" * 64).matches(pid) is False


def test_a_process_that_no_launch_started_does_not_match_even_with_its_arguments(start: Start) -> None:
    assert launch().matches(start({"A": "1", "NOT_STOWPLAN_LAUNCH": DIGEST})) is False


def test_where_the_environment_says_nothing_the_arguments_decide(start: Start) -> None:
    pid = start({})
    assert launch().matches(pid) is True
    assert launch(argv=ARGV[1:]).matches(pid) is True, "an interpreter may stand before it"
    assert launch(argv=(*ARGV[:-1], "import time")).matches(pid) is False
    assert launch(argv=("more", *ARGV)).matches(pid) is False


def test_a_process_that_has_ended() -> None:
    process = subprocess.Popen(["true"], env={"STOWPLAN_LAUNCH": DIGEST})
    wait_until(lambda: Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z")
    assert launch(argv=("true",)).matches(process.pid) is False, "it is only waited for"
    process.wait()
    assert launch(argv=("true",)).matches(process.pid) is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start another user's process and then be nobody")
def test_another_users_process_is_known_by_its_arguments(start: Start) -> None:
    """Asked by a child that has become nobody, of a process that is root's."""
    pid = start({"STOWPLAN_LAUNCH": "whatever"})
    assert as_nobody(lambda: launch().matches(pid)) is True
    assert as_nobody(lambda: launch(argv=("other",)).matches(pid)) is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start another user's process and then be nobody")
def test_a_process_of_which_nothing_can_be_seen(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where /proc is mounted with hidepid."""
    pid = start({"STOWPLAN_LAUNCH": DIGEST})
    monkeypatch.setattr(running, "PROC", "/nonexistent")
    assert as_nobody(lambda: launch().matches(pid)) is None
    assert launch().matches(pid) is None


def as_nobody(ask: Callable[[], bool | None]) -> bool | None:
    """What a child that has given up its rights answers."""
    answers = (True, False, None)
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os._exit(answers.index(ask()))
    return answers[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]
