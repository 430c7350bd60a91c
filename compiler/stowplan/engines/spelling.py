"""How a typed TOML value becomes command-line tokens, and which values a flag does not take.

Rules seen in vLLM's parser (0.11.0 to 0.33.0, vllm/utils/argparse_utils.py and its tables): long names,
`--flag value`; `--no-x` (or `--disable-x`) turns a boolean off; JSON flags take canonical JSON; a
list follows its flag item by item, or repeats the flag where the parser appends. A value that begins
with a dash would be read as an option, so it is joined: `--flag=-value`. (A negative integer is not;
`-0.5` is, since the dot makes vLLM take it for a dotted option.)
"""

import difflib
import json
import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from stowplan.nouns.flags import Flag
from stowplan.words.digest import canonical_text
from stowplan.words.keypath import format_key

_HUMAN = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)([kmgtKMGT])")
_OPTION = re.compile(r"-(?![0-9]+$)", re.DOTALL)
_BRACED = re.compile(r"\s*\{.*\}\s*", re.DOTALL)
_CONVERTERS = {
    "int": "an integer",
    "float": "a number",
    "str": "a string",
    "str|json": "a string or a table",
    "human_readable_int": "an integer",
    "human_readable_int_or_auto": 'an integer or "auto"',
}
"""What a parser's converters want, in words; of others nothing is known."""
_DECIMAL = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True, slots=True)
class Misfit:
    """A value that a flag does not take: `wants`, and what to do.

    `instead` is the value that was meant, where only one can have been; None if that is not sure.
    """

    id: Literal["bad-value", "bad-choice"]
    wants: str
    hint: str | None = None
    instead: Any = None


def misfit(flag: Flag, value: Any) -> Misfit | None:
    """Why `flag` does not take `value` (a plain TOML value), None if it does."""
    if flag.many or flag.repeat:
        if not isinstance(value, list):
            wrapped = [value] if _item_misfit(flag, value) is None else None
            return Misfit("bad-value", "a list", f"write `{flag.name} = [{_toml(value)}]`", wrapped)
        if not value and flag.many:
            return Misfit("bad-value", "at least one item", "leave the key out, or unset it")
        return next(filter(None, (_item_misfit(flag, item) for item in value)), None)
    if flag.bare and value is True:
        return None
    return _scalar_misfit(flag, value)


def spell(flag: Flag, value: Any) -> tuple[str, ...]:
    """The tokens for `value`, which must fit; empty where leaving the flag out says the same."""
    option = f"--{flag.name}"
    if flag.type == "bool" and flag.off is None:
        return (option, "true") if value else ()
    if flag.type in ("bool", "flag") or (flag.bare and value is True):
        if value:
            return (option,)
        return (flag.off,) if flag.off else ()
    if flag.repeat:
        return tuple(token for item in value for token in _joined(option, _text(item)))
    if flag.many:
        return (option, *(_text(item) for item in value))
    return _joined(option, _text(value))


def _joined(option: str, text: str) -> tuple[str, ...]:
    if text[:1] == "-" and _OPTION.match(text):
        return (f"{option}={text}",)
    return (option, text)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical_text(value)


def _is_json(flag: Flag) -> bool:
    return flag.type.startswith("json")


def _item_misfit(flag: Flag, item: Any) -> Misfit | None:
    if flag.many and _OPTION.match(_text(item)):
        return Misfit("bad-value", "items that do not begin with a dash (the engine reads those as options)")
    if isinstance(item, dict | list) and not _is_json(flag):
        if isinstance(item, dict) and flag.json_items:
            return None
        return Misfit("bad-value", "a list of plain values")
    if flag.json_items and isinstance(item, str) and ("=" not in item or "," in item):
        return Misfit("bad-value", 'items as { name = "x", path = "/y" } or "x=/y"')
    return _scalar_misfit(flag, item)


