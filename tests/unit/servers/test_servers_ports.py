"""Who listens on a port: at this address or another, once or together with others."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from server_cases import process

from fake_server import child
from stowplan.servers import ports
from stowplan.servers.ports import Stranger, listening, listens, shares_our_network, sockets
from stowplan.servers.processes import Process, look

PROGRAM = """
import socket, sys
sock = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
sock.bind((sys.argv[1], int(sys.argv[2])))
if sys.argv[3] == "listen":
    sock.listen()
print(sock.getsockname()[1], flush=True)
sys.stdin.read()
"""


def strangers(bind: str, port: int, ours: list[Process], among: dict[int, Process]) -> tuple[Stranger, ...]:
    return ports.strangers(bind, port, listening(), [sockets(each.pid) for each in ours], among)


@contextmanager
def bound(host: str, port: int = 0, what: str = "listen") -> Iterator[tuple[Process, int]]:
    """A process with a socket; it, and its port."""
    command = [sys.executable, "-c", PROGRAM, host, str(port), what]
    with child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        found = int(holder.stdout.readline())
        seen = look(holder.pid)
        assert seen is not None
        yield seen, found


def test_one_listens() -> None:
    with bound("127.0.0.1") as (one, port):
        among = {one.pid: one}
        assert listens([one], port) is True
        assert listens([one], port ^ 1) is False
        assert strangers("127.0.0.1", port, [], among) == (Stranger(one),)
        assert strangers("127.0.0.1", port, [one], among) == ()
    assert strangers("127.0.0.1", port, [], among) == ()


def test_two_share_a_port() -> None:
    with bound("127.0.0.1") as (one, port), bound("127.0.0.1", port) as (other, _):
        among = {one.pid: one, other.pid: other}
        assert strangers("127.0.0.1", port, [one], among) == (Stranger(other),)


def test_one_that_is_only_bound_does_not_listen() -> None:
    with bound("127.0.0.1", 0, "bind") as (one, port):
        assert listens([one], port) is False
        assert strangers("127.0.0.1", port, [], {one.pid: one}) == ()


def test_one_that_cannot_be_found_is_a_stranger_without_a_name() -> None:
    with bound("127.0.0.1") as (_, port):
        assert strangers("127.0.0.1", port, [], {}) == (Stranger(None),)


@pytest.mark.parametrize(
    ("theirs", "ours", "meet"),
    [
        ("127.0.0.2", "127.0.0.1", False),
        ("0.0.0.0", "127.0.0.1", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "no.such.host.invalid", False),
        ("::1", "::1", True),
        ("::1", "127.0.0.1", False),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
    ],
)
def test_addresses_that_meet(theirs: str, ours: str, meet: bool) -> None:
    if ":" in theirs and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    with bound(theirs) as (one, port):
        assert bool(strangers(ours, port, [], {one.pid: one})) is meet


def test_one_that_is_gone_listens_no_more_and_is_in_our_network() -> None:
    assert listens([process(2**22 + 1)], 80) is False
    assert shares_our_network(process(2**22 + 1))
    mine = look(os.getpid())
    assert mine is not None
    assert shares_our_network(mine)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
