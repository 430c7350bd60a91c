"""Colours for text on a terminal. Who wants them is for the command line to know."""

from collections.abc import Mapping
from typing import Literal, Protocol

Part = Literal["error", "warning", "note", "message", "frame", "help"]
"""What a piece of text is: a severity (its carets too), the message, the gutter and arrows, the word `help`."""


class Paint(Protocol):
    """Gives a piece of text the look of its part."""

    def __call__(self, part: Part, text: str, /) -> str: ...


_SGR: Mapping[Part, str] = {
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "message": "1",
    "frame": "34",
    "help": "1;32",
}


def plain(_: Part, text: str) -> str:
    """Text as it is."""
    return text


def ansi(part: Part, text: str) -> str:
    """Text between ANSI escapes (ECMA-48, "Select Graphic Rendition")."""
    return f"\x1b[{_SGR[part]}m{text}\x1b[0m"
