"""A power cut loses what was not flushed: so nothing may get its name before what is under it was.

The disk is modelled by what is not flushed yet: a file that was written, a folder in which a name changed.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from store_cases import A, B, C

from stowplan.nouns.artifact import Build
from stowplan.store import objects
from stowplan.store.publish import publish, rollback, use

Renamed = Callable[[Path, set[Path]], None]


@contextmanager
def unflushed(renamed: Renamed) -> Iterator[set[Path]]:
    """What is not flushed, as it changes; `renamed` is told of each rename's new name, and of what is not then."""
    waiting: set[Path] = set()

    def of(descriptor: int) -> Path:
        return Path(f"/proc/self/fd/{descriptor}").readlink()

    def opening(path: Path, flags: int, *_: int) -> None:
        if flags & os.O_CREAT and not os.path.lexists(path):
            waiting.add(Path(path).parent)

    def renaming(_: Path, new: Path) -> None:
        renamed(Path(new), set(waiting))
        waiting.add(Path(new).parent)

    hooks: dict[str, Callable[..., object]] = {
        "open": opening,
        "write": lambda descriptor, _: waiting.add(of(descriptor)),
        "fchmod": lambda descriptor, _: waiting.add(of(descriptor)),
        "chmod": lambda path, _, **__: waiting.add(Path(path)),
        "mkdir": lambda path, _: waiting.add(Path(path).parent),
        "symlink": lambda _, path, *__: waiting.add(Path(path).parent),
        "rename": renaming,
        "replace": renaming,
        "fsync": lambda descriptor: waiting.discard(of(descriptor)),
    }

    def hooked(hook: Callable[..., object], real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            hook(*args, **named)
            return real(*args, **named)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name, hook in hooks.items():
            patch.setattr(os, name, hooked(hook, getattr(os, name)))
        patch.setattr(objects, "sync_filesystem", lambda _: waiting.clear())
        yield waiting


@pytest.mark.parametrize("few", [objects.FEW, 1])
def test_what_a_name_stands_for_is_flushed_before_it_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(objects, "FEW", few)
    build = tmp_path / "build"
    names: list[str] = []

    def renamed(new: Path, waiting: set[Path]) -> None:
        names.append(new.name)
        assert waiting <= {new.parent}, "the folder's own names are flushed after the rename"

    def put(new: Build) -> None:
        publish(build, new, commit=None, changed=())

    with unflushed(renamed) as waiting:
        for act in (
            lambda: put(A),
            lambda: put(B),
            lambda: put(A),
            lambda: rollback(build, 1, commit=None),
            lambda: put(C),
            lambda: use(build, "card"),
        ):
            act()
            assert waiting == set()
    assert names.count("current") == 5
    assert names.count("active") == 1
    assert len(set(names)) == 2 + 7  # three roots and cards, and what they share