def _scalar_misfit(flag: Flag, value: Any) -> Misfit | None:
    kind = flag.type
    if value == "--":  # Python's argparse takes it out, even of `--flag=--` (3.11, ArgumentParser._get_values)
        return Misfit("bad-value", "more than two dashes, which the engine's parser drops")
    if kind in ("bool", "flag"):
        if not isinstance(value, bool):
            return Misfit("bad-value", "true or false")
        if value is False and flag.off is None and flag.default not in (False, None):
            return Misfit("bad-value", "true: this version has no way to turn it off")
        return None
    if _is_json(flag):
        return _json_misfit(flag, value)
    if isinstance(value, bool):
        return Misfit("bad-value", _wanted(kind))
    if kind == "str|json":
        if isinstance(value, str) and _BRACED.fullmatch(value):  # vLLM reads that as JSON (`union_dict_and_str`)
            return _json_misfit(flag, value)
        return None if isinstance(value, str | dict) else Misfit("bad-value", _wanted(kind))
    if isinstance(value, dict | list):
        return Misfit("bad-value", _wanted(kind))
    if kind.startswith("human_readable_int"):
        return _human_misfit(kind, value)
    if not _fits(flag, value):
        return Misfit("bad-value", _wanted(kind), *_retype(flag, value))
    if flag.choices and str(value) not in (choices := [str(choice) for choice in flag.choices]):
        if kind not in _CONVERTERS and _folded(value) in map(_folded, choices):
            return None  # 0.32: a converter of its own reads `Flashinfer-Cutlass` as flashinfer_cutlass
        close = difflib.get_close_matches(str(value), choices, n=1)
        allowed = ", ".join(_toml(choice) for choice in flag.choices)
        return Misfit("bad-choice", f"one of {allowed}", f'did you mean "{close[0]}"?' if close else None)
    return None


def _folded(value: Any) -> str:
    return str(value).lower().replace("-", "_")


def _fits(flag: Flag, value: Any) -> bool:
    if flag.type == "int":
        return isinstance(value, int)
    if flag.type == "float":
        return isinstance(value, int | float)
    if flag.type == "str":
        # some string options have numbers for defaults (--optimization-level 2)
        return isinstance(value, str) or (isinstance(value, int) and isinstance(flag.default, int))
    return isinstance(value, str | int | float)  # a converter we cannot look into


def _json_misfit(flag: Flag, value: Any) -> Misfit | None:
    if isinstance(value, dict) or (isinstance(value, list) and ":" not in flag.type):
        return None  # `json:X` becomes one of vLLM's objects, which has named fields
    if isinstance(value, str):
        try:
            inner = json.loads(value)
        except (ValueError, RecursionError):
            if isinstance(flag.default, list):
                return Misfit("bad-value", "a list", f"write `{flag.name} = [{_toml(value)}]`", [value])
            return Misfit("bad-value", "a table (its JSON is made from it)")
        if isinstance(inner, dict | list):
            shown = _toml(inner) if len(value) <= 200 else "{ ... }"
            hint = f"write `{flag.name} = {shown}`; the JSON is made from it"
            return Misfit("bad-value", "a table, not JSON in a string", hint, inner if _is_toml(inner) else None)
    return Misfit("bad-value", "a list" if isinstance(flag.default, list) else "a table")


def _human_misfit(kind: str, value: Any) -> Misfit | None:
    if isinstance(value, int) or (kind.endswith("_or_auto") and value == "auto"):
        return None
    if isinstance(value, str) and (match := _HUMAN.fullmatch(value)):
        unit = match[2]
        size = int(float(match[1]) * (_DECIMAL.get(unit) or _BINARY[unit]))
        hint = f"write the number: {size} (vLLM reads `k` as 1000 and `K` as 1024)"
        return Misfit("bad-value", "a plain integer", hint, size)
    wants = 'an integer or "auto"' if kind.endswith("_or_auto") else "an integer"
    bare = isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value)
    if not bare:
        return Misfit("bad-value", wants)
    return Misfit("bad-value", wants, f"write it without quotes: `{int(value)}`", int(value))


def _wanted(kind: str) -> str:
    return _CONVERTERS.get(kind, "a string or a number")


def _retype(flag: Flag, value: Any) -> tuple[str | None, Any]:
    """What to write instead in words, and that value itself."""
    if flag.type in ("int", "float") and isinstance(value, str):
        try:
            number = int(value) if flag.type == "int" else float(value)
        except ValueError:
            return None, None
        return f"write it without quotes: `{flag.name} = {number}`", number if math.isfinite(number) else None
    if flag.type == "str" and isinstance(value, int | float):
        text = str(value)
        fits = not flag.choices or text in map(str, flag.choices)
        return f'write it in quotes: `{flag.name} = "{text}"`', text if fits else None
    return None, None


def _is_toml(value: Any) -> bool:
    """Whether TOML can say it: it has no null."""
    if isinstance(value, dict):
        return all(map(_is_toml, value.values()))
    return all(map(_is_toml, value)) if isinstance(value, list) else value is not None


def _toml(value: Any) -> str:
    """A plain value as TOML would write it inline (for hints)."""
    if isinstance(value, dict):
        inner = ", ".join(f"{format_key(key)} = {_toml(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False)
