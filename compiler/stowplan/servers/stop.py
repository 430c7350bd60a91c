"""Stopping a server with all its processes, and nothing else.

A vLLM server is a parent and children that rename themselves. Told to end while it starts, the parent alone
goes on, and told together with its children it waits 600 s for its dead engine (vLLM 0.32.0). So all of them
get SIGTERM, have a grace time, and what is left gets SIGKILL.

The law: no process gets a signal but the first of a server, which carries a launch digest of ours, and those of
its family; and each only if it is still the same one, by its start time and digest, after a pidfd was opened on
it (pidfd_open(2)). A pidfd stands for one process for ever, so neither a pid that was used again before it was
opened nor one that is used again after can be hit.
"""

import os
import select
import signal
import time
from collections.abc import Iterable
from contextlib import ExitStack

from stowplan.servers.find import Running
from stowplan.servers.processes import Process, family, look, processes

_CERTAIN = 10.0
"""Seconds within which a killed process is gone, unless it waits for a device."""


class NotStoppedError(Exception):
    """A server that could not be stopped. Says why, and what is left."""


def stop(running: Running, grace: float) -> bool:
    """Ends a server that is ours, with its family. Out: whether it had to be killed, after `grace` seconds.

    Raises NotStoppedError where it is none of ours, or may not be told, or goes on.
    """
    if not running.is_ours:
        raise NotStoppedError(f"pid {running.leader.pid} was not started from a launch of this project")
    for sign, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, _CERTAIN)):
        # those it has now: a server that starts gets more of them meanwhile; they are all of one family
        if _end([*running.family, *_family_now(running.leader)], sign, patience):
            return sign is signal.SIGKILL
    left = ", ".join(str(process.pid) for process in running.family if _is_same(process))
    raise NotStoppedError(f"killed, and still there: pid {left}")


def tell(process: Process, sign: signal.Signals) -> int | None:
    """Sends a signal to a process, if it is still this one. Out: a pidfd to close, None if it has ended.

    Raises NotStoppedError where that is not allowed.
    """
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    try:
        if _is_same(process):
            signal.pidfd_send_signal(handle, sign)
            return handle
    except ProcessLookupError:
        pass
    except PermissionError:
        os.close(handle)
        raise NotStoppedError(f"pid {process.pid} belongs to another user, who alone may stop it") from None
    os.close(handle)
    return None


def _is_same(process: Process) -> bool:
    now = look(process.pid)
    if now is None or now.started != process.started:
        return False
    return now.launch in (process.launch, None)  # vLLM's children write their title over their environment


def _family_now(leader: Process) -> tuple[Process, ...]:
    among = processes()
    return family(leader, among) if leader.pid in among and _is_same(leader) else ()


def _end(members: Iterable[Process], sign: signal.Signals, patience: float) -> bool:
    """Whether all of them have ended within `patience` seconds after the signal."""
    with ExitStack() as handles:
        poll, waited = select.poll(), set[int]()
        for process in {(process.pid, process.started): process for process in members}.values():
            if (handle := tell(process, sign)) is not None:
                handles.callback(os.close, handle)
                poll.register(handle, select.POLLIN)
                waited.add(handle)
        deadline = time.monotonic() + patience
        while waited and (left := deadline - time.monotonic()) > 0:
            for handle, _ in poll.poll(left * 1000):
                poll.unregister(handle)
                waited.discard(handle)
        return not waited
