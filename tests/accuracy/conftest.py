"""What the tests of accuracy need: the memory points, and the real engine; skipped with a reason without them."""

from __future__ import annotations

import os
from pathlib import Path

import memory_points
import pytest
from memory_points import Start

from e2e.engine import engine_environment

POINTS = Path(__file__).resolve().parents[3] / "shared/fixtures/memory-points.json"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips the tests of the real engine where it is not set up; under `make test-vllm` they fail instead."""
    if item.get_closest_marker("engine") and engine_environment() is None:
        missing = "no .venv-vllm: `make test-vllm` sets it up"
        if "STOWPLAN_ENGINE_TESTS" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)


@pytest.fixture(scope="session")
def starts() -> list[Start]:
    """The memory points that can be estimated."""
    if not POINTS.is_file():
        pytest.skip(f"no memory points: {POINTS} is not there")
    return memory_points.starts(memory_points.read(POINTS))


@pytest.fixture(scope="session")
def python_of_vllm() -> Path:
    """The interpreter of the real vLLM's environment."""
    environment = engine_environment()
    assert environment is not None
    return environment / "bin/python"
