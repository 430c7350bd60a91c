"""The causes that showed in what ran: consumers with old files, a server with old arguments, a silent death."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import stowplan
from e2e.engine import cmdline, free_port, wait_until
from fake_server import PROFILE, Served, served
from stowplan.read import Registry, Snapshot

NAME = "qwen2.5-vl-7b-instruct"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, free_port()) as made:
        made.overlay(NAME, "[vllm]\nmax-model-len = 4096\n")
        made.run("use", PROFILE)
        yield made


def told_length(project: Served) -> int:
    """What the running server says of its context."""
    url = f"http://127.0.0.1:{project.row(NAME)['backend_config']['port']}/v1/models"
    with urllib.request.urlopen(url) as answer:
        length: int = json.load(answer)["data"][0]["max_model_len"]
        return length


def test_cause_4_consumers_each_loaded_a_different_file_and_cached_it_for_ever(project: Served) -> None:
    """Fails if a consumer can hold an old registry, or finds one anywhere but in the build.

    Tried: `Registry.snapshot` giving the first snapshot for ever.
    """
    build = project.folder / "build"
    asking, following = Registry(build), Registry(build, PROFILE)
    seen: list[Snapshot] = []
    with following.subscribe(seen.append):
        for length in (4096, 2048, 1024):
            project.overlay(NAME, f"[vllm]\nmax-model-len = {length}\n")
            expected = ["--gpu-memory-utilization", "0.9", "--max-model-len", str(length)]
            file = json.loads((build / "active/model_registry.json").read_text("utf-8"))
            assert file[0]["backend_config"]["extra_args"] == expected
            assert list(asking.snapshot().get(NAME).raw["backend_config"]["extra_args"]) == expected
            generation = asking.snapshot().generation
            assert wait_until(lambda number=generation: bool(seen) and seen[-1].generation == number, 10)
            assert list(seen[-1].get(NAME).argv) == list(asking.snapshot().get(NAME).argv)
    elsewhere = [
        p for p in project.folder.rglob("*.json") if build not in p.parents and b"extra_args" in p.read_bytes()
    ]
    assert elsewhere == []


def test_cause_5_a_server_was_reused_because_its_name_matched(project: Served) -> None:
    """Fails if `up` takes a server for the right one by name, port or executable.

    Tried: `up` leaving alone whatever answers with the served name.
    """
    project.run("up", NAME, "--timeout", "120")
    (before,) = project.pids()
    assert told_length(project) == 4096
    project.run("up", NAME, "--timeout", "120")
    assert project.pids() == [before]

    project.overlay(NAME, "[vllm]\nmax-model-len = 2048\n")
    assert stowplan(project.folder, "status", "--check").code == 3
    project.run("up", NAME, "--timeout", "120")
    (after,) = project.pids()
    assert after != before
    assert told_length(project) == 2048
    assert "2048" in cmdline(after)
    assert stowplan(project.folder, "status", "--check").code == 0


def test_cause_7_a_launch_that_failed_showed_up_later_as_not_healthy_in_time(project: Served) -> None:
    """Fails if the end of a server is not told at once, with its own words: it would take the two minutes.

    Tried: `wait_until_healthy` looking at the port alone.
    """
    last = "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`."
    project.behave(logs=("INFO starting", last), dies_with=1)
    done = stowplan(project.folder, "up", NAME, "--timeout", "120")
    assert done.code == 1
    assert last in done.err
    assert "healthy in time" not in done.err
    assert project.pids() == []
