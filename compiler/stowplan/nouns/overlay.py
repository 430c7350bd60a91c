"""The shape of what a person writes under models.d/: `base.toml` and `<profile>.toml`."""

from dataclasses import dataclass, field
from typing import Any, Literal

from stowplan.nouns.gate import TomlShape


@dataclass(frozen=True, slots=True, kw_only=True)
class External(TomlShape):
    """A server that Stowplan does not start: what it is, where it listens, what it serves."""

    backend: str
    model: str
    host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay(TomlShape):
    """A model's settings on one profile. Every key may be left out.

    `engine` names one of the profile's `[engine.<label>]`, or is `external`. `[vllm]` holds the flags
    of `vllm serve`, one name each, typed. `[sampling]` are generation defaults for consumers.
    """

    status: Literal["stub"] | None = None
    enabled: bool | None = None
    deprecated: bool | None = None
    engine: str | None = None
    port: int | None = None
    served_name: str | None = None
    chat_template_sha256: str | None = None
    unset: list[str] | None = None
    roles: dict[str, int] = field(default_factory=dict)
    external: External | None = None
    vllm: dict[str, Any] = field(default_factory=dict)
    sampling: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base(Overlay):
    """What holds for a model on every profile, and what it is called.

    `[correct]` overrides facts, by the keys of discovered.json, and must say `because`.
    """

    name: str | None = None
    display_name: str | None = None
    aliases: list[str] | None = None
    alias_of: str | None = None
    correct: dict[str, Any] = field(default_factory=dict)


ONLY_IN_BASE = ("name", "display-name", "aliases", "alias-of", "correct")
ONLY_IN_OVERLAY = ("status",)
FLAG_TABLES = ("vllm",)
"""The tables that hold an engine's flags; each is named after the engine's kind."""
EXTERNAL = "external"
"""The `engine` of a server that something else starts."""
