"""What the tests of a torn store share."""

import os
import random
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stowplan.store.disk import discard

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where a file system in memory is: thousands of trees are made, flushed and removed."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder, in memory where that can be."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name)
        for path in Path(name).iterdir():
            discard(path)


@pytest.fixture
def seed() -> int:
    """What random choices follow from. A test that fails shows it, and fails again with it."""
    return 0 if "CI" in os.environ else secrets.randbelow(1_000_000)


@pytest.fixture
def dice(seed: int) -> random.Random:
    """Random choices."""
    return random.Random(seed)
