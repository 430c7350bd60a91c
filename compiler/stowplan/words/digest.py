"""Canonical bytes and their digests: the same value gives the same bytes on every machine."""

import hashlib
import json
from collections.abc import Iterable
from json.encoder import encode_basestring as quoted
from math import isfinite
from typing import Any

__all__ = ["canonical_json", "canonical_text", "digest_of", "listed", "quoted", "sha256"]

_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
)


def canonical_text(value: Any) -> str:
    """`value` as JSON with sorted keys and no spaces; a string is `quoted`. Raises ValueError on NaN and infinities."""
    kind = type(value)
    if kind is str:
        return quoted(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int or (kind is float and isfinite(value)):  # all four as the encoder has them, which starts slowly
        return repr(value)
    return _ENCODER.encode(value)


def listed(texts: Iterable[str]) -> str:
    """Strings as a JSON list."""
    return f"[{','.join(map(quoted, texts))}]"


def canonical_json(value: Any) -> bytes:
    """`value` as canonical JSON in UTF-8. Raises ValueError on NaN and infinities."""
    return _ENCODER.encode(value).encode("utf-8")


def sha256(content: bytes) -> str:
    """The sha256 of `content`, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digest_of(value: Any) -> str:
    """The sha256 of the canonical JSON of `value`."""
    return sha256(canonical_json(value))
