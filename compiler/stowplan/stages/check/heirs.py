"""What took the place of a setting that an engine version no longer has, in words and as an edit."""

from typing import Any

from stowplan.engines.successors import Successor, rewrite
from stowplan.nouns.flags import FlagTable
from stowplan.words.diagnostic import Fix, Place
from stowplan.words.keypath import KeyPath


def became(name: str, heir: Successor, table: FlagTable) -> str:
    """What became of the setting `name`, and which version the profile pins."""
    fate = "was removed" if heir.to is None else f"became `{heir.to}`"
    return f"`{name}` {fate} in {table.engine} {heir.gone}; the profile pins {table.pinned}"


def fix(heir: Successor, value: Any, at: Place, table: FlagTable) -> Fix | None:
    """The settings that take the place of `value`, which stands at `at`; None if a person must decide.

    They stand in the same file, below the same table of settings: the engine's, or [env].
    """
    settings = rewrite(heir, value)
    if settings is None:
        return None
    above = _above(at.key, table.engine)
    below = "env" if heir.place == "env" else table.engine
    return Fix(at.file, at.key, tuple(((*above, below, *path), new) for path, new in settings.items()))


def _above(key: KeyPath, engine: str) -> KeyPath:
    """What a file writes before the name of a table of settings: nothing, or `defaults`."""
    return key[: next(place for place, part in enumerate(key) if part in (engine, "env"))]
