"""safetensors headers, read by hand with bounds.

The format: eight bytes, little-endian, the header's length; the header, JSON; the data. The rules are
those of the safetensors library (0.6, safetensors/src/tensor.rs): a header of at most 100 MB that
begins with `{`; no key twice; each tensor's bytes follow the last one's without a gap; their number
is what dtype and shape say; `8 + header + data` is the file's size. Weights are never read.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

from stowplan.discover.files import parse
from stowplan.words.digest import sha256

MAX_HEADER = 100_000_000
MAX_RANK = 32
BITS: Mapping[str, int] = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
"""Bits of one element of each dtype."""
_LFS = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: its name, dtype and bytes."""

    name: str
    dtype: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Header:
    """A sound header: the sha256 of its JSON, the file's size in bytes, the tensors in data order."""

    sha256: str
    size: int
    tensors: tuple[Tensor, ...]

    @property
    def bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.bytes for tensor in self.tensors)


class BadHeaderError(ValueError):
    """The file is no sound safetensors file; the text says why."""


class TruncatedError(ValueError):
    """The file ends before its data does; the text says by how much."""


def read(stream: BinaryIO, size: int) -> Header:
    """The header of an open file of `size` bytes. Raises BadHeaderError, TruncatedError, OSError."""
    start = stream.read(8)
    if start == _LFS[:8]:
        raise BadHeaderError("it is a Git LFS pointer, not the weights; `git lfs pull` fetches them")
    if len(start) < 8:
        raise TruncatedError(f"it has {size} bytes, not even the 8 that tell the header's length")
    length = int.from_bytes(start, "little")
    if length > MAX_HEADER:
        raise BadHeaderError(f"it claims a header of {length} bytes; the format allows {MAX_HEADER}")
    if 8 + length > size:
        raise TruncatedError(f"its header alone needs {8 + length} bytes, and it has {size}")
    content = stream.read(length)
    if len(content) < length:
        raise TruncatedError(f"it ended after {8 + len(content)} bytes, inside its header")
    tensors, end = _tensors(content)
    expected = 8 + length + end
    if size < expected:
        raise TruncatedError(f"it has {size} bytes of {expected}; {expected - size} are missing")
    if size > expected:
        raise BadHeaderError(f"{size - expected} bytes follow the {expected} that its header accounts for")
    return Header(sha256(content), size, tensors)


def _tensors(content: bytes) -> tuple[tuple[Tensor, ...], int]:
    """The tensors in data order, and where the data ends."""
    if not content.startswith(b"{"):
        raise BadHeaderError("its header does not begin with `{`")
    try:
        header = parse(content, _unique)
    except (ValueError, RecursionError) as problem:
        raise BadHeaderError(f"its header is not JSON: {problem}") from None
    if not isinstance(header, dict):
        raise BadHeaderError("its header is not an object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise BadHeaderError("`__metadata__` is not a table of strings")
    placed = sorted(_tensor(name, value) for name, value in header.items())
    end = 0
    for begin, until, name, _ in placed:
        if begin != end:
            raise BadHeaderError(f"tensor `{_shown(name)}` begins at data byte {begin}; {end} was expected")
        end = until
    return tuple(Tensor(name, dtype, until - begin) for begin, until, name, dtype in placed), end


def _tensor(name: str, value: Any) -> tuple[int, int, str, str]:
    """Begin, end, name and dtype of one tensor, checked against its shape."""
    shown = _shown(name)
    if not isinstance(value, dict):
        raise BadHeaderError(f"tensor `{shown}` is not an object")
    dtype, shape, offsets = value.get("dtype"), value.get("shape"), value.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in BITS:
        raise BadHeaderError(f"tensor `{shown}` has the unknown dtype `{_shown(str(dtype))}`")
    if not isinstance(shape, list) or len(shape) > MAX_RANK or not all(_is_count(n) for n in shape):
        raise BadHeaderError(f"the shape of tensor `{shown}` is not a list of counts")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_is_count(n) for n in offsets):
        raise BadHeaderError(f"the data offsets of tensor `{shown}` are not two counts")
    bits = prod(shape) * BITS[dtype]
    if bits % 8 or offsets[1] - offsets[0] != bits // 8:
        found = offsets[1] - offsets[0]
        raise BadHeaderError(f"tensor `{shown}` takes {found} bytes; its dtype and shape say {bits // 8}")
    return offsets[0], offsets[1], name, dtype


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"`{_shown(twice)}` stands twice")
    return members


def _shown(name: str) -> str:
    """A name as a message may show it: printable, not endless."""
    text = "".join(c if c.isprintable() else "?" for c in name[:80])
    return text if len(name) <= 80 else text + "..."
