"""Writing the stamp that `store/fresh.py` reads."""

import os
import sysconfig
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from marshal import dumps
from pathlib import Path
from zlib import crc32

from stowplan.store.fresh import FRESH, NOTHING, Stamp, State, header, state
from stowplan.store.generations import CURRENT, GENERATIONS, LOG
from stowplan.store.layout import STORE
from stowplan.store.publish import ACTIVE

_PACKAGE = Path(__file__).parents[1]


def stamp(
    project: Path,
    build: str,
    *,
    asked: tuple[str, ...],
    begun: int,
    inputs: Mapping[str, tuple[os.stat_result | None, bytes]],
    current: tuple[int, str],
    profiles: Iterable[str],
    answer: tuple[str, str, str],
) -> Stamp:
    """The stamp of a compile of `project` that gave `answer`; `build` is the name of its build folder.

    `inputs` are all files and folders that were looked at: their state from before they were read, and their
    content (see `fresh.names` for a folder's). `current` is the current generation and its root's digest,
    `profiles` are the digests of its profiles.
    """
    number, root = current
    guarded = [*_stowplan(), *(f"{build}/{STORE}/{digest}" for digest in (root, *profiles))]
    guarded += [f"{build}/{ACTIVE}", f"{build}/{LOG}"]
    return Stamp(
        answer=answer,
        asked=asked,
        begun=begun,
        digests=b"".join(sha256(content).digest() for _, content in inputs.values()),
        guarded=guarded,
        guarded_states=[state(str(project / path)) for path in guarded],
        inputs=list(inputs),
        links=[
            (f"{build}/{CURRENT}", f"{GENERATIONS}/{number}"),
            (f"{build}/{GENERATIONS}/{number}", f"../{STORE}/{root}"),
        ],
        states=[NOTHING if found is None else _numbers(found) for found, _ in inputs.values()],
    )


def begun(build: Path) -> int:
    """The time now, in nanoseconds, by the clock of the file system that `build` is on."""
    beside = _beside(build)
    beside.write_bytes(b"")
    return beside.stat().st_mtime_ns


def write(build: Path, new: Stamp) -> None:
    """Puts the stamp in its place. It is no loss if that fails: the next compile then looks at everything."""
    body = dumps(tuple(getattr(new, name) for name in Stamp.__slots__))
    with suppress(OSError):
        _beside(build).write_bytes(header() + crc32(body).to_bytes(4, "big") + body)
        _beside(build).replace(build / FRESH)


def _beside(build: Path) -> Path:
    return build / f"{FRESH}.{os.getpid()}"


def _numbers(found: os.stat_result) -> State:
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _stowplan() -> list[str]:
    """Every file and folder of Stowplan, templates and flag tables among them, and the folder of what it imports."""
    found = [sysconfig.get_path("purelib")]
    for folder, inner, files in os.walk(_PACKAGE):
        inner[:] = sorted(name for name in inner if name != "__pycache__")
        found += [folder, *(f"{folder}/{name}" for name in sorted(files))]
    return found
