"""Finding model folders below the roots.

A model folder holds config.json and safetensors weights (or the index of them, where a download broke
off). The search goes six levels deep, not into hidden folders, not into model folders, and does not
follow links to folders: one that stays inside the root leads to what is found anyway, one that leads
out of it is a warning. So is a folder whose name cannot be shown.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stowplan.discover.files import shown
from stowplan.discover.section import CONFIG
from stowplan.discover.weights import CONSOLIDATED_INDEX, INDEX, SUFFIX
from stowplan.words.diagnostic import Diagnostic, Place, error, warning

MAX_DEPTH = 6
_EVERY = 500


@dataclass(frozen=True, slots=True)
class Start:
    """Where a search begins: a root's name and real path, and a real folder in it."""

    root: str
    base: Path
    folder: Path

    def place(self, folder: Path) -> Place:
        """A folder below the root, shown as `root:path`."""
        return Place(f"{self.root}:{shown(folder.relative_to(self.base).as_posix())}")


def starts(roots: Mapping[str, Path], paths: Sequence[Path]) -> tuple[list[Start], list[Diagnostic]]:
    """Where to search: the given paths, else all roots; and what is wrong with them.

    A path that cannot be searched is an error, a root that cannot be a warning.
    """
    problems: list[Diagnostic] = []
    bases: dict[str, Path] = {}
    for name, folder in sorted(roots.items()):
        try:
            is_there = folder.is_dir()
        except OSError as problem:
            message = f"cannot read the root `{name}`, `{folder}`: {problem.strerror}"
            problems.append(warning("unreadable-file", message, Place(f"{name}:.")))
            continue
        if is_there:
            bases[name] = folder.resolve()
        elif not paths:
            message = f"the root `{name}` is not there: no folder `{folder}` on this machine"
            problems.append(warning("no-models", message, hint="mount it, or correct [roots] in the profile"))
    if not paths:
        return [Start(name, base, base) for name, base in bases.items()], problems
    found = []
    for path in paths:
        real = Path(os.path.realpath(path))  # Path.resolve raises on links in a circle
        holding = [(len(base.parts), name) for name, base in bases.items() if real.is_relative_to(base)]
        if not os.path.isdir(real):  # noqa: PTH112 - Path.is_dir raises where this user may not look
            hint = "give a model's folder, or a folder above models"
            problems.append(error("no-models", f"`{path}` is not a folder", hint=hint))
        elif not holding:
            known = ", ".join(f"{name} = {base}" for name, base in bases.items()) or "none on this machine"
            hint = f'add it under [roots] of the profile, as `models = "{real}"`'
            message = f"`{path}` lies below none of the profile's roots ({known})"
            problems.append(error("outside-roots", message, hint=hint))
        else:
            name = max(holding)[1]
            found.append(Start(name, bases[name], real))
    return found, problems


def model_folders(start: Start, problems: list[Diagnostic], progress: Callable[[str], None]) -> Iterator[Path]:
    """Every model folder at or below the start, sorted within each folder; problems are noted as met."""
    seen = 0
    waiting = [(start.folder, len(start.folder.relative_to(start.base).parts))]
    while waiting:
        folder, depth = waiting.pop()
        path = folder.relative_to(start.base).as_posix()
        if not path.isprintable():
            message = f"the folder `{shown(path)}` has a name that cannot be shown; it is left out"
            problems.append(warning("unsafe-path", message, start.place(folder), hint="rename or remove the folder"))
            continue
        seen += 1
        if seen % _EVERY == 0:
            progress(f"{seen} folders searched below {start.root}:")
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as problem:
            message = f"cannot list `{folder}`: {problem.strerror}"
            problems.append(warning("unreadable-file", message, start.place(folder)))
            continue
        if _is_model({entry.name for entry in entries}):
            yield folder
            continue
        inner = [entry for entry in entries if not entry.name.startswith(".") and _is_folder(entry)]
        for entry in inner:
            if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(start.base):
                message = f"`{shown(entry.name)}` is a link out of the root `{start.root}`; it is not followed"
                hint = "add the folder it leads to under [roots] of the profile"
                problems.append(warning("unsafe-path", message, start.place(Path(entry.path)), hint=hint))
        if depth < MAX_DEPTH:
            waiting += [(Path(entry.path), depth + 1) for entry in reversed(inner) if not entry.is_symlink()]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle, or to where this user may not look
        return False


def _is_model(names: set[str]) -> bool:
    held = any(name.endswith(SUFFIX) for name in names) or INDEX in names or CONSOLIDATED_INDEX in names
    return CONFIG in names and held
