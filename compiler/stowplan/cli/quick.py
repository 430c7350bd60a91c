"""`stowplan compile` where nothing changed: the answer of the last one, given again.

Most compiles find nothing to do. So this is asked first, and imports next to nothing; all but the plain form of
`compile` is left to the command line proper.
"""

import gc
import os
import sys

from stowplan.cli.colour import is_coloured
from stowplan.store import fresh

BUILD = "build"
OPTIONS = frozenset(("--strict", "--allow-nearest", "--allow-unfit"))
"""What a stamp can have been asked: everything by which an answer in words can differ."""


def answer(arguments: list[str]) -> bool:
    """Answers those arguments if the last stamp holds; says whether it did. It changes nothing but the stamp."""
    folder, rest = (arguments[1], arguments[2:]) if arguments[:1] == ["-C"] and len(arguments) > 1 else (".", arguments)
    if rest[:1] != ["compile"] or not OPTIONS.issuperset(rest[1:]) or "_STOWPLAN_COMPLETE" in os.environ:
        return False
    return again(folder, rest[1:])


def again(folder: str, asked: list[str]) -> bool:
    """The same for a compile of the project in `folder`, with the options `asked`."""
    try:
        here = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    gc.disable()  # a stamp of a large project is many small objects, all of which stay
    try:
        os.chdir(folder)
        return _answer(tuple(sorted(set(asked))))
    except OSError:  # a folder or a stream that is not there: who can say so well is asked
        return False
    finally:
        gc.enable()
        os.fchdir(here)
        os.close(here)


def _answer(asked: tuple[str, ...]) -> bool:
    """The same, in the project's folder."""
    stamp = fresh.read(BUILD)
    if stamp is None or stamp.asked != asked or not (os.path.isdir("models.d") and os.path.isdir("profiles")):  # noqa: PTH112
        return False
    touched = fresh.touched(stamp)
    if touched is None or (touched and not _is_the_same(stamp, touched)):
        return False
    out, plain, coloured = stamp.answer
    if sys.stdout is None or sys.stderr is None:
        return False
    sys.stderr.write(coloured if is_coloured(sys.stderr.isatty()) else plain)
    sys.stdout.write(out)
    sys.stdout.flush()
    return True


def _is_the_same(stamp: fresh.Stamp, touched: list[int]) -> bool:
    """Whether what was touched holds what it held. If so, it is not looked into again."""
    from pathlib import Path

    from stowplan.store.stamp import begun, write

    stamp.begun = begun(Path(BUILD))
    if not fresh.same_content(stamp, touched):
        return False
    write(Path(BUILD), stamp)
    return True
