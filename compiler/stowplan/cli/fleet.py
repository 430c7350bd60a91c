"""Which servers a profile has or had, and which of them SUBJECT means: as published, whatever the working tree says."""

import difflib
import json
import os
from pathlib import Path

from stowplan.cli.workspace import Workspace
from stowplan.read.profile import VARIABLE, choose
from stowplan.read.registry import REGISTRY, Row, UnreadableBuildError, manifest
from stowplan.read.subject import UnknownSubjectError, split
from stowplan.servers.find import survey
from stowplan.servers.server import Server, servers
from stowplan.store.generations import current, digests
from stowplan.store.layout import STORE
from stowplan.store.verify import profiles_of
from stowplan.words.names import fold


def profile_meant(workspace: Workspace, named: str | None) -> str:
    """The profile that is meant, of those that are published. Raises ProfileNotChosenError, UnreadableBuildError."""
    published = manifest(workspace.build / "current").get("profiles", {})
    return choose(workspace.build, named, os.environ.get(VARIABLE), published)


def server_meant(workspace: Workspace, subject: str, named: str | None = None) -> tuple[tuple[Server, ...], Server]:
    """The profile's servers and the one that SUBJECT means. Raises UnknownSubjectError, ProfileNotChosenError."""
    model, own = split(subject)
    profile = profile_meant(workspace, own or named)
    fleet = fleet_of(workspace, profile)
    names = {fold(name): server for server in reversed(fleet) for name in reversed(server.names)}
    if (found := names.get(fold(model))) is not None:
        return fleet, found
    close = [names[name].model for name in difflib.get_close_matches(fold(model), names, n=1)]
    hint = f"did you mean `{close[0]}`?" if close else "`stowplan status` lists those that it has"
    raise UnknownSubjectError(f"profile `{profile}` starts no model that is called `{model}`; {hint}")


def fleet_of(workspace: Workspace, profile: str) -> tuple[Server, ...]:
    """Every server that a profile has or had, as it was published. Raises UnreadableBuildError."""
    build, now = workspace.build, current(workspace.build)
    folders = {number: (build / "generations" / str(number) / profile).resolve() for number in digests(build)}
    rows = {folder: _rows(folder) for folder in set(folders.values())}
    known = {number: (folder, found) for number, folder in folders.items() if (found := rows[folder]) is not None}
    if now not in known:
        raise UnreadableBuildError(f"the registry of `{profile}` cannot be read; `stowplan compile` makes it anew")
    return servers(known, now)


def generations_in_use(build: Path) -> set[int]:
    """Of each launch that runs, the newest generation that has it. Raises `StoreError`."""
    roots, now = digests(build), current(build)
    linked = {number: profiles_of(build, root) for number, root in roots.items()}
    found = set()
    for profile in sorted({name for profiles in linked.values() for name in profiles}):
        folders = {number: build / STORE / of[profile] for number, of in linked.items() if profile in of}
        rows = {folder: _rows(folder) for folder in set(folders.values())}
        known = {number: (folder, read) for number, folder in folders.items() if (read := rows[folder]) is not None}
        for sight in survey(servers(known, now or 0)):
            launches = (sight.server.launched(running.leader.launch) for running in sight.running)
            found |= {launched.generation for launched in launches if launched is not None}
    return found


def _rows(folder: Path) -> tuple[Row, ...] | None:
    """The registry in a profile's folder; None where there is none, as in generations before the profile."""
    try:
        return tuple(json.loads((folder / REGISTRY).read_bytes()))
    except (OSError, ValueError):
        return None
