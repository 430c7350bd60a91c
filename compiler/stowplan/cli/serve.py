"""`up`, `down`, `logs`, `status`: servers run as what was published says, or it is said where they do not."""

import json
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from stowplan.cli.console import DIFFERENCE, OK, PROBLEMS, USAGE, complain, progress, remark, say
from stowplan.cli.fleet import fleet_of, profile_meant, server_meant
from stowplan.cli.workspace import (
    Seconds,
    Workspace,
    complete_subject,
    format_option,
    pass_workspace,
    profile_option,
)
from stowplan.servers.causes import cause
from stowplan.servers.drift import State, Status
from stowplan.servers.find import Running, Sight, survey
from stowplan.servers.log import follow, last_lines, last_run, log_file
from stowplan.servers.measured import record
from stowplan.servers.ports import Stranger
from stowplan.servers.processes import Process
from stowplan.servers.server import Server
from stowplan.servers.start import (
    Crowded,
    Died,
    Healthy,
    Late,
    Outcome,
    start,
    turn,
    wait_for_launch,
    wait_until_healthy,
)
from stowplan.servers.status import statuses
from stowplan.servers.stop import NotStoppedError, stop
from stowplan.servers.table import as_json, duration, has_drifted, text, visible

_TIMEOUT, _GRACE = 600.0, 10.0
_SIGNALS = {each.value: each.name for each in signal.Signals}
_LAST = 20
"""Lines of its log that are shown of a server that died."""
_ROUND = 2.0
"""Seconds between two looks of `status --watch`."""


@click.command("up")
@click.argument("subject", shell_complete=complete_subject)
@click.option("--no-restart", is_flag=True, help="Leave a server alone that runs an older launch; exit 1.")
@click.option("--timeout", type=Seconds(), default=_TIMEOUT, show_default=True, metavar="SECONDS", help="To wait.")
@pass_workspace
def up_command(workspace: Workspace, subject: str, no_restart: bool, timeout: float) -> int:
    """Start a server and wait until it is healthy.

    It runs what is published. One that runs it already is left alone, one that runs an older launch is
    restarted, and where the profile serves one model at a time, its other servers are stopped. A server that
    dies is reported at once, with its last words.

    \b
    stowplan up qwen2.5-vl-7b-instruct-awq
    stowplan up 'qwen2.5-vl-7b-instruct_(AWQ)/rtx-4080-16g' --no-restart --timeout 120
    """
    fleet, server = server_meant(workspace, subject)
    if not server.is_published:
        raise click.UsageError(f"`{server.name}` is no longer compiled; `stowplan down` stops it where it runs")
    log = log_file(workspace.build, server)
    try:
        with turn(workspace.build, _wait_for_turn):
            own, *others = sorted(survey(fleet), key=lambda sight: sight.server is not server)
            if (problem := _in_the_way(own, others, no_restart)) is not None:
                complain(*problem)
                return PROBLEMS
            running = _clear(own, others if server.takes_turns else ())
            process = running.leader if running else start(server, log)
            is_launched = wait_for_launch(process, server.digest)
        with progress() as tell:
            left = timeout if is_launched else 0.0
            outcome = wait_until_healthy(server, process, log, left, lambda text: tell(visible(text)))
        if isinstance(outcome, Healthy):
            say(_healthy(server, process, outcome, running))
            _remember(workspace.build, statuses([server]), None if running else outcome.seconds)
            return OK
        _tell(server, process, outcome, log)
        if running is None and not isinstance(outcome, Late):  # children that it left, or itself beside another
            with turn(workspace.build, _wait_for_turn):
                (sight,) = survey([server])
                _stop(each for each in sight.running if each.is_as_compiled and each.leader.session == process.pid)
    except NotStoppedError as problem:
        complain(str(problem))
    except KeyboardInterrupt:
        remark(f"`stowplan status` tells whether {server.name} goes on without this command; `stowplan down` stops it")
        raise
    return PROBLEMS


@click.command("down")
@click.argument("subject", shell_complete=complete_subject)
@click.option("--grace", type=Seconds(), default=_GRACE, show_default=True, metavar="SECONDS", help="TERM to KILL.")
@pass_workspace
def down_command(workspace: Workspace, subject: str, grace: float) -> int:
    """Stop a server, with its children.

    It is told to end (SIGTERM), and killed (SIGKILL) where it has not after the grace time. Only what was
    started from a launch of this project is ever stopped, whoever started it.

    \b
    stowplan down qwen2.5-vl-7b-instruct-awq
    stowplan down qwen2.5-vl-7b-instruct-awq --grace 60
    """
    _, server = server_meant(workspace, subject)
    with turn(workspace.build, _wait_for_turn):
        (sight,) = survey([server])
        if not sight.running:
            say(f"{server.name} does not run")
        try:
            _stop((each for each in sight.running if each.is_ours), grace)
            (sight,) = survey([server])
            _stop((each for each in sight.running if each.is_ours), grace)  # children that came meanwhile
        except NotStoppedError as problem:
            complain(str(problem))
            return PROBLEMS
    for each in sight.running:
        complain(*_not_ours(each))
    return PROBLEMS if sight.running else OK


@click.command("logs")
@click.argument("subject", shell_complete=complete_subject)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on with what is added, until interrupted.")
@pass_workspace
def logs_command(workspace: Workspace, subject: str, following: bool) -> int:
    """Print the log of a server since its last start.

    That is what servers log that `stowplan up` started; others log elsewhere.

    \b
    stowplan logs qwen2.5-vl-7b-instruct-awq
    stowplan logs -f qwen2.5-vl-7b-instruct-awq
    """
    _, server = server_meant(workspace, subject)
    file = log_file(workspace.build, server)
    if not file.exists():
        complain(f"there is no log of {server.name}: `stowplan up` never started it", f"it would be {file}")
        return USAGE
    for part in follow(file) if following else [last_run(file)]:
        click.echo(part, nl=False)
        sys.stdout.flush()
    return OK


