"""Projects in memory: a sound one to start from, its files as TOML, and the stages run over it."""

import datetime
import json
from collections.abc import Iterable, Mapping
from typing import Any

from stowplan.nouns.entry import Entry
from stowplan.nouns.facts import Context, Facts, Location, ModelSource, Template, Weights, write
from stowplan.nouns.project import Fleet, Project, Subject
from stowplan.stages.check import check
from stowplan.stages.load import load
from stowplan.stages.merge import merge
from stowplan.stages.plan import plan
from stowplan.words.diagnostic import Diagnostic, has_errors
from stowplan.words.keypath import KeyPath, format_key

Sources = dict[str, bytes]

PROFILE = "profiles/rtx.toml"
FACTS = "models.d/qwen/discovered.json"
BASE = "models.d/qwen/base.toml"
OVERLAY = "models.d/qwen/rtx.toml"

PROFILE_TEXT = """\
[gpu]
memory = "16376 MiB"
capability = "8.9"
[engine.vllm]
version = "0.33.0"
executable = "/opt/vllm/bin/vllm"
[roots]
weights = "/srv/weights"
[serving]
bind = "127.0.0.1"
ports = "24001-24010"
"""

TEMPLATE = Template(file="chat_template.jinja", kind="jinja", sha256="a" * 64)


def facts(path: str = "Qwen/Qwen3-8B", **changes: Any) -> bytes:
    """A sealed discovered.json of a model below the root `weights`."""
    known: dict[str, Any] = {
        "source": ModelSource(provider="huggingface", repo=path),
        "location": Location(root="weights", path=path),
        "weights": Weights(format="safetensors", bytes=1000, headers_sha256="b" * 64),
        "context": Context(tokens=40960, evidence="config.json: max_position_embeddings = 40960"),
        "license": "apache-2.0",
    }
    return write(Facts(**{**known, **changes}))


def sources(files: Mapping[str, str | bytes | None] | None = None) -> Sources:
    """A sound project of one model on one profile, with `files` put in, or taken out where None."""
    whole: dict[str, str | bytes | None] = {
        PROFILE: PROFILE_TEXT,
        FACTS: facts(),
        BASE: "",
        OVERLAY: "[vllm]\nmax-model-len = 4096\n",
        **(files or {}),
    }
    return {
        file: content.encode() if isinstance(content, str) else content
        for file, content in sorted(whole.items())
        if content is not None
    }


def examined(given: Mapping[str, bytes]) -> tuple[Project, Fleet, list[Diagnostic]]:
    """What load, merge and check make of `given`."""
    project, malformed = load(given)
    fleet, unmerged = merge(project)
    return project, fleet, [*malformed, *unmerged, *check(project, fleet)]


def found(files: Mapping[str, str | bytes | None]) -> list[Diagnostic]:
    """Every problem of the sound project with `files` put in."""
    return examined(sources(files))[2]


def merged(files: Mapping[str, str | bytes | None], name: str = "qwen/rtx") -> Subject:
    """One subject of the sound project with `files` put in."""
    fleet = examined(sources(files))[1]
    return next(subject for subject in fleet.subjects if subject.name == name)


def planned(files: Mapping[str, str | bytes | None], profile: str = "rtx") -> tuple[Entry, ...]:
    """The entries of one profile; `files` must make a project without errors."""
    _, fleet, problems = examined(sources(files))
    assert not has_errors(problems), problems
    return plan(fleet)[profile]


def brief(problems: Iterable[Diagnostic]) -> list[tuple[str, str, KeyPath]]:
    """Each problem as (id, file, key)."""
    return [(p.id, p.at.file, p.at.key) if p.at is not None else (p.id, "", ()) for p in problems]


def toml(table: Mapping[str, Any]) -> str:
    """`table` as TOML, one key a line in the order given, what is inside written inline."""
    return "".join(f"{format_key(key)} = {_inline(value)}\n" for key, value in table.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{format_key(key)} = {_inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, str):
        return '"' + format_key("." + value)[2:]  # a dot is never bare, so this is a quoted string
    if isinstance(value, float | datetime.date | datetime.time):
        return str(value)
    return json.dumps(value)
