"""What runs against what was compiled: a state, and what differs. Pure; `find`, `ports` and `health` have looked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from stowplan.servers.find import Running, Sight
from stowplan.servers.health import Answer
from stowplan.servers.server import Server, options


class State(StrEnum):
    """How a server stands to what was compiled; docs/servers.md says what each means."""

    DOWN = "down"
    STARTING = "starting"
    OK = "ok"
    DRIFT = "DRIFT"
    FOREIGN = "foreign"
    UNREADABLE = "unreadable"


_ELSEWHERE = "is in a network of its own; who answers on our port may be another"


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that runs and the one that was compiled: None for absent, "" for a switch or a value not shown."""

    what: str
    running: str | None
    compiled: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """One server: its state, what runs (None where nothing does), what differs, and a word where one is needed."""

    server: Server
    state: State
    running: Running | None = None
    differences: tuple[Difference, ...] = ()
    note: str | None = None

    @property
    def generation(self) -> int | None:
        """The generation whose launch runs; None where nothing does or none has it."""
        launched = None if self.running is None else self.server.launched(self.running.leader.launch)
        return None if launched is None else launched.generation


_HIDDEN = ("--api-key", "--hf-token")
"""Flags whose values are secrets, and only ever stand in a command line that someone wrote by hand."""


def judge(sight: Sight, environments: Mapping[int, Mapping[str, str]], answer: Answer | None) -> tuple[Status, ...]:
    """How a server stands: one status, or one for each where several run as it.

    `environments` holds the variables of running processes by pid, where they may be read; `answer` is what
    came over HTTP from the server's port.
    """
    if not sight.running:
        return (_absent(sight, answer),)
    alone = answer if len(sight.running) == 1 else None  # either may have answered
    return tuple(_present(sight, running, environments.get(running.leader.pid), alone) for running in sight.running)


def _absent(sight: Sight, answer: Answer | None) -> Status:
    """No process is this server's; something may listen on its port all the same."""
    server = sight.server
    if not sight.strangers:
        return Status(server, State.DOWN)
    if answer is not None and server.served in answer.names:
        said = tuple(_told(server, answer))
        note = f"answers as {server.served}; the process that does may not be read"
        return Status(server, State.DRIFT if said else State.UNREADABLE, None, said, note)
    if answer is not None and set(answer.names) & set(sight.neighbours):
        return Status(server, State.DOWN)  # it is one of ours, which a port that is shared serves now
    return Status(server, State.FOREIGN, note=_foreign(sight))


def _present(sight: Sight, running: Running, environment: Mapping[str, str] | None, answer: Answer | None) -> Status:
    server = sight.server
    if sight.strangers:
        return Status(server, State.FOREIGN, running, note=_foreign(sight))
    if not server.is_published:
        return Status(server, State.DRIFT, running, note="is no longer compiled")
    found = _differences(server, running, environment, answer)
    if running.leader.is_readable and not running.is_as_compiled and not found:
        found = (Difference("launch", _short(running.leader.launch), _short(server.digest)),)
    if found:
        return Status(server, State.DRIFT, running, found)
    if running.is_listening is False:
        return Status(server, State.STARTING, running)
    if len(sight.running) == 1 and (answer is None or not (answer.names or answer.wants_key)):
        return Status(server, State.STARTING, running, note="listens, and does not answer")
    if not running.leader.is_readable:
        note = "its environment may not be read: judged by its arguments and answers"
        return Status(server, State.UNREADABLE, running, note=note)
    if not running.is_here:
        return Status(
            server, State.OK, running, note="is in a network of its own; who answers on our port may be another"
        )
    word = "answers none without the key it was started with" if answer is not None and answer.wants_key else None
    return Status(server, State.OK, running, note=word)


def _differences(
    server: Server, running: Running, environment: Mapping[str, str] | None, answer: Answer | None
) -> tuple[Difference, ...]:
    """By arguments, by variables, and by what the server itself says where those say nothing."""
    found = list(_arguments(server, running))
    if environment is not None:
        found += _variables(server, running.leader.launch, environment)
    known = {difference.what for difference in found}
    said = () if answer is None else _told(server, answer)
    return (*found, *(difference for difference in said if difference.what not in known))


def _arguments(server: Server, running: Running) -> Iterator[Difference]:
    now, then = options(running.leader.argv), options(server.argv)
    if not now:  # a title of its own stands where its arguments were
        return
    for name in sorted(now.keys() | then.keys()):
        if now.get(name) != then.get(name):
            yield Difference(name, "" if name in _HIDDEN else now.get(name), then.get(name))


def _variables(server: Server, launch: str | None, environment: Mapping[str, str]) -> Iterator[Difference]:
    """Variables of `[env]` that differ. Others are named if vLLM reads them, but never shown: they may be secret."""
    old = server.launched(launch)
    known = server.env.keys() | (old.env.keys() if old is not None else set())
    stray = {name for name in environment if name.startswith("VLLM_")} - server.passed
    for name in sorted(known | stray):
        now, compiled = environment.get(name), server.env.get(name)
        if now != compiled:
            yield Difference(name, now if now is None or name in known else "", compiled)


def _told(server: Server, answer: Answer) -> Iterator[Difference]:
    """What differs by the server's own words."""
    if not answer.names:
        return
    if server.served not in answer.names:
        yield Difference("--served-model-name", ", ".join(answer.names), server.served)
        return
    compiled = options(server.argv)
    length = compiled.get("--max-model-len", "")
    if answer.context is not None and length.isdecimal() and answer.context != int(length):
        yield Difference("--max-model-len", str(answer.context), length)
    if answer.root is not None and answer.root != compiled["model"]:
        yield Difference("model", answer.root, compiled["model"])
    if answer.version is not None and answer.version.partition("+")[0] != server.version:
        yield Difference("version", answer.version, server.version)


def _foreign(sight: Sight) -> str:
    """Who is on the port, as far as that can be seen."""
    process = sight.strangers[0].process
    if process is None:
        return f"port {sight.server.port} is another's, whose process may not be read"
    return f"port {sight.server.port} is another's: pid {process.pid}, {process.program}"


def _short(digest: str | None) -> str | None:
    return None if digest is None else digest[:12]
