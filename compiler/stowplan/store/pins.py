"""Pins: names that people give to generations, which are then kept until the name is taken off.

The law: `pins/<name>` is a link that changes by a rename. Consumers may follow it as they follow `current`.

    pins/stable -> ../generations/41
"""

import os
import re
from pathlib import Path

from stowplan.nouns.names import unsafe
from stowplan.store.disk import make_folder, swap_link, sync
from stowplan.store.errors import StoreError, told
from stowplan.store.generations import GENERATIONS, digest_of_generation

PINS = "pins"

_TO_GENERATION = re.compile(rf"\.\./{GENERATIONS}/([1-9][0-9]*)")


class PinError(StoreError):
    """There is no such pin, or there can be none."""


def pins(build: Path) -> dict[str, int]:
    """Every pin's name and the number of its generation, by name. Raises `StoreError`."""
    return {name: int(match[1]) for name, to in links(build).items() if (match := _TO_GENERATION.fullmatch(to))}


def links(build: Path) -> dict[str, str]:
    """Everything in `pins/`, name → where it leads, which is nowhere ("") for what is no link. Raises `StoreError`."""
    folder = build / PINS
    with told("read", folder):
        if not folder.exists():
            return {}
        found = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
        return {path.name: str(path.readlink()) if path.is_symlink() else "" for path in found}


def pin(build: Path, name: str, number: int) -> int | None:
    """Makes `name` mean generation `number`, durably. Out: which it meant before, None if none.

    The caller holds the lock. Raises `PinError` if that can be no name, `NoGenerationError`, `StoreError`.
    """
    why = unsafe(name) or ("a number is a generation's own name" if name.isdecimal() else None)
    if why is not None:
        raise PinError(f"`{name}` cannot name a pin: {why}")
    digest_of_generation(build, number)
    before = pins(build).get(name)
    link = build / PINS / name
    with told("write", link):
        make_folder(link.parent)
        if os.path.lexists(link) and not link.is_symlink():
            raise PinError(f"`{link}` is no link; move it away")
        swap_link(link, f"../{GENERATIONS}/{number}")
    return before


def unpin(build: Path, name: str) -> int:
    """Takes a name off, durably. Out: the generation it meant. The caller holds the lock. Raises `PinError`."""
    number = pinned(build, name)
    link = build / PINS / name
    with told("remove", link):
        link.unlink()
        sync(link.parent)
    return number


def pinned(build: Path, name: str) -> int:
    """The generation that a pin's name means. Raises `PinError`."""
    known = pins(build)
    if name not in known:
        raise PinError(f"there is no pin `{name}`; there are: {', '.join(known) or 'none yet'}")
    return known[name]
