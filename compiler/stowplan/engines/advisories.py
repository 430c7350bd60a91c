"""Known security advisories of an engine: which versions they affect, and what makes them matter.

They are data, `engines/<kind>/advisories.json`: where they were read and when (`read`), and for each its
identifiers (`cve`, `ghsa`, `pysec`), `severity`, ranges `affected` (bounds `>=`, `>`, `<=`, `<`, `==`, with
a comma for "and"), the version that `fixed` it if one is known, one sentence, its sources, and `needs`.

`needs` lists what a server must have for it to matter; one of the list is enough, and without a list it
matters to any server. One need holds if all its words do:

- `flag`: the launch sets that flag, to anything but false; with `value`, to just that; with `above`, to a
  greater number; with `names`, to something that holds one of these words at any depth;
- `env`: the launch sets that variable, to anything but nothing or 0;
- `capability`: the model has one of these; `architecture`: its config.json names one of these;
- `weights`: they are of that format;
- `pass-env`: the profile hands that variable to its servers, so it matters to all of them;
- `elsewhere`: only another program or set-up is affected, so no launch ever is.
"""

import json
import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stowplan.engines.flags import kinds, version_key

SEVERITIES = ("critical", "high", "unrated", "medium", "low")
"""Worst first. `unrated` says that no rating was found, and such a one may be high."""

_COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "==": operator.eq}
_FOLDER = Path(__file__).parent
_BOUND = re.compile(r"(>=|>|<=|<|==)([0-9]{1,9}(?:\.[0-9]{1,9})*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a server must have for an advisory to matter: all that is given (see above)."""

    flag: str | None = None
    value: Any = None
    above: float | None = None
    names: tuple[str, ...] = ()
    env: str | None = None
    capability: tuple[str, ...] = ()
    architecture: tuple[str, ...] = ()
    weights: str | None = None
    pass_env: str | None = None
    elsewhere: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """One advisory. `names` are its identifiers, the best known first; `bounds` its ranges, parsed."""

    names: tuple[str, ...]
    severity: str
    bounds: tuple[tuple[tuple[str, tuple[int, ...]], ...], ...]
    fixed: str | None
    summary: str
    needs: tuple[Need, ...]

    @property
    def id(self) -> str:
        """What people call it: its CVE if it has one."""
        return self.names[0]

    def affects(self, version: str) -> bool:
        """Whether `version` is in one of the ranges. A release candidate counts as its release, and what is no
        version is in none."""
        have = _number(version)
        return bool(have) and any(all(_COMPARE[sign](have, want) for sign, want in bounds) for bounds in self.bounds)


@cache
def advisories(kind: str) -> tuple[Advisory, ...]:
    """All that are known of engine `kind`, sorted by identifier; none for an unknown kind."""
    file = _FOLDER / kind / "advisories.json"
    if kind not in kinds() or not file.is_file():
        return ()
    return tuple(_advisory(entry) for entry in json.loads(file.read_bytes())["advisories"])


@cache
def affecting(kind: str, version: str) -> tuple[Advisory, ...]:
    """Those that affect this version of engine `kind`, worst first."""
    found = [advisory for advisory in advisories(kind) if advisory.affects(version)]
    return tuple(sorted(found, key=lambda advisory: SEVERITIES.index(advisory.severity)))


def fixed_in(found: Iterable[Advisory]) -> str | None:
    """The first version in which all of `found` are fixed; those that no version is known to fix do not count."""
    return max((one.fixed for one in found if one.fixed is not None), key=version_key, default=None)


def bounds_of(text: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """`>=0.8.3,<0.14.1` → its bounds as (sign, number); ValueError for what is no range."""
    matches = [_BOUND.fullmatch(part) for part in text.split(",")]
    found = tuple((match[1], _number(match[2])) for match in matches if match is not None)
    if len(found) < len(matches):
        raise ValueError(f"{text!r} is no range of versions")
    return found


def _number(version: str) -> tuple[int, ...]:
    """A version for comparing: `0.14.0` and `0.14` are the same."""
    parts = version_key(version)
    while parts and parts[-1] == 0:
        parts = parts[:-1]
    return parts


def _advisory(entry: dict[str, Any]) -> Advisory:
    return Advisory(
        names=tuple(entry[key] for key in ("cve", "ghsa", "pysec") if key in entry),
        severity=entry["severity"],
        bounds=tuple(bounds_of(text) for text in entry["affected"]),
        fixed=entry.get("fixed"),
        summary=entry["summary"],
        needs=tuple(_need(need) for need in entry.get("needs", ())),
    )


def _need(entry: dict[str, Any]) -> Need:
    """A need as the file has it; TypeError for a word that is none of those above."""
    words: dict[str, Any] = {}
    for key, value in entry.items():
        words[key.replace("-", "_")] = tuple(value) if isinstance(value, list) else value
    return Need(**words)
