"""Key paths: where a value stands inside a document.

A path is a tuple of table keys and, inside lists, positions. Written out it is a TOML dotted key
(TOML 1.0, "Keys"): bare where the key allows it, quoted where it does not, `[2]` for a list position.
"""

import re
from functools import lru_cache

KeyPath = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
_PART = re.compile(
    r"""[ \t]*(?:(?P<bare>[A-Za-z0-9_-]+)|'(?P<literal>[^'\n]*)'|(?P<basic>"(?:[^"\\\n]|\\.)*"))[ \t]*"""
)


def format_key(key: str) -> str:
    """One key as TOML writes it: bare if it may be, else a basic string."""
    if _BARE.fullmatch(key):
        return key
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _escape(c)) for c in key) + '"'


@lru_cache(maxsize=1 << 12)
def format_keypath(path: KeyPath) -> str:
    """`("vllm", "hf-overrides", 0)` → `vllm.hf-overrides[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + format_key(part)
    return text


def parse_keypath(text: str) -> tuple[str, ...]:
    """The reverse, for keys only (no list positions). Raises ValueError with what is wrong."""
    parts: list[str] = []
    position = 0
    while True:
        match = _PART.match(text, position)
        if match is None:
            raise ValueError(f"a key was expected at character {position + 1} of `{text}`")
        if match["bare"] is not None:
            parts.append(match["bare"])
        elif match["literal"] is not None:
            parts.append(match["literal"])
        else:
            parts.append(_unescape(match["basic"]))
        position = match.end()
        if position == len(text):
            return tuple(parts)
        if text[position] != ".":
            raise ValueError(f"a dot was expected at character {position + 1} of `{text}`")
        position += 1


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _unescape(quoted: str) -> str:
    import tomllib  # only quoted paths need it

    try:
        value: str = tomllib.loads(f"k = {quoted}")["k"]
    except tomllib.TOMLDecodeError as problem:
        raise ValueError(f"{quoted} is not a TOML string: {problem}") from None
    return value
