"""The incident, and the causes of it that a compiler can take away: each must be impossible by construction.

A model was downloaded, its owner wrote `--max-model-len 4096 --enforce-eager --trust-remote-code` for it,
every file looked right, and the server started with a context of 128K and died.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import tiny_model
from causes.incident import BASE, LONGEST, MODEL, NAME, OVERLAY, Project, curate, download, make

CURATED = ["--enforce-eager", "--gpu-memory-utilization", "0.75", "--max-model-len", "4096", "--trust-remote-code"]


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """Downloaded and discovered; nobody wrote anything yet."""
    return make(tmp_path)


@pytest.fixture
def project(fresh: Project) -> Project:
    """With what the owner wrote."""
    return curate(fresh)


def test_the_incident(project: Project) -> None:
    """Fails if a layer's flags do not reach the launch, or an output says another.

    Tried: `_options` of stages/plan/launch.py passing over what base.toml says.
    """
    known = json.loads(project.file("discovered.json").read_text("utf-8"))
    assert known["context"]["tokens"] == LONGEST
    project.run("compile")
    row = project.registry()[NAME]
    assert row["backend_config"]["extra_args"] == CURATED
    assert project.started() == project.printed() == row["backend_config"]["argv"]
    assert project.started()[-len(CURATED) :] == CURATED


def test_cause_1_saving_wrote_curated_rows_into_the_discovered_file(project: Project) -> None:
    """Fails if any verb writes settings into discovered.json, or `discover` writes over an overlay that exists.

    Tried: `publish_tree` of pipeline.py noting in discovered.json that it saved.
    """
    before = files(project.folder / "models.d")
    for verb in (["discover"], ["compile"], ["show", MODEL], ["discover"], ["new"], ["compile"]):
        project.run(*verb)
        assert files(project.folder / "models.d") == before, verb
    download(project.weights / "Qwen/Qwen2.5-VL-7B-Instruct-AWQ", max_position_embeddings=2 * LONGEST)
    project.run("discover")
    after = files(project.folder / "models.d")
    assert {name for name in after if after[name] != before.get(name)} == {f"{MODEL}/discovered.json"}
    for setting in (b"max-model-len", b"enforce-eager", b"trust-remote-code", b"4096", b"args"):
        assert setting not in after[f"{MODEL}/discovered.json"]


def test_cause_2_two_opposite_merges_existed(project: Project) -> None:
    """Fails if the layers are laid in another order, a row is taken whole, or an output merges for itself.

    Tried: `_subject` of stages/merge laying base.toml over the overlay.
    """
    project.file("base.toml").write_text(BASE + "max-model-len = 8192\n", encoding="utf-8")  # the overlay says 4096
    for _ in ("loaded", "saved and loaded again"):
        project.run("compile")
        project.run("discover")
        argv = project.registry()[NAME]["backend_config"]["argv"]
        assert argv[-len(CURATED) :] == CURATED
        assert project.printed() == argv
        assert json.loads(project.run("show", MODEL, "--format", "json").out) == project.registry()[NAME]
        tokens = [token for part in provenance(project)["argv"] for token in part["tokens"]]
        assert tokens == argv
        explained = project.run("explain", f"{MODEL}:max-model-len").out
        assert "max-model-len = 4096" in explained
        assert "over 8192" in explained
        assert project.run("diff", "--check").out == "no difference\n"


def test_cause_3_the_snapshot_was_read_back_as_input(project: Project) -> None:
    """Fails if anything that was published finds its way into what is published next.

    Tried: `publish_tree` of pipeline.py adding the current registry's rows to the new one.
    """
    second = "florence-2-large"
    download(project.weights / "microsoft/Florence-2-large", hidden_size=128)
    project.run("discover")
    project.overlay(second).write_text(OVERLAY, encoding="utf-8")
    project.run("compile")
    registry = project.build / "model_registry.json"
    honest = registry.read_bytes()
    assert project.registry().keys() == {NAME, second}

    registry.chmod(0o644)
    registry.write_bytes(honest.replace(b'"4096"', b'"9999"'))  # a hand edit, of what nobody may edit
    project.run("compile")
    assert registry.read_bytes() == honest

    registry.chmod(0o644)
    registry.write_bytes(honest.replace(b'"4096"', b'"9999"'))
    shutil.rmtree(project.file("", second))  # a deleted row
    project.run("compile")
    assert project.registry().keys() == {NAME}
    assert b"9999" not in (project.build / "model_registry.json").read_bytes()
    assert b"9999" not in (project.build / f"launch/{MODEL}.sh").read_bytes()


def test_cause_6_an_empty_list_in_a_stub_beat_real_values(fresh: Project) -> None:
    """Fails if a stub sets anything, a table replaces the one below, or `unset` and absent become the same.

    Tried: `_tables` of stages/merge/sheets.py letting an empty table stand in place of a full one.
    """
    stub = fresh.overlay().read_text("utf-8")
    assert 'status = "stub"' in stub
    assert [line for line in stub.splitlines() if line and not line.startswith(("#", "status"))] == []

    fresh.file("base.toml").write_text(BASE + "max-model-len = 4096\nenforce-eager = true\n", encoding="utf-8")
    fresh.overlay().write_text("[vllm]\n", encoding="utf-8")  # empty, which says nothing
    fresh.run("compile")
    assert fresh.registry()[NAME]["backend_config"]["extra_args"] == CURATED

    fresh.overlay().write_text('unset = ["vllm.enforce-eager"]\n', encoding="utf-8")
    fresh.run("compile")
    assert fresh.registry()[NAME]["backend_config"]["extra_args"] == CURATED[1:]

    fresh.overlay().write_text("[vllm]\nmiddleware = []\nenforce-eager = false\n", encoding="utf-8")
    fresh.run("compile")
    assert fresh.registry()[NAME]["backend_config"]["extra_args"] == ["--no-enforce-eager", *CURATED[1:]]
    assert provenance(fresh)["settings"]["vllm.middleware"][0]["value"] == []


@pytest.mark.parametrize("own", [True, False], ids=["the model's own port", "the profile's port"])
def test_cause_8_registry_launcher_and_client_had_three_ports(project: Project, own: bool) -> None:
    """Fails if one of them takes its port from elsewhere than the launch.

    Tried: `_entry` of stages/plan taking the profile's first port where the model has its own.
    """
    first, last = project.ports
    port = last if own else first
    if own:
        project.overlay().write_text(f"port = {port}\n{OVERLAY}", encoding="utf-8")
    project.run("compile")
    config = project.registry()[NAME]["backend_config"]
    assert config["port"] == port
    for argv in (config["argv"], project.started(), project.printed()):
        assert argv[argv.index("--port") + 1] == str(port)
    assert f"http://127.0.0.1:{port}/v1" in project.run("show", MODEL).out


def test_cause_9_names_came_from_facts_that_change(project: Project) -> None:
    """Fails if new facts rename a model or make a second one of it.

    Tried: `match` of discover/match.py forgetting where a model lay.
    """
    project.run("compile")
    folder = project.weights / "Qwen/Qwen2.5-VL-7B-Instruct-AWQ"
    download(folder, model_type="qwen2", architectures=["Qwen2ForCausalLM"], _name_or_path="other/name")
    assert "changed" in project.run("discover").out
    (folder / "model.safetensors").write_bytes(tiny_model.safetensors({"lm_head.weight": (2, 4)}))
    assert "changed" in project.run("discover").out
    assert models(project) == [MODEL]
    moved = folder.rename(folder.with_name("Qwen2.5-VL-7B-Instruct-AWQ-v2"))
    project.run("discover")
    assert models(project) == [MODEL]
    project.run("compile")
    assert project.registry().keys() == {NAME}
    assert project.started()[2] == str(moved)


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def models(project: Project) -> list[str]:
    """The folders of models.d/."""
    return sorted(path.name for path in (project.folder / "models.d").iterdir())


def provenance(project: Project) -> dict[str, Any]:
    """Where the model's entry comes from, as published."""
    (row,) = json.loads((project.build / "provenance.json").read_text("utf-8"))
    return dict(row)
