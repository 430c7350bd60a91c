"""Reading what an engine wrote while it started: its version, what it was told, and what it measured of memory.

Which lines say what, in which version, is data: engines/<kind>/log.json. Logs are anybody's, so reading is bounded,
what is no number is no figure, and nothing of a log is shown unescaped.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from stowplan.engines.flags import version_key

LONGEST = 1 << 16
"""Characters of a line that are looked at. The longest that counts, the engine's configuration, has some 8,000."""
MOST = 16 << 20
"""Bytes of a log that are looked at, from its beginning."""
LONGEST_VALUE = 1 << 12
_ENGINES = Path(__file__).parents[1] / "engines"
_COLOURS = re.compile(r"\x1b\[[0-9;]{0,16}m")
_FIELD = re.compile(r"\{([a-z-]*)\}")
_NUMBER = r"(-?[0-9][0-9,]{0,15}(?:\.[0-9]{1,18})?)"
_FORMS = {"version": r"([0-9][0-9A-Za-z.+_-]{0,63})", "arguments": r"(\{.*)", "configuration": "(.*)"}
_OPEN, _CLOSED = "([{<", ")]}>"
ARGUMENTS, CONFIGURATION, VERSION = "arguments", "configuration", "version"
UNMEASURED, GRANTED, NOT_GRANTED = "unmeasured", "graphs-granted", "graphs-not-granted"


class NoStartError(ValueError):
    """A log does not hold what is looked for; says why."""


@dataclass(slots=True)
class Startup:
    """One start: what it was told by name (`arguments`, with underscores), what became of that (`configuration`), the
    numbers it wrote (GiB, or tokens), and which lines without a number there were (`said`).

    A value that is not plain is None. Of several cards the one that has least room counts.
    """

    version: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Line:
    """How one line is recognised: `first` is text it holds, `names` are the fields of `pattern`."""

    first: str
    pattern: re.Pattern[str]
    names: tuple[str, ...]
    means: str | None
    since: tuple[int, ...]
    before: tuple[int, ...] | None

    def holds(self, version: str) -> bool:
        key = version_key(version)
        return self.since <= key and (self.before is None or key < self.before)


def knowledge(kind: str) -> Mapping[str, Any]:
    """log.json of a kind of engine. Raises `KeyError` where there is none."""
    return _knowledge(kind)[0]


def startup(kind: str, content: bytes) -> Startup:
    """The last start that a log tells of. Raises `NoStartError`."""
    lines = _knowledge(kind)[1]
    text = content[:MOST].decode("utf-8", errors="replace").replace("\r", "\n")
    if "\0" in text:
        raise NoStartError("it is no text")
    found = Startup()
    for line in _promising(text, re.compile("|".join(re.escape(known.first) for known in lines))):
        for known in lines:
            if known.first in line and (match := known.pattern.search(line)) is not None:
                found = _noted(found, known, match)
    if not found.version:
        raise NoStartError("no start of an engine is in it, with its version and configuration")
    return found


def _promising(text: str, sign: re.Pattern[str]) -> Iterator[str]:
    """The lines that hold the `sign`: a server writes millions of others."""
    at = 0
    while (match := sign.search(text, at)) is not None:
        begin = text.rfind("\n", at, match.start()) + 1 or at
        end = text.find("\n", match.end())
        at = len(text) if end < 0 else end + 1
        yield _COLOURS.sub("", text[begin : min(at, begin + LONGEST)].rstrip("\n"))


def _noted(found: Startup, known: _Line, match: re.Match[str]) -> Startup:
    """With what a line says; a new start where it begins one."""
    if ARGUMENTS in known.names:
        parts, is_whole = _parts(match[1][1:])
        if not is_whole:
            raise NoStartError("the line with its arguments is cut off")
        return Startup(arguments=_fields(parts, ":"))
    if CONFIGURATION in known.names:
        if "available-kv" in found.numbers:  # started again by what had started it
            found = Startup(arguments=found.arguments)
        found.version, found.configuration = match[1], _fields(_parts(match[2])[0], "=")
        return found
    if found.version and not known.holds(found.version):
        return found
    if known.means is not None:
        found.said.add(known.means)
    for name, text in zip(known.names, match.groups(), strict=True):
        value, had = float(text.replace(",", "")), found.numbers.get(name)
        lesser = name in ("available-kv", "cache-tokens")
        found.numbers[name] = value if had is None else min(had, value) if lesser else max(had, value)
    return found


def _fields(parts: list[str], between: str) -> dict[str, Any]:
    """`'a': 1` and `'b': [2]`, or `a=1` and `b=[2]` → values by name, as far as they are plain."""
    found = {}
    for part in parts:
        name, equals, value = part.partition(between)
        if equals:
            found[name.strip(" '\"")] = _plain(value.strip())
    return found


def _parts(text: str) -> tuple[list[str], bool]:
    """What commas separate, but for those in brackets and strings, and whether a bracket closes it all."""
    found, begin, depth, quote, skip = [], 0, 0, "", False
    for at, character in enumerate(text):
        if skip:
            skip = False
        elif quote:
            skip = character == "\\"
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in _OPEN:
            depth += 1
        elif character in _CLOSED and depth:
            depth -= 1
        elif depth == 0 and character in ",}":
            found.append(text[begin:at])
            begin = at + 1
            if character == "}":
                return found, True
    return found, False


def _plain(text: str) -> Any:
    """The value that Python writes so; None where it is none of the plain ones, or has thousands of characters."""
    if len(text) > LONGEST_VALUE:
        return None
    with warnings.catch_warnings(action="ignore"):
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None


@cache
def _knowledge(kind: str) -> tuple[Mapping[str, Any], tuple[_Line, ...]]:
    known = json.loads((_ENGINES / kind / "log.json").read_bytes())
    return known, tuple(_line(row) for row in known["lines"])


def _line(row: Mapping[str, Any]) -> _Line:
    literals = _FIELD.split(row["text"])
    pattern, names = "", []
    for position, part in enumerate(literals):
        if position % 2 == 0:
            pattern += re.escape(part)
        elif part:
            pattern += _FORMS.get(part, _NUMBER)
            names.append(part)
        else:
            pattern += _NUMBER.replace("(", "(?:", 1)
    return _Line(
        first=max(literals[::2], key=len),
        pattern=re.compile(pattern),
        names=tuple(names),
        means=row.get("means"),
        since=version_key(row["since"]),
        before=version_key(row["before"]) if "before" in row else None,
    )
