"""Reading one TOML file: what it says, or where and why it is no TOML.

tomllib tells what is wrong in the words of a parser; common mistakes get plainer ones, and a hint.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from stowplan.words.diagnostic import Diagnostic, Place, error

_POSITION = re.compile(r"(.*) \(at line (\d+), column (\d+)\)", re.DOTALL)
_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_LONG = 100
_LONG_KEY = re.compile(rf"(?:^|[\[{{,])[ \t]*+(?:{_PART}[ \t]*+\.[ \t]*+){{{_LONG}}}", re.MULTILINE)
"""Keys of more parts than anybody writes. Reading one takes tomllib time in the square of its parts."""
_DIGITS = re.compile(r"[0-9_]{1000,}")
_ADVICE: Mapping[str, tuple[str | None, str]] = {
    "Invalid value": (None, "text stands in quotes; `true` and `false` are lower case"),
    "Invalid statement": (None, "a line is `key = value`, `[table]` or a comment"),
    "Expected newline or end of document": (None, "each `key = value` has a line of its own; text stands in quotes"),
    "Cannot overwrite a value": ("a key stands twice in its table", "keep one of the two"),
    "Duplicate inline table key": ("a key stands twice in its table", "keep one of the two"),
    "Cannot declare": ("a table stands twice", "put its keys under one header"),
    r"Illegal character '\n'": ("a string does not end on its line", "close its quotes; three are for several lines"),
}
"""How a message of tomllib begins → plainer words if need be, and what to do."""
_OF_THE_LINE = ("Cannot overwrite a value", "Cannot declare")
"""What tomllib sees only at the end of a line that is wrong as a whole."""


def parse(file: str, content: bytes) -> dict[str, Any] | Diagnostic:
    """The table that `content` is, or the one problem that keeps it from being TOML."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line, column = _position(content[: problem.start].decode("utf-8-sig"))
        message = f"byte {content[problem.start]:#04x} is no UTF-8; TOML files are UTF-8"
        place = Place(file, line=line, column=column)
        return error("toml-syntax", message, place, hint="save the file as UTF-8")
    if text.count(".") >= _LONG and (long := _LONG_KEY.search(text)) is not None:
        line, column = _position(text[: long.start()])
        message = "a key of a hundred parts is nested too deeply to read"
        return error("toml-syntax", message, Place(file, line=line, column=column))
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        return _syntax_error(file, text, str(problem))
    except RecursionError:
        return error("toml-syntax", "lists or tables are nested too deeply to read", Place(file))
    except ValueError:  # Python reads no decimal integer of more than 4300 digits
        match = _DIGITS.search(text)
        line, column = _position(text[: match.start()]) if match is not None else (1, 1)
        message = "an integer has too many digits to be read"
        return error("toml-syntax", message, Place(file, line=line, column=column))


def _syntax_error(file: str, text: str, told: str) -> Diagnostic:
    match = _POSITION.fullmatch(told)
    if match is None:  # `... (at end of document)`
        line, column = _position(text.rstrip())
        message = "not TOML: the file ends in the middle of something"
        place = Place(file, line=line, column=column)
        return error("toml-syntax", message, place, hint="close what is open, and finish the last line")
    said, line, column = match[1], int(match[2]), int(match[3])
    words, hint = next((advice for start, advice in _ADVICE.items() if said.startswith(start)), (None, None))
    if said.startswith(_OF_THE_LINE):
        whole = text.split("\n")[line - 1]
        column = len(whole) - len(whole.lstrip()) + 1
    message = f"not TOML: {words or said[:1].lower() + said[1:]}"
    return error("toml-syntax", message, Place(file, line=line, column=column), hint=hint)


def _position(before: str) -> tuple[int, int]:
    """The line and column that follow a text."""
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
