"""What the store asks of a disk, in steps that happen whole or not at all.

The law: a file is created once and never written again; a name changes by a rename; and what a later
step relies on is on the disk, not only in memory, before that step begins.
"""

import errno
import os
import shutil
import stat
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def make_folder(path: Path) -> None:
    """Makes the folder `path` where it is missing, and the folders above it, and keeps them over a power cut.

    NotADirectoryError if something else has that name.
    """
    if not path.is_dir():
        make_folder(path.parent)
        try:
            path.mkdir(exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, "it is not a folder", str(path)) from None
        sync(path.parent)


def create(path: Path, content: bytes, mode: int) -> None:
    """A new file with exactly this mode, whatever the umask. FileExistsError if anything has that name."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, content)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def name_again(old: Path, new: Path, content: bytes, mode: int) -> bool:
    """Gives the file `old` the name `new`, too, if it holds just that and has that mode; says whether it did.

    False, too, where the file system has no second names, or the file has too many, or is another user's.
    """
    try:
        descriptor = os.open(old, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            state = os.fstat(descriptor)
            is_same = (state.st_mode, state.st_size) == (stat.S_IFREG | mode, len(content))
            if not is_same or os.read(descriptor, len(content) + 1) != content:
                return False
        finally:
            os.close(descriptor)
        os.link(old, new, follow_symlinks=False)
    except OSError:
        return False
    return True


def write_all(descriptor: int, content: bytes) -> None:
    """All of `content`: one write may take less than it is given."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync(path: Path) -> None:
    """A file's content, or the names in a folder, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_filesystem(path: Path) -> None:
    """Everything on the file system of `path`: far quicker for many files than one after the other."""
    import ctypes  # only large builds need it

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "syncfs"):  # Linux alone has it
        os.sync()
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(path))
    finally:
        os.close(descriptor)


def swap_link(link: Path, target: str) -> None:
    """Makes `link` lead to `target`. Who follows it meanwhile meets the old target or the new one, never none."""
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)  # left by a process that was killed
    new.symlink_to(target)
    new.replace(link)
    sync(link.parent)


def replace_tree(new: Path, place: Path, aside: Path) -> None:
    """Puts the folder `new` at `place`; what was there goes to `aside`. All three are in one folder.

    In one step where the kernel can exchange two names (Linux 3.15), so that `place` is never missing.
    """
    if _exchange(new, place):
        new.rename(aside)
    else:
        place.rename(aside)
        new.rename(place)


def discard(path: Path) -> None:
    """Removes a file, or a folder with everything in it, folders without write permission included."""
    if path.is_symlink() or not path.is_dir():
        path.unlink()
    else:
        _open_up(path)
        shutil.rmtree(path)


def _exchange(one: Path, other: Path) -> bool:
    """Exchanges two names; False where the kernel, the C library or the file system cannot."""
    import ctypes  # only a damaged object needs it

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)


def _open_up(folder: Path) -> None:
    folder.chmod(0o700)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _open_up(Path(entry.path))
