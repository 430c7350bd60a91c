"""What /proc says: of names that look like fields, of those that are gone, of who belongs to whom."""

import os
import subprocess
import sys

from fake_server import child
from stowplan.servers.processes import Process, ancestors, environ, family, look, processes

NAMED = """
import ctypes, sys
ctypes.CDLL(None).prctl(15, b"a) S 1 (b", 0, 0, 0)  # PR_SET_NAME
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_name_may_hold_anything() -> None:
    command = [sys.executable, "-c", NAMED, "", "é\n"]
    environment = {"A": "1=2", "STOWPLAN_LAUNCH": "d"}
    with child(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as named:
        assert named.stdout is not None
        assert named.stdin is not None
        assert named.stdout.readline() == b"ready\n"
        found = look(named.pid)
        assert found is not None
        assert (found.parent, found.session, found.group) == (os.getpid(), os.getsid(0), os.getpgid(0))
        assert found.argv == tuple(command)
        assert (found.launch, found.is_readable) == ("d", True)
        assert environ(named.pid)["A"] == "1=2"
        assert 0 <= found.uptime < 600
        assert processes()[named.pid].started == found.started
        named.stdin.close()
        os.waitid(os.P_PID, named.pid, os.WEXITED | os.WNOWAIT)
        assert look(named.pid) is None, "a zombie runs no more"
    assert look(named.pid) is None
    assert environ(named.pid) == {}


def test_this_process_and_those_above_it_are_no_servers() -> None:
    assert {os.getpid(), os.getppid()}.isdisjoint(processes())


def test_a_family_is_whom_it_leads_and_who_descends_from_it() -> None:
    def one(pid: int, parent: int, group: int, session: int) -> Process:
        return Process(pid, pid, parent, group, session, (), None, is_readable=True)

    leader = one(10, 1, 10, 10)
    others = [
        one(11, 10, 10, 10),
        one(12, 11, 12, 12),  # a grandchild with a session of its own
        one(13, 1, 13, 10),  # its parent has ended
        one(14, 1, 14, 1),
        one(17, 1, 10, 1),  # its mate in a pipeline, of the same group
        one(15, 16, 15, 1),  # a loop, as pids that are used again can make one
        one(16, 15, 16, 1),
    ]
    among = {process.pid: process for process in (leader, *others)}
    assert [process.pid for process in family(leader, among)] == [10, 11, 12, 13]
    assert [process.pid for process in ancestors(12, among)] == [11, 10]
    follower = one(11, 10, 10, 10)
    assert [process.pid for process in family(follower, among)] == [11, 12], "it leads nothing"
