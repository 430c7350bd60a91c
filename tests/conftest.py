"""What holds for all tests."""

import os

import pytest
from hypothesis import settings

# A deadline is a timed assertion: it fails on a busy machine, and says nothing of the code. What is drawn at
# random is drawn anew by those who develop; a run that must be repeatable draws the same each time.
settings.register_profile("stowplan", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("stowplan")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips what takes minutes unless it was asked for by its mark, as `make test-full` does."""
    if item.get_closest_marker("full") and "full" not in item.config.option.markexpr:
        pytest.skip("takes minutes: `make test-full` runs it")
