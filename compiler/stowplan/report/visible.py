"""Text from a file, made fit to be shown.

A terminal obeys control characters, and a reader believes characters that do not show. Every one of
them is written out, as `<U+202E>`, so that a hostile file can neither forge output nor hide in it.
"""

import unicodedata


def visible(text: str) -> str:
    """`text` with every character that does not show written out."""
    return text if text.isprintable() else "".join(map(_shown, text))


def visible_line(line: str) -> str:
    """The same for a source line, whose tabs stay."""
    return "\t".join(map(visible, line.split("\t")))


def width(text: str) -> int:
    """How many columns of a terminal visible `text` takes (Unicode TR 11, "East Asian Width")."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def _shown(character: str) -> str:
    return character if character.isprintable() else f"<U+{ord(character):04X}>"


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
