"""Paths that begin with a named root: `weights:Qwen/model` means that path below the root `weights`."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

_ROOTED = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):(?!//)(.*)", re.DOTALL)


def split(text: str) -> tuple[str, str] | None:
    """`weights:a/b` → (`weights`, `a/b`); None where no root could be meant (`http://...`, plain text)."""
    if ":" not in text:
        return None
    match = _ROOTED.fullmatch(text)
    return None if match is None else (match[1], match[2])


def is_inside(path: str) -> bool:
    """Whether a relative path stays below where it starts: not absolute, no `..`, no empty text."""
    return bool(path) and not path.startswith("/") and "\0" not in path and ".." not in PurePosixPath(path).parts


def below(root: str, path: str) -> str:
    """`path` below the folder `root`, without what means nothing: doubled slashes, dots, a slash at the end."""
    joined = f"{root}/{path}"
    if root[:1] == "/" and joined[-1] != "/" and "//" not in joined and "/." not in joined:
        return joined  # as pathlib has it, in a fraction of the time
    return str(PurePosixPath(root, path))


def resolve(value: Any, roots: Mapping[str, str]) -> Any:
    """`value` with every string that begins with a known root made absolute, also inside tables and lists."""
    if isinstance(value, str):
        parts = split(value)
        return value if parts is None or parts[0] not in roots else below(roots[parts[0]], parts[1])
    if isinstance(value, list):
        return [resolve(item, roots) for item in value]
    if isinstance(value, dict):
        return {key: resolve(item, roots) for key, item in value.items()}
    return value
