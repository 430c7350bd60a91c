"""Which format a build has, told without reading a manifest of some megabytes.

The law: a shortcut answers only where it cannot be wrong; everything else is parsed whole. In what the
compiler writes, a build's `format` stands before the long list of inputs, a profile's after that of files.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

from stowplan.nouns.artifact import FORMAT, MANIFEST

_DECODER = json.JSONDecoder()
_HEAD, _TAIL = 16384, 512
"""Bytes of either end that are looked at first."""

_LAST = re.compile(rb',"format":([0-9]+),"profile":"[^"\\]*"\}\n\Z')
"""The end of a profile's manifest: what stands before the last brace is at the top level."""


class UnreadableBuildError(Exception):
    """A build that is not there, not whole, or of a newer format. Says which, and what to do."""


def check_format(folder: Path) -> None:
    """Looks whether the build in `folder`, or the profile, has a format we know. Raises UnreadableBuildError."""
    try:
        refuse_newer(folder, _brief(folder / MANIFEST))
    except FileNotFoundError:
        raise UnreadableBuildError(f"there is no build at `{folder}`; run `stowplan compile`") from None
    except (OSError, ValueError) as problem:
        raise UnreadableBuildError(f"cannot read `{folder / MANIFEST}`: {problem}") from None


def refuse_newer(folder: Path, manifest: Any) -> None:
    """Raises UnreadableBuildError if `manifest`, that of `folder`, is none or has a higher format than ours."""
    form = manifest.get("format") if isinstance(manifest, dict) else None
    if not isinstance(form, int):
        raise UnreadableBuildError(f"`{folder / MANIFEST}` is no manifest: it has no `format`")
    if form > FORMAT:
        message = f"`{folder}` has format {form}; this Stowplan reads up to {FORMAT}: install a newer one"
        match manifest.get("compiler"):
            case {"version": str(version)}:
                message += f", {version} or later"
        raise UnreadableBuildError(message)


def _brief(file: Path) -> Any:
    """Enough of a manifest to know its format, and for a build, the compiler that wrote it."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        match = _LAST.search(os.pread(descriptor, _TAIL, max(0, size - _TAIL)))
        if match is not None:
            return {"format": int(match[1])}
        try:
            return _up_to_format(os.pread(descriptor, _HEAD, 0).decode(errors="replace"))
        except ValueError:  # written by another hand, or there is more before it
            return json.loads(os.pread(descriptor, size, 0))
    finally:
        os.close(descriptor)


def _up_to_format(text: str) -> dict[str, Any]:
    """The members of a JSON object up to `format`, no spaces between; ValueError if `text` is not so or ends before."""
    found: dict[str, Any] = {}
    opening, at = '{"', 0
    while "format" not in found:
        if not text.startswith(opening, at):
            raise ValueError("no object, or not written closely")
        key, at = _DECODER.raw_decode(text, at + 1)
        found[key], at = _DECODER.raw_decode(text, at + 1)
        opening = ',"'
    if at == len(text):
        raise ValueError("cut off")  # perhaps within the number
    return found
