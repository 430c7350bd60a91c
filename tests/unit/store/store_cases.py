"""What the store's tests share: small builds, a look at what is current, and disks that fail at a chosen step."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from stowplan.nouns.artifact import Artifact, Build, profile_object, root_object
from stowplan.store import disk, generations, objects, verify

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where a file system in memory is, for tests that make and remove hundreds of trees; None for the usual place."""

SHARED = profile_object("shared", (Artifact("model_registry.json", b"[]\n"),))
"""A profile that all builds here have in common."""


def a_build(mark: str, extra_files: int = 0) -> Build:
    """A build of two profiles; another `mark`, another digest."""
    files = (
        Artifact("model_registry.json", f"[{mark!r}]\n".encode()),
        Artifact("launch/model.sh", f"#!/bin/bash\necho {mark}\n".encode(), executable=True),
        Artifact("schema/deep/overlay.json", b"{}"),
        *(Artifact(f"many/{number}", b"") for number in range(extra_files)),
    )
    profiles = {"card": profile_object("card", files), "shared": SHARED}
    return Build(root_object(profiles, {"inputs": {"mark": mark}}), profiles)


A, B, C = a_build("a"), a_build("b"), a_build("c")


def current_build(build: Path) -> str | None:
    """The digest of the current build, seen to be whole through the links that a consumer follows."""
    number = generations.current(build)
    if number is None:
        return None
    digest = generations.digest_of_generation(build, number)
    assert verify.build_differences(build, digest) == []
    assert (build / "current").resolve() == (build / "store" / digest).resolve()
    assert (build / "current/card/model_registry.json").read_bytes().startswith(b"[")
    return digest


def leftovers(build: Path) -> set[str]:
    """Temporary trees and links."""
    return {path.name for pattern in ("store/.tmp-*", ".*.new") for path in build.glob(pattern)}


STEPS = (
    "open",
    "write",
    "close",
    "fsync",
    "fchmod",
    "chmod",
    "mkdir",
    "symlink",
    "rename",
    "replace",
    "unlink",
    "sync",
)
"""The calls of `os` by which the store changes a disk, or makes a change last."""


@contextmanager
def each_step(before: Callable[[int], None], after: Callable[[int], None] = lambda _: None) -> Iterator[list[str]]:
    """Calls `before` and `after` around every step, with its number from 1. Out: the names of the steps so far."""
    seen: list[str] = []

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **named: Any) -> Any:
            seen.append(name)
            number = len(seen)
            before(number)
            result = real(*args, **named)
            after(number)
            return result

        return step

    places = [*((os, name) for name in STEPS), (disk, "_exchange"), (objects, "sync_filesystem")]
    with ExitStack() as patches:
        for place, name in places:
            patches.enter_context(mock.patch.object(place, name, watched(name, getattr(place, name))))
        yield seen
