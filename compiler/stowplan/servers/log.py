"""The logs of servers that `stowplan up` started: one file for each, to which every start adds."""

import codecs
import os
import time
from collections.abc import Iterator
from pathlib import Path

from stowplan.servers.server import Server

FOLDER = ".state/log"
"""Inside the build folder; no input of anything."""
_MARK = b"=== stowplan up "
_PAUSE = 0.2
"""Seconds between two looks at a log that is followed."""
_LARGEST = 4 << 20
"""Bytes of a log that are looked through for what it says, from its end."""


def log_file(build: Path, server: Server) -> Path:
    """Where the log of a server lies."""
    return build / FOLDER / f"{server.model}.{server.profile}.log"


def opened(file: Path, server: Server) -> int:
    """A descriptor that adds to a log, which begins with a line that says what is started."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    about = f"{server.name}, generation {server.generation}, launch {server.digest}, {now}"
    os.write(descriptor, _MARK + f"{about} ===\n".encode())
    return descriptor


def last_run(file: Path) -> str:
    """What was logged since the last start; empty where there is no log."""
    try:
        with file.open("rb") as log:
            log.seek(_last_start(file))
            return log.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def last_lines(run: str, count: int) -> str:
    """The last lines of a run, as they stand, without the line that says what was started."""
    lines = run.removesuffix("\n").split("\n")
    return "\n".join(lines[1:][-count:] if run.startswith(_MARK.decode()) else lines[-count:])


def writes(pid: int, file: Path) -> bool:
    """Whether a process has a log for its output; False where that may not be read."""
    try:
        return Path(f"/proc/{pid}/fd/1").samefile(file)
    except OSError:
        return False


def follow(file: Path) -> Iterator[str]:
    """What was logged since the last start, then what is added, for ever; what a log that was cut then holds, too."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    position = _last_start(file)
    while True:
        size = file.stat().st_size
        position = 0 if size < position else position
        if size > position:
            with file.open("rb") as log:
                log.seek(position)
                content = log.read()
            position += len(content)
            yield decoder.decode(content)
        time.sleep(_PAUSE)


def _last_start(file: Path) -> int:
    """Where in a log the line of the last start stands, or the part begins that is looked through for it."""
    with file.open("rb") as log:
        begin = max(0, log.seek(0, os.SEEK_END) - _LARGEST)
        log.seek(begin)
        content = log.read()
    return begin + max(0, (b"\n" + content).rfind(b"\n" + _MARK))
