"""Every launch for vLLM 0.32.0 that the projects of this repository compile to.

The projects are models.d here, those of examples/, and every case of tests/cases; the cases, which are about other
things, pin 0.11.0 mostly, and are compiled as if they pinned 0.32.0 as well. What does not compile emits nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from e2e.engine import REPOSITORY
from sources import examined
from stowplan.inputs.disk import read
from stowplan.nouns.facts import Facts, write
from stowplan.stages.plan import plan
from stowplan.words.diagnostic import has_errors

VERSION = "0.32.0"
CASES = REPOSITORY / "tests/cases"
SOUND = CASES / "a-sound-project"
Sources = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Emitted:
    """A launch: where it comes from, the command line less the executable, its variables, the model's facts."""

    name: str
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    facts: Facts


def emitted() -> list[Emitted]:
    """All of them, the first of those that say the same for the same model."""
    once: dict[object, Emitted] = {}
    for name, sources in _projects():
        for launch in _launches(name, sources):
            once.setdefault((launch.argv, launch.env, write(launch.facts)), launch)
    return list(once.values())


def _projects() -> Iterator[tuple[str, Sources]]:
    yield "models.d", read(REPOSITORY)[0]
    for folder in sorted((REPOSITORY / "examples").iterdir()):
        if (folder / "profiles").is_dir():
            yield f"examples/{folder.name}", read(folder)[0]
    sound = read(SOUND)[0]
    for folder in sorted(path for path in CASES.iterdir() if path.is_dir()):
        gone = (folder / "gone").read_text(encoding="utf-8").split() if (folder / "gone").exists() else []
        kept = {file: text for file, text in sound.items() if not any(_is_below(file, path) for path in gone)}
        whole = {**kept, **read(folder)[0], **read(folder / "later")[0]}
        yield folder.name, whole
        yield f"{folder.name} on {VERSION}", {file: _pinned(file, text) for file, text in whole.items()}


def _is_below(file: str, path: str) -> bool:
    return file == path or file.startswith(path.rstrip("/") + "/")


def _pinned(file: str, text: bytes) -> bytes:
    if not file.startswith("profiles/"):
        return text
    return re.sub(rb'^version = ".*?"', f'version = "{VERSION}"'.encode(), text, flags=re.MULTILINE)


def _launches(name: str, sources: Sources) -> Iterator[Emitted]:
    _, fleet, problems = examined(sources)
    if has_errors(problems):
        return
    for profile, entries in plan(fleet).items():
        for entry in entries:
            launch, facts = entry.launch, entry.subject.facts
            if launch is not None and facts is not None and launch.version == VERSION:
                env = tuple((variable.name, variable.value) for variable in launch.env)
                yield Emitted(f"{name}: {entry.name}/{profile}", tuple(launch.argv[1:]), env, facts)
