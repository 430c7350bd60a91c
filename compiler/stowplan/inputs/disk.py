"""The inputs as they lie in the working tree."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stowplan.inputs import FOLDERS, Sources, is_input, is_nested, leads_to_inputs, link, too_large, unreadable
from stowplan.words.diagnostic import Diagnostic


@dataclass(frozen=True, slots=True)
class Seen:
    """What was looked at: `state` from before it was read, None if it was not there; of a folder, the names in it."""

    state: os.stat_result | None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Survey:
    """Every input file, what could not be read, and all files and folders that were looked at, by path."""

    sources: Sources
    problems: list[Diagnostic]
    seen: dict[str, Seen] = field(default_factory=dict)


def read(project: Path) -> tuple[Sources, list[Diagnostic]]:
    """Every input file of `project`; what cannot be read is a diagnostic, not a hole."""
    found = survey(project)
    return found.sources, found.problems


def survey(project: Path) -> Survey:
    """The same, with what was looked at."""
    found = Survey({}, [])
    for name in sorted(_names(project, found)):
        content = _content(project / name, name, found)
        if isinstance(content, Diagnostic):
            found.problems.append(content)
        else:
            found.sources[name] = content
    return found


def _names(project: Path, found: Survey) -> Iterator[str]:
    folders = list(FOLDERS)
    for folder in folders:  # it grows by the folders in them
        for entry in _entries(project, folder, found):
            name = f"{folder}/{entry.name}"
            if entry.is_symlink():
                if leads_to_inputs(name):
                    found.problems.append(link(name))
            elif entry.is_dir(follow_symlinks=False) and is_nested(name):
                folders.append(name)
            elif is_input(name):
                yield name


def _entries(project: Path, folder: str, found: Survey) -> list[os.DirEntry[str]]:
    path = project / folder
    try:
        state = path.lstat()
        if stat.S_ISLNK(state.st_mode):
            found.problems.append(link(folder))
            return []
        with os.scandir(path) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        found.seen[folder] = Seen(None)
        return []
    except OSError as problem:
        found.problems.append(unreadable(folder, problem.strerror or str(problem)))
        return []
    found.seen[folder] = Seen(state, tuple(entry.name for entry in listed))
    return listed


def _content(path: Path, name: str, found: Survey) -> bytes | Diagnostic:
    try:
        # O_NONBLOCK: opening a pipe that nobody writes must not wait for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                return unreadable(name, "it is not a regular file")
            found.seen[name] = Seen(state)
            return too_large(name, state.st_size) or file.read()
    except OSError as problem:
        return unreadable(name, problem.strerror or str(problem))
