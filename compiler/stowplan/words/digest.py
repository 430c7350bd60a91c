"""Canonical bytes and their digests: the same value gives the same bytes on every machine."""

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> bytes:
    """`value` as JSON with sorted keys, no spaces, UTF-8. Raises ValueError on NaN and infinities."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def sha256(content: bytes) -> str:
    """The sha256 of `content`, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digest_of(value: Any) -> str:
    """The sha256 of the canonical JSON of `value`."""
    return sha256(canonical_json(value))
