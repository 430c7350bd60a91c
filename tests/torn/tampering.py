"""Changes to a published build, one at random: bits flipped, files cut, deleted or added, modes, links led elsewhere.

Times are put back to what they were, so that nothing but the content tells.
"""

import os
import random
import stat
from collections.abc import Callable
from pathlib import Path

Tamper = Callable[[Path, random.Random], str | None]
"""Changes something in the folder of an object. Out: its path from there; None if there is nothing of the kind."""


def flip(place: Path, dice: random.Random) -> str | None:
    """One bit of a file."""
    path = dice.choice(_files(place))
    content = bytearray(path.read_bytes())
    if not content:
        return None
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return _rewritten(place, path, bytes(content))


def cut(place: Path, dice: random.Random) -> str | None:
    """The end of a file."""
    path = dice.choice(_files(place))
    content = path.read_bytes()
    return _rewritten(place, path, content[: dice.randrange(len(content))]) if content else None


def lengthen(place: Path, dice: random.Random) -> str | None:
    """A few bytes more, zeros among them."""
    path = dice.choice(_files(place))
    return _rewritten(place, path, path.read_bytes() + dice.choice((b"\0", b"\n", b" ", b"more")))


def swap(place: Path, dice: random.Random) -> str | None:
    """A file's content for that of another."""
    one, other = dice.choice(_files(place)), dice.choice(_files(place))
    content = other.read_bytes()
    return _rewritten(place, one, content) if content != one.read_bytes() else None


def delete(place: Path, dice: random.Random) -> str | None:
    """A file, a link, or a folder with all that is in it."""
    path = dice.choice(list(place.rglob("*")))
    _open(path.parent)
    _remove(path)
    return _closed(place, path)


def add(place: Path, dice: random.Random) -> str | None:
    """A file, a folder, a link or a pipe that is not part of the build."""
    folder = dice.choice([place, *(path for path in place.rglob("*") if _is_folder(path))])
    path = folder / dice.choice(("more", ".hidden", "model_registry.json~", "\udcff", "new\nline"))
    _open(folder)
    make: Callable[[], object] = dice.choice(
        (path.touch, path.mkdir, lambda: path.symlink_to("."), lambda: os.mkfifo(path))
    )
    make()
    return _closed(place, path)


def change_mode(place: Path, dice: random.Random) -> str | None:
    """The mode of a file or folder, the object's own among them; setuid and such, too."""
    path = dice.choice([place, *(path for path in place.rglob("*") if not path.is_symlink())])
    before = stat.S_IMODE(path.stat().st_mode)
    path.chmod(dice.choice([mode for mode in (0o644, 0o755, 0o555, 0o444, 0o400, 0o4555, 0o1555) if mode != before]))
    return str(path.relative_to(place))


def retarget(place: Path, dice: random.Random) -> str | None:
    """Where a link leads."""
    links = [path for path in place.iterdir() if path.is_symlink()]
    if not links:
        return None
    path = dice.choice(links)
    others = [name.name for name in place.parent.iterdir() if f"../{name.name}" != str(path.readlink())]
    _open(place)
    path.unlink()
    path.symlink_to(dice.choice([f"../{dice.choice(others)}", "../" + "0" * 64, f"../../store/{others[0]}", "/", "."]))
    return _closed(place, path)


def replace(place: Path, dice: random.Random) -> str | None:
    """A file by a link to a copy of it, by a folder or by a pipe."""
    path = dice.choice(_files(place))
    copy = place.parent.parent / "copy"
    copy.write_bytes(path.read_bytes())
    copy.chmod(path.stat().st_mode)
    _open(path.parent)
    path.unlink()
    make: Callable[[], object] = dice.choice((path.mkdir, lambda: path.symlink_to(copy), lambda: os.mkfifo(path)))
    make()
    return _closed(place, path)


TAMPERS: tuple[Tamper, ...] = (flip, cut, lengthen, swap, delete, add, change_mode, retarget, replace)


def tamper(store: Path, dice: random.Random) -> tuple[str, str, str]:
    """One change somewhere in a store. Out: what was done, to which object (its digest), and to what in it."""
    while True:
        place = dice.choice(sorted(store.iterdir()))
        change = dice.choice(TAMPERS)
        path = change(place, dice)
        if path is not None:
            return change.__name__, place.name, path


def _files(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file() and not path.is_symlink())


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _rewritten(place: Path, path: Path, content: bytes) -> str:
    """With its mode and its times as they were. It gets an inode of its own: it may have other names."""
    state = path.stat()
    _open(path.parent)
    path.unlink()
    path.write_bytes(content)
    path.chmod(stat.S_IMODE(state.st_mode))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    return _closed(place, path)


def _remove(path: Path) -> None:
    if _is_folder(path):
        _open(path)
        for inner in path.iterdir():
            _remove(inner)
        path.rmdir()
    else:
        path.unlink()


def _open(folder: Path) -> None:
    folder.chmod(0o755)


def _closed(place: Path, path: Path) -> str:
    path.parent.chmod(0o555)
    return str(path.relative_to(place))
