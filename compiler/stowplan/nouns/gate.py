"""How our dataclasses look from outside.

Files are validated by pydantic straight into these dataclasses, at the gates and nowhere else. The
configuration it reads is a plain dict, so nothing here imports pydantic.
"""

from typing import Any, ClassVar


def kebab(name: str) -> str:
    """`max_model_len` → `max-model-len`: how keys are written in TOML."""
    return name.replace("_", "-")


class TomlShape:
    """The shape of a TOML table: keys with dashes, no unknown key, no coercion (bool is never int)."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "strict": True,
        "alias_generator": kebab,
    }


class FactsShape:
    """The shape of a part of discovered.json: keys as in Python, no coercion.

    Unknown keys are ignored: a newer Stowplan may know more, and the seal, not the shape, is what
    keeps hands off this file.
    """

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "ignore", "strict": True}
