"""What is known of an engine's configuration that its flag table does not say: tables with their sources.

They stand in `<engine>.json` beside this. Where versions differ, an entry says since or until which
captured version it holds.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from stowplan.engines.flags import version_key

_FILES = {path.stem: path for path in Path(__file__).parent.glob("*.json")}
"""Listed, not looked for: the name of an engine may come from a project's own table."""


def known(engine: str, name: str) -> Mapping[str, Any]:
    """One table of an engine; its `source` says where it was read. Empty if nothing is known."""
    found: Mapping[str, Any] = _load(engine).get(name, {})
    return found


def holds(version: str, since: str | None = None, until: str | None = None) -> bool:
    """Whether what is so from version `since` to version `until` (None: no limit) is so in `version`."""
    here = version_key(version)
    return (since is None or here >= version_key(since)) and (until is None or here <= version_key(until))


@cache
def _load(engine: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_FILES[engine].read_text(encoding="utf-8")) if engine in _FILES else {}
    return found
