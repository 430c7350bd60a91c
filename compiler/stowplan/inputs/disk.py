"""The inputs as they lie in the working tree."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from stowplan.inputs import FOLDERS, NESTED, Sources, is_input, leads_to_inputs, link, too_large, unreadable
from stowplan.words.diagnostic import Diagnostic


def read(project: Path) -> tuple[Sources, list[Diagnostic]]:
    """Every input file of `project`; what cannot be read is a diagnostic, not a hole."""
    sources: Sources = {}
    problems: list[Diagnostic] = []
    for name in sorted(_names(project, problems)):
        content = _content(project / name, name)
        if isinstance(content, Diagnostic):
            problems.append(content)
        else:
            sources[name] = content
    return sources, problems


def _names(project: Path, problems: list[Diagnostic]) -> Iterator[str]:
    folders = list(FOLDERS)
    for folder in folders:  # it grows by the folders in them
        for entry in _entries(project, folder, problems):
            name = f"{folder}/{entry.name}"
            if entry.is_symlink():
                if leads_to_inputs(name):
                    problems.append(link(name))
            elif folder in NESTED and entry.is_dir(follow_symlinks=False):
                folders.append(name)
            elif is_input(name):
                yield name


def _entries(project: Path, folder: str, problems: list[Diagnostic]) -> list[os.DirEntry[str]]:
    path = project / folder
    if path.is_symlink():
        problems.append(link(folder))
        return []
    try:
        with os.scandir(path) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as problem:
        problems.append(unreadable(folder, problem.strerror or str(problem)))
        return []


def _content(path: Path, name: str) -> bytes | Diagnostic:
    try:
        # O_NONBLOCK: opening a pipe that nobody writes must not wait for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                return unreadable(name, "it is not a regular file")
            return too_large(name, state.st_size) or file.read()
    except OSError as problem:
        return unreadable(name, problem.strerror or str(problem))
