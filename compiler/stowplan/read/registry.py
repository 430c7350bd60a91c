"""Reading what was published. Standard library only, so that any consumer may.

A build's folder holds manifest.json and, per profile, model_registry.json. Readers ignore fields they
do not know and refuse a format that is higher than theirs.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stowplan.nouns.artifact import FORMAT, MANIFEST

REGISTRY = "model_registry.json"
Row = Mapping[str, Any]
"""One entry of a registry, as its JSON says."""
Rows = Mapping[str, tuple[Row, ...]]
"""Profile → the entries of its registry."""


class UnreadableBuildError(Exception):
    """A build that is not there, not whole, or of a newer format. Says which, and what to do."""


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a build or of one profile in it. Raises UnreadableBuildError."""
    try:
        content: Any = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise UnreadableBuildError(f"there is no build at `{folder}`; run `stowplan compile`") from None
    except (OSError, ValueError) as problem:
        raise UnreadableBuildError(f"cannot read `{folder / MANIFEST}`: {problem}") from None
    form = content.get("format") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(form, int):
        raise UnreadableBuildError(f"`{folder / MANIFEST}` is no manifest: it has no `format`")
    if form > FORMAT:
        message = f"`{folder}` has format {form}; this Stowplan reads up to {FORMAT}: install a newer one"
        raise UnreadableBuildError(message)
    return content


def rows(folder: Path) -> Rows:
    """Every registry of the build in `folder`, by profile. Raises UnreadableBuildError."""
    return {name: _registry(folder / name / REGISTRY) for name in sorted(manifest(folder).get("profiles", {}))}


def rows_of(registries: Mapping[str, bytes]) -> Rows:
    """The same from the bytes of registries that were only compiled, by profile."""
    return {name: tuple(json.loads(content)) for name, content in sorted(registries.items())}


def launches(folder: Path) -> dict[str, str]:
    """`MODEL/PROFILE` → launch digest for all that the build in `folder` starts; empty where none can be read."""
    try:
        return launches_of(rows(folder))
    except UnreadableBuildError:
        return {}


def launches_of(registries: Rows) -> dict[str, str]:
    """`MODEL/PROFILE` → launch digest."""
    return {
        f"{row['metadata']['model']}/{profile}": row["metadata"]["launch_digest"]
        for profile, entries in registries.items()
        for row in entries
        if "launch_digest" in row["metadata"]
    }


def _registry(file: Path) -> tuple[Row, ...]:
    try:
        return tuple(json.loads(file.read_bytes()))
    except (OSError, ValueError) as problem:
        raise UnreadableBuildError(f"cannot read `{file}`: {problem}; `stowplan compile` makes it anew") from None
