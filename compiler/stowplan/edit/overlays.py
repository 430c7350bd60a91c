"""Starting the overlays of a profile: stubs, or copies of another profile's, less what cannot hold there."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from stowplan.edit.stubs import stub
from stowplan.fit.constants import knows
from stowplan.fit.sense import sensible
from stowplan.fit.settings import settings
from stowplan.fit.subject import Question
from stowplan.nouns.facts import Facts
from stowplan.nouns.overlay import EXTERNAL
from stowplan.nouns.profile import Profile
from stowplan.nouns.project import Document, Model, Project
from stowplan.words.layered import Leaf, Tree, find, plain


@dataclass(frozen=True, slots=True)
class Started:
    """An overlay that was made: its path relative to the project, and what of the old one was left out."""

    file: str
    left_out: tuple[str, ...] = ()


def start_overlays(
    project: Path, loaded: Project, models: Collection[str], profile: Profile, old: str | None
) -> list[Started]:
    """Write `<profile>.toml` for each of `models` (folders; none: all) that has none.

    `old` names the profile whose overlays are copied; a model without one there is left alone. Without
    `old` a model with facts gets a stub. What has the file's name, a link that leads nowhere included, stays.
    Raises OSError.
    """
    started = []
    for name, model in sorted(loaded.models.items()):
        path = project / "models.d" / name / f"{profile.name}.toml"
        is_meant = not models or name in models
        if not is_meant or any(other in model.overlays for other in profile.names) or os.path.lexists(path):
            continue
        made = _stub(model, profile) if old is None else _copy(project, model.overlays.get(old), profile)
        if made is not None:
            text, left_out = made
            with path.open("x", encoding="utf-8", newline="") as file:
                file.write(text)
            started.append(Started(path.relative_to(project).as_posix(), left_out))
    return started


def _stub(model: Model, profile: Profile) -> tuple[str, tuple[str, ...]] | None:
    if model.facts is None:
        return None
    label = next(iter(sorted(profile.engines)), "vllm")
    return stub(model.facts.facts, profile.name, label, fits(model.facts.facts, profile, label)), ()


def fits(facts: Facts, profile: Profile, label: str) -> Question | None:
    """The question whether a model fits as the profile's defaults have it; None where nothing is known of its engine.

    `label` is one of the profile's `[engine.<label>]`.
    """
    engine = profile.engines.get(label)
    if engine is None or not knows(engine.kind):
        return None
    flags, env = (find(profile.tree, ("defaults", name)) for name in (engine.kind, "env"))
    asked = settings(_plain(flags), _plain(env))
    return Question(sensible(facts), asked, profile.gpu, engine.version.value, engine.kind)


def _plain(node: Leaf | Tree | None) -> dict[str, Any]:
    return plain(node) if isinstance(node, dict) else {}


def _copy(project: Path, overlay: Document | None, profile: Profile) -> tuple[str, tuple[str, ...]] | None:
    """The old overlay's text, comments, line ends and all, less the port and engine that the new profile has not."""
    if overlay is None:
        return None
    with (project / overlay.file).open(encoding="utf-8-sig", newline="") as file:
        document = tomlkit.parse(file.read())
    left_out = []
    port, engine = document.get("port"), document.get("engine")
    if engine != EXTERNAL and isinstance(port, int) and not _has_port(profile, port):
        left_out.append(f"without `port = {port}`, which {profile.name} has not")
        document.remove("port")
    if isinstance(engine, str) and engine != EXTERNAL and engine not in profile.engines:
        left_out.append(f'without `engine = "{engine}"`, which {profile.name} has not')
        document.remove("engine")
    return tomlkit.dumps(document), tuple(left_out)


def _has_port(profile: Profile, port: int) -> bool:
    return profile.ports is None or profile.ports[0] <= port <= profile.ports[1]
