"""The inputs as they lie in the working tree."""

import os
import stat
from pathlib import Path

from stowplan.inputs import PATTERNS, Sources, too_large
from stowplan.words.diagnostic import Diagnostic, Place, error


def read(project: Path) -> tuple[Sources, list[Diagnostic]]:
    """Every input file of `project`; what cannot be read is a diagnostic, not a hole."""
    sources: Sources = {}
    problems: list[Diagnostic] = []
    for path in sorted(path for pattern in PATTERNS for path in project.glob(pattern)):
        name = path.relative_to(project).as_posix()
        content = _content(path, name)
        if isinstance(content, Diagnostic):
            problems.append(content)
        else:
            sources[name] = content
    return sources, problems


def _content(path: Path, name: str) -> bytes | Diagnostic:
    try:
        # O_NONBLOCK: opening a pipe that nobody writes must not wait for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                return _unreadable(name, "it is not a regular file")
            if (problem := too_large(name, state.st_size)) is not None:
                return error("unreadable-file", problem, Place(name))
            return file.read()
    except OSError as problem:
        return _unreadable(name, problem.strerror or str(problem))


def _unreadable(name: str, reason: str) -> Diagnostic:
    return error("unreadable-file", f"cannot read `{name}`: {reason}", Place(name))
