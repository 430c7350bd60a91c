"""How servers stand, for a person and for a program."""

from collections.abc import Iterator, Sequence
from typing import Any

from stowplan.servers.drift import Difference, State, Status

_HEAD = ("MODEL", "STATE", "PID", "PORT", "GENERATION", "UP")
_SHOWS = {None: "absent", "": "present"}


def text(statuses: Sequence[Status]) -> str:
    """One row for each server, and below it a line for each value that differs."""
    rows = [_row(status) for status in statuses]
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    lines = [_aligned(_HEAD, widths)]
    for status, row in zip(statuses, rows, strict=True):
        lines += [_aligned(row, widths), *_below(status)]
    return "\n".join(lines) + "\n"


def as_json(statuses: Sequence[Status]) -> list[dict[str, Any]]:
    """The same for a program: None where something is absent, "" for a switch or a value that is not shown."""
    return [
        {
            "model": status.server.model,
            "profile": status.server.profile,
            "state": status.state.value,
            "pid": None if status.running is None else status.running.leader.pid,
            "port": status.server.port,
            "generation": status.generation,
            "compiled_generation": status.server.generation if status.server.is_published else None,
            "launch": None if status.running is None else status.running.leader.launch,
            "compiled_launch": status.server.digest if status.server.is_published else None,
            "uptime_seconds": None if status.running is None else round(status.running.leader.uptime, 1),
            "differences": [
                {"what": each.what, "running": each.running, "compiled": each.compiled} for each in status.differences
            ],
            "note": status.note,
        }
        for status in statuses
    ]


def difference(found: Difference) -> str:
    """`--max-model-len  running 512  compiled 256`."""
    running, compiled = (_SHOWS.get(value, value) for value in (found.running, found.compiled))
    return visible(f"{found.what}  running {running}  compiled {compiled}")


def visible(told: str) -> str:
    """What a process or a server says of itself, with whatever a terminal might obey written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in told)


def duration(seconds: float) -> str:
    """`12s`, `5m 12s`, `3h 5m`, `9d 3h`."""
    whole = int(seconds)
    for size, unit, rest, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // rest}{smaller}"
    return f"{whole}s"


def _row(status: Status) -> tuple[str, ...]:
    running, generation = status.running, status.generation
    return (
        status.server.model,
        status.state.value,
        "-" if running is None else str(running.leader.pid),
        str(status.server.port),
        "-" if running is None else "?" if generation is None else str(generation),
        "-" if running is None else duration(running.leader.uptime),
    )


def _below(status: Status) -> Iterator[str]:
    if status.note is not None:
        yield f"  {visible(status.note)}"
    for each in status.differences:
        yield f"  {difference(each)}"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def has_drifted(statuses: Sequence[Status]) -> bool:
    """Whether something else runs, or answers, than was compiled."""
    return any(status.state in (State.DRIFT, State.FOREIGN) for status in statuses)
