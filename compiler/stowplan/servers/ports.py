"""Who listens on a port, as the kernel tells it (proc_net_tcp in the kernel's networking documentation).

vLLM shares its port (SO_REUSEPORT), so several servers may listen on one without an error to any of them, and
each answers some requests. So it is not enough that something answers: it matters whose sockets there are.
"""

import os
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from stowplan.servers.processes import PROC, Process, Processes

_LISTENS = "0A"  # TCP_LISTEN of include/net/tcp_states.h
Address = IPv4Address | IPv6Address
Listening = Mapping[int, Mapping[int, Address]]
"""Port → inode of a socket that listens on it → the address it listens at."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """Something that listens on a port of ours: a process, or None where it may not be seen whose the socket is."""

    process: Process | None


def listens(server: Iterable[Process], port: int) -> bool | None:
    """Whether one of a server's processes listens on the port, in whatever network they live.

    None where that may not be read.
    """
    found: bool | None = False
    for process in server:
        held = sockets(process.pid)
        if held is None:
            found = None
        elif held & listening(PROC / str(process.pid) / "net").get(port, {}).keys():
            return True
    return found


def strangers(
    bind: str, port: int, heard: Listening, ours: Sequence[set[int] | None], among: Processes
) -> tuple[Stranger, ...]:
    """Who else listens on a port of an address, of all that `heard` tells: who holds none of the sockets of `ours`.

    Sockets that nobody can be found for are strangers only where all of ours may be looked into.
    """
    if not (there := heard.get(port)):
        return ()
    addresses = _addresses(bind)
    inodes = {inode for inode, at in there.items() if any(_overlap(at, own) for own in addresses)}
    inodes.difference_update(*(held for held in ours if held is not None))
    if not inodes:
        return ()
    holders = {inode: process for process in among.values() for inode in inodes & (sockets(process.pid) or set())}
    known = {process.pid: Stranger(process) for process in holders.values()}
    is_hidden = None not in ours and inodes - holders.keys()
    return (*known.values(), *([Stranger(None)] if is_hidden else []))


def shares_our_network(process: Process) -> bool:
    """Whether a process lives in the same network as this one; one in a container need not."""
    with suppress(OSError):
        return (PROC / str(process.pid) / "ns/net").readlink() == (PROC / "self/ns/net").readlink()
    return True


def listening(net: Path = PROC / "net") -> Listening:
    """Every socket that listens, in the network that the folder `net` tells of; this process's by default."""
    found: dict[int, dict[int, Address]] = {}
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (net / table).read_text().splitlines()[1:]:
                row = line.split()
                if row[3] == _LISTENS:
                    address, _, port = row[1].partition(":")
                    found.setdefault(int(port, 16), {})[int(row[9])] = _address(address)
    return found


def _address(digits: str) -> Address:
    """An address as the kernel prints it: 32 bits at a time, each in the machine's byte order."""
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return IPv4Address(packed) if len(words) == 1 else IPv6Address(packed).ipv4_mapped or IPv6Address(packed)


def _addresses(bind: str) -> list[Address]:
    with suppress(ValueError):
        return [ip_address(bind)]
    with suppress(OSError):
        return [ip_address(str(found[4][0])) for found in socket.getaddrinfo(bind, None, type=socket.SOCK_STREAM)]
    return []


def _overlap(one: Address, other: Address) -> bool:
    """Whether sockets at both addresses meet: the same one, or one of them is every address."""
    return one == other or one.is_unspecified or other.is_unspecified


def sockets(pid: int) -> set[int] | None:
    """The inodes of a process's sockets; None where they may not be read."""
    folder = f"{PROC}/{pid}/fd"
    found = set()
    try:
        for name in os.listdir(folder):  # noqa: PTH208
            with suppress(OSError):
                target = os.readlink(f"{folder}/{name}")  # noqa: PTH115
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
    except PermissionError:
        return None
    except OSError:  # it is gone
        return set()
    return found
