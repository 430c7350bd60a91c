"""Moving engines to another version: what in profiles and overlays says which version it is, and the edits that
say another."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from stowplan.edit.document import Document
from stowplan.edit.plain import MISSING, at
from stowplan.nouns.profile import Engine, Profile
from stowplan.nouns.project import Fleet, State, Subject
from stowplan.words.keypath import KeyPath

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Setting:
    """What is to stand at `key` of `file`, whether or not there is something yet."""

    file: str
    key: KeyPath
    value: Any


def with_settings(source: bytes, settings: Iterable[Setting]) -> bytes:
    """`source`, a TOML file, with `settings` in it; every other byte stays. Raises ValueError."""
    mark, text = (_BOM, source[3:]) if source.startswith(_BOM) else (b"", source)
    document = Document(text.decode())
    for setting in settings:
        if at(document.values, setting.key) is MISSING:
            document.add(setting.key, setting.value)
        else:
            document.replace(setting.key, setting.key, setting.value)
    return mark + document.text.encode()


def moved_pins(fleet: Fleet, kind: str, version: str, profiles: Collection[str] | None = None) -> list[Setting]:
    """The edits that pin engine `kind` to `version` wherever a profile (one of `profiles`, None: any) pins another.

    The version is edited where it stands, so a profile that takes it from the one it extends follows that.
    An executable whose path names the old version names the new one, in each profile that follows.
    """
    settings: dict[tuple[str, KeyPath], Setting] = {}
    for profile, engine in _pinned(fleet, kind, profiles):
        old = engine.version.value
        if old == version:
            continue
        found = [Setting(engine.version.origin.file, engine.version.origin.key, version)]
        executable = renumbered(engine.executable.value, old, version)
        if executable != engine.executable.value:
            found.append(_executable(profile, engine, executable))
        settings |= {(setting.file, setting.key): setting for setting in found}
    return list(settings.values())


def moved_model(fleet: Fleet, subject: Subject, engine: Engine, version: str) -> tuple[str, list[Setting]]:
    """The label and the edits by which `subject`, which `engine` serves, is served by that kind's `version`.

    A profile without such an engine gets one beside the old. If it had just one, the overlays that named none
    say which was meant from then on.
    """
    profile = subject.profile
    for label, other in profile.engines.items():
        if (other.kind, other.version.value) == (engine.kind, version):
            return label, [Setting(subject.file, ("engine",), label)]
    label = _label(profile, engine.kind, version)
    executable = renumbered(engine.executable.value, engine.version.value, version)
    table = {"kind": engine.kind, "version": version, "executable": executable}
    settings = [Setting(profile.file, ("engine", label), table), Setting(subject.file, ("engine",), label)]
    if len(profile.engines) == 1:
        settings += [
            Setting(other.file, ("engine",), engine.label)
            for other in fleet.subjects
            if profile.name in other.profile.names
            and other.file != subject.file
            and other.state is not State.STUB
            and other.value("engine") is None
        ]
    return label, list({(setting.file, setting.key): setting for setting in settings}.values())


def renumbered(executable: str, old: str, new: str) -> str:
    """A path that names version `old`, naming `new`; the same path if it does not."""
    return re.sub(rf"(?<![0-9.]){re.escape(old)}(?![0-9]|\.[0-9])", lambda _: new, executable)


def _pinned(fleet: Fleet, kind: str, profiles: Collection[str] | None) -> Iterator[tuple[Profile, Engine]]:
    files = None if profiles is None else {f"profiles/{name}.toml" for name in profiles}
    for profile in fleet.profiles.values():
        for engine in profile.engines.values():
            if engine.kind == kind and (files is None or engine.version.origin.file in files):
                yield profile, engine


def _executable(profile: Profile, engine: Engine, executable: str) -> Setting:
    """Where it stands, unless that is a profile whose version stays."""
    origin = engine.executable.origin
    is_shared = engine.version.origin.file == profile.file != origin.file
    return Setting(profile.file if is_shared else origin.file, origin.key, executable)


def _label(profile: Profile, kind: str, version: str) -> str:
    """`vllm-0-33`, or as much of the version as it takes to be new."""
    numbers = re.findall(r"[0-9A-Za-z]+", version)
    labels = ["-".join((kind, *numbers[:count])) for count in range(min(2, len(numbers)), len(numbers) + 1)]
    free = (label for label in labels if label not in profile.engines)
    return next(free, labels[-1] + "-new")
