"""Reading what was published. Standard library only, so that any consumer may.

A build's folder holds manifest.json and, per profile, model_registry.json. Readers ignore fields they
do not know and refuse a format that is higher than theirs.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stowplan.nouns.artifact import MANIFEST
from stowplan.read.format import UnreadableBuildError, refuse_newer

__all__ = ["REGISTRY", "Row", "Rows", "UnreadableBuildError", "manifest", "rows", "rows_of"]

REGISTRY = "model_registry.json"
Row = Mapping[str, Any]
"""One entry of a registry, as its JSON says."""
Rows = Mapping[str, tuple[Row, ...]]
"""Profile → the entries of its registry."""


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a build or of one profile in it. Raises UnreadableBuildError."""
    try:
        content: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise UnreadableBuildError(f"there is no build at `{folder}`; run `stowplan compile`") from None
    except (OSError, ValueError) as problem:
        raise UnreadableBuildError(f"cannot read `{folder / MANIFEST}`: {problem}") from None
    refuse_newer(folder, content)
    return content


def rows(folder: Path) -> Rows:
    """Every registry of the build in `folder`, by profile. Raises UnreadableBuildError."""
    return {name: _registry(folder / name / REGISTRY) for name in sorted(manifest(folder).get("profiles", {}))}


def rows_of(registries: Mapping[str, bytes]) -> Rows:
    """The same from the bytes of registries that were only compiled, by profile."""
    return {name: tuple(json.loads(content)) for name, content in sorted(registries.items())}


def _registry(file: Path) -> tuple[Row, ...]:
    try:
        return tuple(json.loads(file.read_bytes()))
    except (OSError, ValueError) as problem:
        raise UnreadableBuildError(f"cannot read `{file}`: {problem}; `stowplan compile` makes it anew") from None