@click.command("status")
@click.argument("subject", required=False, shell_complete=complete_subject)
@profile_option
@click.option("--check", is_flag=True, help="Exit 3 if something else runs, or answers, than was compiled.")
@click.option("--watch", is_flag=True, help="Print again every two seconds, until interrupted.")
@format_option("text", "json")
@pass_workspace
def status_command(
    workspace: Workspace, subject: str | None, profile: str | None, check: bool, watch: bool, form: str
) -> int:
    """Say what runs against what was compiled.

    For every model of the profile: down, starting, ok, DRIFT (each value that differs below it), foreign (its
    port is another's) or unreadable (another user's). Servers are found whoever started them.

    \b
    stowplan status
    stowplan status --check          for monitoring: does everything run as compiled?
    stowplan status qwen2.5-vl-7b-instruct-awq --format json
    """
    while True:
        if subject is None:
            shown = statuses(fleet_of(workspace, profile_meant(workspace, profile)))
        else:
            fleet, server = server_meant(workspace, subject, profile)
            shown = tuple(status for status in statuses(fleet) if status.server is server)
        _remember(workspace.build, shown)
        if watch and sys.stdout.isatty():
            click.clear()
        say(json.dumps(as_json(shown), indent=2, ensure_ascii=False) if form == "json" else text(shown))
        if not watch:
            return DIFFERENCE if check and has_drifted(shown) else OK
        sys.stdout.flush()
        time.sleep(_ROUND)


def _wait_for_turn() -> None:
    remark("waiting for another stowplan that starts or stops servers")


def _in_the_way(own: Sight, others: Sequence[Sight], no_restart: bool) -> tuple[str, str] | None:
    """What keeps a server from being started, and what to do about it."""
    server = own.server
    for each in own.running:
        if not each.is_ours:
            return _not_ours(each)
        if no_restart and not each.is_as_compiled:
            return f"{server.name} runs an older launch: pid {each.leader.pid}", "without --no-restart it is restarted"
    for each in (each for sight in others for each in sight.running):
        if not each.is_ours and each.server.port == server.port:
            return _not_ours(each)
    return _foreign(server, own.strangers[0]) if own.strangers else None


def _not_ours(running: Running) -> tuple[str, str]:
    pid = running.leader.pid
    return (
        f"pid {pid} serves {running.server.served}, and was not started from a launch of this project",
        f"whoever started it must stop it; it runs: {visible(running.leader.program)}",
    )


def _foreign(server: Server, stranger: Stranger) -> tuple[str, str]:
    process = stranger.process
    who = "may not be seen" if process is None else f"pid {process.pid}, {visible(process.program)}"
    place = f"port {server.port} of {server.bind}"
    return f"{place} is foreign: {who}", "stop it, or give this model another port and compile"


def _clear(own: Sight, others: Iterable[Sight]) -> Running | None:
    """Stops what must not run beside the server. Out: what runs as it was compiled already. Raises NotStoppedError."""
    same = sorted((each for each in own.running if each.is_as_compiled), key=lambda each: each.is_listening is not True)
    _stop(each for each in own.running if each not in same[:1])
    _stop(each for sight in others for each in sight.running if each.is_ours)
    return same[0] if same else None


def _stop(running: Iterable[Running], grace: float = _GRACE) -> None:
    """Raises NotStoppedError."""
    for each in running:
        remark(f"stopping {each.server.name}: pid {each.leader.pid}")
        if stop(each, grace):
            remark(f"killed, since it went on for {grace:g} s after it was told to end")


def _healthy(server: Server, process: Process, outcome: Healthy, running: Running | None) -> str:
    where = f"pid {process.pid}, generation {server.generation}, http://{server.address}:{server.port}/v1"
    if running is not None:
        return f"{server.name} already runs: {where}, since {duration(process.uptime)}"
    return f"{server.name} is healthy after {outcome.seconds:.1f} s: {where}"


def _tell(server: Server, process: Process, outcome: Outcome, log: Path) -> None:
    """What went wrong, with the last words of the one that died."""
    if isinstance(outcome, Crowded):
        complain(*_foreign(server, outcome.stranger))
    elif isinstance(outcome, Died):
        run = last_run(log)
        if run:
            remark(f"the last lines of {log}:\n{last_lines(run, _LAST)}")
        known = cause(run, outcome.status)
        complain(f"{server.name} {_ended(outcome.status)}" + ("" if known is None else f"; cause: {known.name}"))
        if known is not None:
            remark("".join(f"  = {what}: {said}\n" for what, said in known.told))
    else:
        hint = f"it goes on: `stowplan logs -f {server.model}` shows how, `stowplan down {server.model}` stops it"
        complain(f"{server.name} is not healthy after {outcome.seconds:.0f} s: pid {process.pid}", hint)


def _ended(status: int | None) -> str:
    if status is None:
        return "ended"
    if status < 0:
        return f"was ended by {_SIGNALS.get(-status, f'signal {-status}')}"
    return f"ended with exit status {status}"


def _remember(build: Path, shown: Iterable[Status], seconds: float | None = None) -> None:
    """Notes what the logs of healthy servers tell of them."""
    for status in shown:
        if status.state is State.OK and status.running is not None:
            record(build, status.running, seconds)
