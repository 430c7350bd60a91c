"""The store's tests once more, as a user whom modes stop: root, whom containers and CI often are, may do anything."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_cases import MEMORY

NOBODY = 65534
HERE = Path(__file__).parent
SOURCE = HERE.parents[2] / "compiler/stowplan"
INTERPRETERS = (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3")


def as_nobody(command: list[str], folder: Path, *paths: Path) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        command,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of nobody's with a copy of the sources, since those may be closed to others as pytest's folders are."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        copy = Path(name)
        copy.chmod(0o755)
        shutil.copytree(SOURCE, copy / "compiler/stowplan", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(HERE, copy / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        for path in (copy, *copy.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        yield copy


def runnable(folder: Path, packages: Path) -> str:
    """An interpreter that nobody may run, and that finds pytest; skips where there is none."""
    program = "import sys, pytest; sys.exit(sys.version_info < (3, 11))"
    for interpreter in INTERPRETERS:
        try:
            if as_nobody([interpreter, "-c", program], folder, packages).returncode == 0:
                return interpreter
        except OSError:
            continue
    pytest.skip(f"no Python of {', '.join(INTERPRETERS)} runs as nobody and reads {packages}")


@pytest.mark.skipif(os.geteuid() != 0, reason="this is another user than root already")
def test_the_stores_tests_pass_as_nobody(folder: Path) -> None:
    """All but the slow ones to which modes make no difference."""
    packages = Path(pytest.__file__).parents[1]
    options = ["-q", "-rs", "-p", "no:cacheprovider", "-k", "not interrupted_after"]
    options += [f"--ignore=tests/{name}.py" for name in (Path(__file__).stem, "test_store_laws", "test_store_durable")]
    command = [runnable(folder, packages), "-m", "pytest", *options, "tests"]
    ran = as_nobody(command, folder, folder / "compiler", packages)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "skipped" not in ran.stdout, "no test was left out, least of all because of root"
