"""discover: from folders on disk to what models.d should hold. Computing and writing are apart."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stowplan.discover.files import Folder, shown
from stowplan.discover.folder import facts as facts_of
from stowplan.discover.known import known_models
from stowplan.discover.match import Known, match
from stowplan.discover.scan import Start, model_folders, starts
from stowplan.nouns.facts import Facts, Location
from stowplan.nouns.facts import write as sealed
from stowplan.words.diagnostic import Diagnostic, Place, error, has_errors, note, warning
from stowplan.words.durable import replace_file

What = Literal["new", "changed", "moved", "unchanged"]
MODELS, FACTS_FILE = "models.d", "discovered.json"


@dataclass(frozen=True, slots=True)
class Discovered:
    """One model on disk: its name, its discovered.json (relative to the project), and what happened to it."""

    name: str
    file: str
    content: bytes
    what: What
    facts: Facts


@dataclass(frozen=True, slots=True)
class Stub:
    """An overlay to be started: its path relative to the project, and its text."""

    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Discovery:
    """All that a scan found. `absent` are models whose facts are known and whose folder is not here.

    `searched` is False where a path to search is none: then nothing was read.
    """

    models: tuple[Discovered, ...] = ()
    absent: tuple[str, ...] = ()
    stubs: tuple[Stub, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    searched: bool = True

    @property
    def differs(self) -> bool:
        """Whether any discovered.json is not what the disk says."""
        return any(model.what != "unchanged" for model in self.models)


def silent(_: str) -> None:
    """Progress that nobody wants to see."""


def discover(
    project: Path,
    profile: str,
    roots: Mapping[str, Path],
    *,
    stub: Callable[[Facts], str],
    paths: Sequence[Path] = (),
    overlay_names: Sequence[str] = (),
    progress: Callable[[str], None] = silent,
) -> Discovery:
    """What scanning finds; nothing is written.

    `roots` are the profile's, `paths` narrow the scan to folders below them. `stub` makes the text of
    a missing overlay; a model has one if a file of the profile or of `overlay_names` (the profile it
    extends) exists. `progress` gets a line now and then.
    """
    begin, problems = starts(roots, paths)
    if has_errors(problems):
        return Discovery(diagnostics=tuple(problems), searched=False)
    found = _read(begin, problems, progress)
    known = known_models(project / MODELS)
    places = {name: model.location for name, model in known.items() if model.location is not None}
    occupied = {location for location in places.values() if _exists(location, roots)}
    matched = match(found, known, occupied)
    folders = (MODELS, *(f"{MODELS}/{name}" for name in sorted(matched)))
    links = [folder for folder in folders if (project / folder).is_symlink()]
    problems += map(_link, links)
    models = tuple(
        _discovered(project, name, facts, known.get(name))
        for name, facts in sorted(matched.items())
        if MODELS not in links and f"{MODELS}/{name}" not in links
    )
    missing = {name: places[name] for name in sorted(places.keys() - matched)}
    gone = {name: location for name, location in missing.items() if location not in occupied}
    absent = {name: location for name, location in gone.items() if _was_searched(location, begin)}
    problems += [_absence(name, location) for name, location in absent.items()]
    if begin and not models and not problems:
        where = ", ".join(start.place(start.folder).file for start in begin)
        message = f"no model folder (config.json beside safetensors) below {where}"
        problems.append(warning("no-models", message))
    overlays = {profile, *overlay_names}
    stubs = tuple(
        Stub(f"{MODELS}/{model.name}/{profile}.toml", stub(model.facts))
        for model in models
        if not any(os.path.lexists(project / MODELS / model.name / f"{name}.toml") for name in overlays)
    )
    return Discovery(models, tuple(absent), stubs, tuple(dict.fromkeys(problems)))


def write(project: Path, discovery: Discovery) -> None:
    """Write what changed: facts whole or not at all, stubs only where no file is. Raises OSError."""
    for model in discovery.models:
        if model.what != "unchanged":
            replace_file(project / model.file, model.content)
    for stub in discovery.stubs:
        path = project / stub.file
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), path.open("x", encoding="utf-8") as file:
            file.write(stub.text)


def _read(begin: Sequence[Start], problems: list[Diagnostic], progress: Callable[[str], None]) -> list[Facts]:
    """The facts of every sound model folder, by location; a folder that two roots reach counts once."""
    found: dict[Path, Facts] = {}
    seen: set[Path] = set()
    for start in sorted(begin, key=lambda start: (-len(start.base.parts), start.root, start.folder)):
        for real in model_folders(start, problems, progress):
            if real in seen:
                continue
            seen.add(real)
            folder = Folder(start.root, start.base, real.relative_to(start.base).as_posix())
            progress(f"reading {folder.root}:{folder.path}")
            facts = _facts(folder)
            problems += folder.problems
            if facts is not None:
                found[real] = facts
    return sorted(found.values(), key=lambda facts: (facts.location.root, facts.location.path))


def _facts(folder: Folder) -> Facts | None:
    try:
        return facts_of(folder)
    except OSError as problem:  # a folder that may be listed and not entered, a disk that fails
        message = f"cannot read `{shown(str(problem.filename or folder.real))}`: {problem.strerror}"
        folder.problems.append(error("unreadable-file", message, folder.place("")))
        return None


def _discovered(project: Path, name: str, facts: Facts, known: Known | None) -> Discovered:
    file = f"{MODELS}/{name}/{FACTS_FILE}"
    content = sealed(facts)
    what: What = "changed"
    if known is None or not (project / file).is_file():
        what = "new"
    elif (project / file).read_bytes() == content:
        what = "unchanged"
    elif known.location is not None and known.location != facts.location:
        what = "moved"
    return Discovered(name, file, content, what, facts)


def _exists(location: Location, roots: Mapping[str, Path]) -> bool:
    try:
        return location.root in roots and (roots[location.root] / location.path).exists()
    except OSError:  # this user may not look, so nobody can say that it is gone
        return True


def _was_searched(location: Location, begin: Sequence[Start]) -> bool:
    """Whether the search would have come by that location."""
    return any(s.root == location.root and (s.base / location.path).is_relative_to(s.folder) for s in begin)


def _link(name: str) -> Diagnostic:
    """What is said of a link in the place of models.d or a folder of it: nothing is written through one."""
    message = f"cannot read `{name}`: it is a link; inputs are plain files in plain folders"
    return error("unreadable-file", message, Place(name))


def _absence(name: str, location: Location) -> Diagnostic:
    place = Place(f"{MODELS}/{name}/{FACTS_FILE}", ("location", "path"))
    where = f"{location.root}:{location.path}"
    message = f"`{name}` is not on this machine: nothing at {where}; its facts stay"
    return note("weights-absent", message, place)
