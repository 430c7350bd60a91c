"""The entry: the compiled result for one subject, everything a consumer may know of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stowplan.nouns.launch import Launch
from stowplan.nouns.project import Subject
from stowplan.words.layered import Leaf


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """Which template holds: `external` (a file, with its path), `embedded` or `none`."""

    source: str
    path: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the registry. `host` and `port` are where consumers find the server.

    `origins` says, for every value that is not a flag, which leaves it came from.
    """

    subject: Subject
    name: str
    display_name: str
    aliases: tuple[str, ...]
    backend: str
    host: str
    port: int
    model_path: str
    served_name: str
    launch: Launch | None
    roles: Mapping[str, int]
    sampling: Mapping[str, Any]
    template: ChatTemplate
    deprecated: bool
    origins: Mapping[str, tuple[Leaf, ...]]
