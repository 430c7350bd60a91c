"""The same inputs give the same bytes, wherever, whenever and by whomever they are compiled."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
INPUTS = ("models.d", "profiles")
Built = dict[str, object]
Order = Callable[[Iterable[Path]], list[Path]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a compile must not notice. `mtime` in seconds; `order` is the one in which the inputs come to disk."""

    folder: str
    umask: int = 0o022
    mtime: int = 1_700_000_000
    order: Order = sorted
    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


def backwards(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, reverse=True)


PLAIN = Surroundings("a", variables={"PYTHONHASHSEED": "0"})
OTHERS = {
    "a private umask, another time zone, C": Surroundings(
        "another place/é ü",
        umask=0o077,
        order=backwards,
        variables={"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "1"},
    ),
    "ASCII alone, without assertions": Surroundings(
        "b",
        mtime=1,
        options=("-O",),
        variables={"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONHASHSEED": "4294967295"},
    ),
    "UTF-8, shared with a group, another home": Surroundings(
        "a/b/c/d",
        umask=0o002,
        mtime=2_500_000_000,
        order=backwards,
        options=("-O", "-X", "utf8"),
        variables={"LC_ALL": "C.UTF-8", "TZ": "America/St_Johns", "HOME": "/nonexistent", "PYTHONHASHSEED": "2"},
    ),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The build of the repository's own models, compiled in plain surroundings."""
    return built(tmp_path_factory.mktemp("plain"), PLAIN)


@pytest.mark.parametrize("others", OTHERS.values(), ids=OTHERS)
def test_the_same_inputs_give_the_same_bytes(plain: Built, others: Surroundings, tmp_path: Path) -> None:
    """Fails if an output holds a path of this machine, a clock's word or a set's order. Tried: a set in roles.json."""
    other = built(tmp_path, others)
    assert other.keys() == plain.keys()
    for name, content in plain.items():
        assert other[name] == content, name


def built(folder: Path, surroundings: Surroundings) -> Built:
    """What a compile makes: the digest it is stored under, and every file with its mode."""
    project = folder / surroundings.folder
    for file in surroundings.order(path for part in INPUTS for path in (REPOSITORY / part).rglob("*")):
        if file.is_file():
            copy = project / file.relative_to(REPOSITORY)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
            os.utime(copy, (surroundings.mtime, surroundings.mtime))
    done = subprocess.run(
        [sys.executable, *surroundings.options, "-m", "stowplan", "compile"],
        cwd=project,
        env=bare_variables() | surroundings.variables,
        umask=surroundings.umask,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    current = project / "build/current"
    files = {str(path.relative_to(current)): path for path in everything(current)}
    return {
        **{name: (path.stat().st_mode, path.read_bytes()) for name, path in files.items()},
        "digest": current.resolve().name,
    }


def everything(build: Path) -> list[Path]:
    """The files of a build, through the links to its profiles."""
    return [path for part in sorted(build.iterdir()) for path in (part, *part.rglob("*")) if path.is_file()]


def bare_variables() -> dict[str, str]:
    """The test's own variables, less those that Python and the locale go by."""
    return {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LC_", "LANG", "STOWPLAN"))
    }
