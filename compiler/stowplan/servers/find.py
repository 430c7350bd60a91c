"""Which servers run, whoever started them: `stowplan up`, the script by hand, systemd, a container.

A server is ours where the first of its processes carries the digest of one of our launches. Only such a one is
ever stopped. Where a process has no digest or another project's, or its environment may not be read, arguments
(port and served name) tell that it stands where one of ours would; it is shown, and left alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stowplan.servers.ports import Stranger, listening, listens, shares_our_network, sockets, strangers
from stowplan.servers.processes import Process, Processes, ancestors, family, processes
from stowplan.servers.server import Server, options


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs: its first process, and all that belong to it.

    `is_listening` is None where that may not be read. `is_here` is False for one in a network of its own, as a
    container's: then somebody else may listen on our port of that number.
    """

    server: Server
    leader: Process
    family: tuple[Process, ...]
    is_listening: bool | None
    is_here: bool = True

    @property
    def is_ours(self) -> bool:
        """Whether it was identified by the digest of a launch that its subject has or had here."""
        return self.server.launched(self.leader.launch) is not None

    @property
    def is_as_compiled(self) -> bool:
        """Whether it was started from the very launch that is compiled now."""
        return self.server.is_published and self.leader.launch == self.server.digest


@dataclass(frozen=True, slots=True)
class Sight:
    """All that can be seen of one server: what runs as it, and who else listens on its port.

    `neighbours` are the served names of the profile's other servers on the same port.
    """

    server: Server
    running: tuple[Running, ...]
    strangers: tuple[Stranger, ...]
    neighbours: tuple[str, ...]


def survey(servers: Sequence[Server]) -> tuple[Sight, ...]:
    """What can be seen of each of one profile's servers. They are looked for together: they may share a port."""
    among, heard = processes(), listening()
    serving = {pid: found for pid, process in among.items() if (found := options(process.argv)) or process.launch}
    by_port: dict[int, list[Server]] = {}
    for server in servers:
        by_port.setdefault(server.port, []).append(server)
    running = [tuple(_running(server, among, serving)) for server in servers]
    ours = [sockets(process.pid) for each in running for found in each for process in found.family]
    return tuple(
        Sight(
            server,
            found,
            strangers(server.bind, server.port, heard, ours, among) if _looks_here(found) else (),
            tuple(other.served for other in by_port[server.port] if other is not server),
        )
        for server, found in zip(servers, running, strict=True)
    )


def _looks_here(running: Iterable[Running]) -> bool:
    """Whether the port is one of this network; a container's port is often forwarded by a process of another's."""
    return all(each.is_here for each in running)


def _running(server: Server, among: Processes, serving: Mapping[int, Mapping[str, str]]) -> Iterator[Running]:
    """What runs as a server, of the processes `serving` by pid, each with its options."""
    mine = {pid for pid, found in serving.items() if _is_of(server, among[pid], found)}
    for pid in sorted(mine):
        if not any(above.pid in mine for above in ancestors(pid, among)):
            members = family(among[pid], among)
            here = shares_our_network(among[pid])
            yield Running(server, among[pid], members, listens(members, server.port), here)


def _is_of(server: Server, process: Process, found: Mapping[str, str]) -> bool:
    if process.launch is not None and process.launch in server.launches:
        return True
    return (found.get("--port"), found.get("--served-model-name")) == (str(server.port), server.served)
