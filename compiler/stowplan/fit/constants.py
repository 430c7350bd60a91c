"""What is known of an engine's memory, by version: `engines/<kind>/memory.json`.

Its `rules`, `batches`, `blocks` and the like were read in the engine's sources, each with its place; its `eras`
were fitted on real starts by tests/accuracy/fit_memory.py, which alone writes them. A rule holds from the version
`since` on, until a later row; an era ends before the next one's `since`. Nothing here names a model: what differs
between models is told by their numbers, never by what they are called.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stowplan.engines.flags import version_key
from stowplan.fit.span import Factor, Span

FORMAT = 1
MIB = 1 << 20
_ENGINES = Path(__file__).parents[1] / "engines"

Row = Mapping[str, Any]
Key = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """The batch an engine makes by itself on cards of at least `memory` bytes, unless their name holds a word of
    `but`: tokens and sequences."""

    memory: int
    but: tuple[str, ...]
    tokens: int
    sequences: int


@dataclass(frozen=True, slots=True)
class Block:
    """The tokens in a block on that platform and those capabilities (none: on all); `latent`: of latent attention."""

    size: int
    platform: str
    latent: bool
    capabilities: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """All that holds for one version.

    The truths and `utilization` are rules, explained where memory.json names their source. `exact` says whether
    the version lies within those that were looked at; outside, everything is wider.
    """

    version: str
    exact: bool
    utilization: float
    prefills_whole: int
    rounds_groups_up: bool
    checks_groups: bool
    keeps_null_block: bool
    counts_batches_in_flight: bool
    schedules_ahead: bool
    caches_state_prefixes: bool
    aligns_states: bool
    aligns_to_block: bool
    keeps_chunks: bool
    checkpointed_states: Sequence[str]
    heeds_state_dtype: Sequence[str]
    checkpoint_kv_dtype: Mapping[str, str]
    keeps_batch_for_encoder: bool
    multiplies_concurrency: bool
    grants_graphs: bool
    batches: tuple[Batch, ...]
    blocks: tuple[Block, ...]
    kv_bytes: Mapping[str, int]
    kv_rows: Mapping[str, int]
    runtime_bits: Mapping[str, Row]
    expert_padding: Mapping[str, Mapping[str, tuple[int, int]]]
    towers: Mapping[str, Row]
    weights_more: Factor
    activations_more: Factor
    unseen: float
    sampler: float
    forward: float
    workspace: Mapping[str, float]
    encoder: float
    encoder_cache: float
    spread: Mapping[str, Factor]
    non_torch: Mapping[str, Span]
    context: Mapping[str, Span]
    graphs_most: Mapping[str, int]
    graphs_measured: int
    graphs_base: float
    graphs_layer: float
    graphs_spread: Factor


def knows(kind: str) -> bool:
    """Whether anything is known of the memory of that kind of engine."""
    return kind in _kinds()


def constants(kind: str, version: str | None) -> tuple[Constants, ...]:
    """The constants of a version. Where nobody says which (None), those of every era, the newest last.

    Outside the versions that were looked at the nearest ones hold, with everything wider. Raises `KeyError` for
    a kind of engine that nothing is known of.
    """
    return _constants(kind, version)


@cache
def _constants(kind: str, version: str | None) -> tuple[Constants, ...]:
    known = document(kind)
    if version is not None:
        return (decoded(known, version),)
    ends = [*(era["since"] for era in known["eras"][1:]), None]
    return tuple(decoded(known, _last_before(known, end)) for end in ends)


@cache
def _kinds() -> frozenset[str]:
    """Listed, not looked for: a kind that someone wrote into a profile never becomes a path."""
    return frozenset(path.parent.name for path in _ENGINES.glob("*/memory.json"))


def document(kind: str) -> dict[str, Any]:
    """The file as it stands. Raises `KeyError` for a kind that has none."""
    if not knows(kind):
        raise KeyError(kind)
    found: dict[str, Any] = json.loads((_ENGINES / kind / "memory.json").read_bytes())
    return found


def decoded(known: Row, version: str) -> Constants:
    """The constants of a version in a document like memory.json."""
    key = version_key(version)
    first, last = (version_key(end) for end in known["covers"])
    exact = first <= key and key[:2] <= last[:2]
    more = Factor(1, 1, 1) if exact else Factor(*known["outside"]["spread"])
    era = _in_force(known["eras"], key)
    rules = {name.replace("-", "_"): _in_force(rows, key)["value"] for name, rows in known["rules"].items()}
    return Constants(
        version=version,
        exact=exact,
        **rules,
        batches=tuple(_batch(row) for row in known["batches"]["rows"] if _holds(row, max(key, first))),
        blocks=tuple(_block(row) for row in known["blocks"]["rows"] if _holds(row, max(key, first))),
        kv_bytes=known["kv-cache-dtypes"]["bytes"],
        kv_rows=known["kv-cache-dtypes"]["rows"],
        runtime_bits=known["runtime-quantization"]["methods"],
        expert_padding=_padding(row for row in known["expert-padding"]["rows"] if _holds(row, max(key, first))),
        towers=known["towers"]["types"],
        weights_more=_wider(known["weights"]["more-mib"], more, MIB),
        activations_more=_wider(known["activations"]["more-mib"], more, MIB),
        unseen=known["cards"]["unseen"],
        sampler=era["sampler"],
        forward=era["forward"],
        workspace=era["workspace"],
        encoder=era["encoder"],
        encoder_cache=era["encoder-cache"],
        spread={family: _wider(spread, more) for family, spread in era["spread"].items()},
        non_torch={name: _wider(mib, more, MIB).times(1) for name, mib in era["non-torch-mib"].items()},
        context={name: _wider(mib, more, MIB).times(1) for name, mib in era["context-mib"].items()},
        graphs_base=era["graphs"]["base-mib"] * MIB,
        graphs_layer=era["graphs"]["layer-mib"] * MIB,
        graphs_spread=_wider(era["graphs"]["spread"], more),
    )


def _holds(row: Row, key: Key) -> bool:
    return version_key(row["since"]) <= key and ("before" not in row or key < version_key(row["before"]))


def _in_force(rows: list[Row], key: Key) -> Row:
    """The newest row that is not newer than the version; the oldest for one before all of them."""
    return next((row for row in reversed(rows) if version_key(row["since"]) <= key), rows[0])


def _last_before(known: Row, end: str | None) -> str:
    """The last version before `end` of those that were looked at."""
    looked_at: Iterable[str] = known["looked-at"]
    return [version for version in looked_at if end is None or version_key(version) < version_key(end)][-1]


def _wider(values: list[float], more: Factor, unit: int = 1) -> Factor:
    return Factor(values[0] * more.low * unit, values[1] * unit, values[2] * more.high * unit)


def _batch(row: Row) -> Batch:
    return Batch(row["memory-gib"] << 30, tuple(row.get("but", ())), row["tokens"], row["sequences"])


def _padding(rows: Iterable[Row]) -> Mapping[str, Mapping[str, tuple[int, int]]]:
    """Method → major capability (`""`: any other) → the multiples that hidden and inner size are rounded up to."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for row in rows:
        found.setdefault(row["method"], {})[row.get("capability", "")] = (row["to"][0], row["to"][1])
    return found


def _block(row: Row) -> Block:
    parts = (capability.partition(".") for capability in row.get("capabilities", ()))
    capabilities = tuple((int(major), int(minor)) for major, _, minor in parts)
    return Block(row["size"], row["platform"], row.get("latent", False), capabilities)
