"""What the reader's tests share: small builds whose entries all carry one mark, and patience."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from emit_projects import entries_of
from sources import facts, sources
from stowplan.fit import remembered
from stowplan.nouns.artifact import Artifact, Build, profile_object, root_object
from stowplan.nouns.entry import Entry
from stowplan.nouns.profile import Profile
from stowplan.stages.emit import piece, registry, roles, vllm_script
from stowplan.store.publish import publish

QWEN, LLAVA = "qwen_(AWQ)", "llava_7b_(Q4)"

FILES: dict[str, str | bytes | None] = {
    "models.d/qwen/discovered.json": facts(capabilities={"text": "architectures", "vision": "vision_config"}),
    "models.d/qwen/base.toml": f'name = "{QWEN}"\ndisplay-name = "Qwen, quantised"\naliases = ["Qwen-VL"]\n'
    "roles = { caption = 50, keywords = 90 }\n",
    "models.d/qwen/rtx.toml": '[env]\nVLLM_LOGGING_LEVEL = "DEBUG"\n',
    "models.d/llava/base.toml": f'name = "{LLAVA}"\nroles = {{ caption = 90 }}\n',
    "models.d/llava/rtx.toml": 'engine = "external"\nport = 11434\n'
    '[external]\nbackend = "ollama"\nmodel = "llava:7b"\nhost = "fd00::1"\n',
}
"""One model that is launched, one that something else serves."""


@cache
def models() -> tuple[Profile, tuple[Entry, ...]]:
    """The models of FILES as the stages plan them."""
    return entries_of(sources(FILES), "rtx")


def marked(mark: int) -> tuple[Artifact, ...]:
    """A profile's outputs in which every entry's sampling says `mark`, and so does a role."""
    profile, entries = models()
    now = tuple(replace(entry, sampling={"mark": mark}, roles={**entry.roles, f"mark-{mark}": 1}) for entry in entries)
    pieces = [piece(profile, entry, remembered.of(entry.subject)) for entry in now]
    return tuple(artifact for emitter in (registry, roles, vllm_script) for artifact in emitter.artifacts(pieces))


def a_build(mark: int, *profiles: str) -> Build:
    """A build of these profiles, `rtx` where none is named; the mark of each next one is higher by 1000."""
    objects = {
        name: profile_object(name, marked(mark + 1000 * place)) for place, name in enumerate(profiles or ("rtx",))
    }
    return Build(root_object(objects, {"compiler": {"name": "stowplan", "version": "0.1.0"}}), objects)


def put(folder: Path, build: Build) -> int:
    """Publishes `build`. Out: the generation that is current then."""
    return publish(folder, build, commit=None, changed=()).current


def wait_until(what: Callable[[], object], seconds: float = 10.0) -> None:
    """Returns when `what()` holds; fails if it does not for so long."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.01)
