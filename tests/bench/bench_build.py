"""A build of many models, as the real emitters and the real store write it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sources import planned
from stowplan.nouns.artifact import Build, profile_object, root_object
from stowplan.nouns.entry import Entry
from stowplan.nouns.profile import Profile
from stowplan.stages.emit import emit
from stowplan.store.lock import locked
from stowplan.store.publish import publish

PROFILE = "rtx"
ROLES = ("caption", "keywords", "description", "narration")


def entries(count: int, sampling: Mapping[str, Any]) -> tuple[Entry, ...]:
    """`count` models, each with five names, after one that the stages planned."""
    (first,) = planned({})
    return tuple(_model(first, number, sampling) for number in range(count))


def build_of(models: tuple[Entry, ...]) -> Build:
    """All outputs for them on one profile, in a build with an input for each."""
    profile: Profile = models[0].subject.profile
    profiles = {PROFILE: profile_object(PROFILE, emit(profile, models))}
    about = {
        "compiler": {"name": "stowplan", "version": "0.1.0"},
        "engines": {PROFILE: {"vllm": {"kind": "vllm", "version": "0.11.0"}}},
        "inputs": {f"models.d/{entry.subject.model}/{PROFILE}.toml": "0" * 64 for entry in models},
    }
    return Build(root_object(profiles, about), profiles)


def put(folder: Path, build: Build) -> int:
    """Publishes `build`. Out: its generation."""
    with locked(folder, timeout=None, waiting=print):
        return publish(folder, build, commit=None, changed=()).current


def _model(first: Entry, number: int, sampling: Mapping[str, Any]) -> Entry:
    model = f"model-{number * 7919 % 100_000:05d}-instruct"
    return replace(
        first,
        subject=replace(first.subject, model=model),
        name=f"{model}_(AWQ)",
        display_name=f"Model {model} Instruct, quantised",
        aliases=(f"org/{model}", f"short-{number}"),
        served_name=f"{model}-served",
        roles={ROLES[number % len(ROLES)]: number % 100},
        sampling=sampling,
    )
