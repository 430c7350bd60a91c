"""Profiles: one GPU set-up each. The shape of the file, and the profile it becomes when merged."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Literal

from stowplan.nouns.flags import FlagTable
from stowplan.nouns.gate import TomlShape
from stowplan.nouns.measured import Start
from stowplan.words.layered import Leaf, Tree, find

_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?(B|KiB|MiB|GiB|KB|MB|GB)")
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "KB": 10**3, "MB": 10**6, "GB": 10**9}
PORTS = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuShape(TomlShape):
    """The cards. Sizes are written with their unit (`16376 MiB`), the capability as `8.9`."""

    name: str | None = None
    count: int | None = None
    memory: str | None = None
    reserved: str | None = None
    capability: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineShape(TomlShape):
    """An installed engine: `kind` (default: the label), version (picks the flag table), executable."""

    kind: str | None = None
    version: str | None = None
    executable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingShape(TomlShape):
    """How servers run here: all together or one at a time, where they listen and are found."""

    mode: Literal["one-at-a-time", "together"] | None = None
    bind: str | None = None
    connect: str | None = None
    ports: str | None = None
    pass_env: list[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultsShape(TomlShape):
    """Settings for every model of this profile, below what the model itself says."""

    vllm: dict[str, Any] = field(default_factory=dict)
    sampling: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileShape(TomlShape):
    """One `profiles/<profile>.toml`. With `extends`, its tables lie over the parent's.

    `[roles]` names the capabilities that a role needs of a model.
    """

    extends: str | None = None
    requires_stowplan: str | None = None
    allow: list[str] | None = None
    unset: list[str] | None = None
    gpu: GpuShape | None = None
    engine: dict[str, EngineShape] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)
    roles: dict[str, list[str]] = field(default_factory=dict)
    serving: ServingShape | None = None
    defaults: DefaultsShape | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine of a profile, with the leaves it was read from.

    `table` says what it accepts: that version's flag table, else the one nearest to it, which check has
    to allow; None for a kind of engine that nothing is known of.
    """

    label: str
    kind: str
    version: Leaf
    executable: Leaf
    table: FlagTable | None = None

    @property
    def is_verified(self) -> bool:
        """Whether what it accepts is known for this very version."""
        return self.table is not None and self.table.stands_in_for is None


@dataclass(frozen=True, slots=True)
class Gpu:
    """The cards of a profile; memory and reserved in bytes for each card."""

    name: str
    count: int
    memory: int | None
    reserved: int
    capability: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Profile:
    """A merged profile. `tree` keeps every value with its origin; `names` is itself, then its parent.

    `measured`: model → what its starts on this card were seen to take.
    """

    name: str
    file: str
    names: tuple[str, ...]
    tree: Tree
    gpu: Gpu | None
    engines: Mapping[str, Engine]
    ports: tuple[int, int] | None
    measured: Mapping[str, tuple[Start, ...]] = field(default_factory=dict)

    def leaf(self, *path: str) -> Leaf | None:
        """The leaf at `path`, None if there is none."""
        found = find(self.tree, path)
        return found if isinstance(found, Leaf) else None

    def value(self, *path: str) -> Any:
        """The value at `path`, None if there is none."""
        leaf = self.leaf(*path)
        return None if leaf is None else leaf.value

    @property
    def roots(self) -> dict[str, str]:
        """Root name → absolute folder on the profile's machine."""
        roots = find(self.tree, ("roots",))
        return {name: leaf.value for name, leaf in roots.items()} if isinstance(roots, dict) else {}

    @property
    def one_at_a_time(self) -> bool:
        """Whether servers share the card by turns (the default) or run together."""
        return bool(self.value("serving", "mode") != "together")

    @property
    def connect(self) -> str:
        """Where consumers find the servers: `connect`, else `bind`, else (bound everywhere) loopback."""
        bind = self.value("serving", "bind")
        return str(self.value("serving", "connect") or ("127.0.0.1" if bind in (None, "0.0.0.0", "::") else bind))

    @property
    def is_open(self) -> bool:
        """Whether servers listen beyond this machine."""
        bind = self.value("serving", "bind")
        try:
            return bind not in (None, "localhost") and not ip_address(bind).is_loopback
        except ValueError:
            return True

    def allows(self, what: str) -> bool:
        """Whether the profile's `allow` names `what`."""
        allowed: list[str] = self.value("allow") or []
        return what in allowed


HOST = 'an address or a host name, as "127.0.0.1"'
"""What a host may be, in words."""
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


def is_host(text: str) -> bool:
    """Whether `text` is an IP address or could be a host's name: no port, no scheme, no blanks."""
    try:
        return bool(ip_address(text))
    except ValueError:
        return _HOST_NAME.fullmatch(text) is not None


def parse_size(text: str) -> int | None:
    """`16376 MiB` → bytes; None if it is not a size."""
    match = _SIZE.fullmatch(text)
    return None if match is None else int(float(match[1]) * _UNITS[match[2]])


def parse_capability(text: str) -> tuple[int, int] | None:
    """`8.9` → (8, 9); None if it is not a compute capability."""
    match = re.fullmatch(r"([0-9]{1,2})\.([0-9])", text)
    return None if match is None else (int(match[1]), int(match[2]))


def parse_ports(text: str) -> tuple[int, int] | None:
    """`24001-24010` → (24001, 24010); None if it is not a range of ports."""
    match = PORTS.fullmatch(text)
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    return (first, last) if 1 <= first <= last <= 65535 else None
