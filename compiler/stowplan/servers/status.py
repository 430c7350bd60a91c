"""How servers stand now: looks at the processes, asks the ports, judges both."""

from collections.abc import Sequence

from stowplan.engines.reserved import KEY_VARIABLE
from stowplan.servers.drift import State, Status, judge
from stowplan.servers.find import Sight, survey
from stowplan.servers.health import Answer, ask
from stowplan.servers.processes import environ
from stowplan.servers.server import Server


def statuses(servers: Sequence[Server]) -> tuple[Status, ...]:
    """How each of one profile's servers stands; those that are no longer compiled only where they run."""
    return tuple(
        status
        for sight in survey(servers)
        for status in judge(sight, _environments(sight), _answer(sight))
        if status.server.is_published or status.state is not State.DOWN
    )


def _environments(sight: Sight) -> dict[int, dict[str, str]]:
    leaders = [running.leader for running in sight.running]
    return {leader.pid: environ(leader.pid) for leader in leaders if leader.is_readable}


def _answer(sight: Sight) -> Answer | None:
    """What comes from the port. A server's key goes to that server, and never to a port that others share."""
    server = sight.server
    if not sight.running:
        return ask(server.address, server.port, server.served) if sight.strangers else None
    (first, *others) = sight.running
    if sight.strangers or others or first.is_listening is False:
        return None
    key = environ(first.leader.pid).get(KEY_VARIABLE) if first.is_here else None
    return ask(server.address, server.port, server.served, key=key)
