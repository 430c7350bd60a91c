"""What discover knows of other programs: tables with their sources, in the two JSON files beside this."""

import json
from functools import cache
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


@cache
def table(name: str) -> dict[str, Any]:
    """One table of knowledge.json; its `source` says where it was read."""
    tables: dict[str, dict[str, Any]] = _load("knowledge.json")
    return tables[name]


def assumed(model_type: str | None) -> dict[str, Any]:
    """What transformers assumes for a model type: `defaults`, `names`, `sections`, `pattern`, if any."""
    entry: dict[str, Any] = _load("transformers.json")["types"].get(model_type, {})
    return entry


def transformers_version() -> str:
    """The version of transformers whose assumptions these are."""
    return str(_load("transformers.json")["transformers"])


@cache
def _load(file: str) -> Any:
    return json.loads((_HERE / file).read_text(encoding="utf-8"))
