"""What one version of an engine accepts: its options, and the names and objects that their values may be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Shape = Mapping[str, Any]
"""A JSON value's form, a subset of JSON Schema (draft 7): `type`, `enum`, `anyOf`, `items`, `additionalProperties`,
the four bounds, `default`, `description`; `object` names another object of the table; `names`, `any_case` and
`opened_by` (a field beside it) are as those of a `Flag`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One option. Names are without their dashes.

    `type` is the parser's converter: `bool` (a `--no-` form exists or an alias turns it off; without
    either it takes a word, and every word means true), `flag` (present or not), `int`, `float`, `str`,
    `json`, `str|json`, `human_readable_int` ...; a trailing `?` (optional) is dropped. `off` is the
    option that turns a boolean off, None if there is none. `many` says that several values follow;
    `repeat` that the option is repeated, once per value; `json_items` that each value may be JSON.

    What the parser lets through and the configuration behind it does not: numbers below `minimum` or
    above `maximum`, or at `above` and below it, at `below` and above it; a string that is not in the
    registry `names` (nor among `suggestions`), with `any_case` in capitals or not, unless the flag
    `opened_by` is set, which brings names of its own; a table that is not of the form of `object`.
    """

    name: str
    type: str
    choices: tuple[Any, ...] = ()
    suggestions: tuple[Any, ...] = ()
    aliases: tuple[str, ...] = ()
    off: str | None = None
    many: bool = False
    repeat: bool = False
    json_items: bool = False
    bare: bool = False
    deprecated: bool = False
    default: Any = None
    group: str = ""
    help: str = ""
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    names: str | None = None
    any_case: bool = False
    opened_by: str | None = None
    object: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A quantization method: the least compute capability (8.0 is 80), the dtypes it computes in."""

    capability: int
    dtypes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """An attention backend: the compute capabilities (8.9 is 89) it runs on, the kv-cache dtypes it takes."""

    capabilities: tuple[int, ...]
    kv_cache_dtypes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagTable:
    """One engine version: its options by name, and every other spelling → name.

    `names`: registry → the names in it, `attention_backends` for one; a registry that this version
    could not be asked for is absent. `objects`: configuration object → field → its form. `methods` and
    `backends` by name; `considered`: compute capability → the backends that the engine tries there by
    itself, for models with multi-head latent attention (`mla`) and for all others (`other`).
    `variables`: environment variables it knows. `stands_in_for`: the version that has no table of its own,
    where this is the nearest.
    """

    engine: str
    version: str
    source: str
    flags: Mapping[str, Flag]
    spellings: Mapping[str, str]
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    objects: Mapping[str, Mapping[str, Shape]] = field(default_factory=dict)
    methods: Mapping[str, Method] = field(default_factory=dict)
    backends: Mapping[str, Backend] = field(default_factory=dict)
    considered: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    variables: frozenset[str] = frozenset()
    stands_in_for: str | None = None

    @property
    def pinned(self) -> str:
        """The version that a profile pins which goes by this table."""
        return self.stands_in_for or self.version

    def negates(self, spelling: str) -> bool:
        """Whether `spelling` turns its flag off."""
        dashed, canonical = spelling.lstrip("-").replace("_", "-"), self.canonical(spelling)
        off = None if canonical is None else self.flags[canonical].off
        return canonical != dashed and (dashed == f"no-{canonical}" or (off is not None and off == f"--{dashed}"))

    def canonical(self, spelling: str) -> str | None:
        """The flag that `spelling` means: itself, with underscores, an alias, its negation; None if no flag."""
        dashed = spelling.lstrip("-").replace("_", "-")
        return dashed if dashed in self.flags else self.spellings.get(dashed)
