"""What models and profiles may be called: their names become names of files, links and command-line words."""

import re

from stowplan.nouns.artifact import MANIFEST

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_ALLOWED = "allowed are letters, digits, `.`, `_`, `+`, `-`; a letter or digit first, no `.tmp` last, 128 at most"
_TAKEN = {
    "base": "models.d/<model>/base.toml is what holds on every profile",
    MANIFEST: "a build has a file of that name beside its profiles",
}


def unsafe(name: str) -> str | None:
    """Why `name` can name neither a model nor a profile; None if it is plain."""
    return None if _SAFE.fullmatch(name) and not name.endswith(".tmp") else _ALLOWED


def taken(name: str) -> str | None:
    """What a plain name means already where a profile's name is used; None if nothing."""
    return _TAKEN.get(name)
