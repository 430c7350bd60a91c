"""The model whose settings got lost, on a real disk: weights, a project, and every way to ask what it runs with."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tiny_model
from command import Done, stowplan
from e2e.engine import free_port
from fake_vllm import VERSION, Fake, install
from sources import toml

PROFILE = "rtx-4080-16g"
MODEL = "qwen2.5-vl-7b-instruct-awq"
NAME = "qwen2.5-vl-7b-instruct_(AWQ)"
LONGEST = 131072
"""Tokens: what the model takes by itself, and what its server died of."""

BASE = f"""\
name = "{NAME}"
[vllm]
trust-remote-code = true
"""
OVERLAY = """\
[vllm]
max-model-len = 4096
enforce-eager = true
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A project of one profile, whose models lie in `weights` beside it; `ports` are its first and last."""

    folder: Path
    vllm: Fake
    ports: tuple[int, int]

    @property
    def weights(self) -> Path:
        """The profile's one root."""
        return self.folder.parent / "weights"

    @property
    def build(self) -> Path:
        """What consumers of the profile read."""
        return self.folder / "build/current" / PROFILE

    def run(self, *arguments: str) -> Done:
        """`stowplan ARGUMENTS`, which must end well."""
        done = stowplan(self.folder, *arguments)
        assert done.code == 0, done.err + done.out
        return done

    def file(self, name: str, model: str = MODEL) -> Path:
        """A file of a model in models.d/."""
        return self.folder / "models.d" / model / name

    def overlay(self, model: str = MODEL) -> Path:
        """What a person writes for a model on the profile."""
        return self.file(f"{PROFILE}.toml", model)

    def registry(self) -> dict[str, dict[str, Any]]:
        """The published entries by name."""
        rows = json.loads((self.build / "model_registry.json").read_text("utf-8"))
        return {row["name"]: row for row in rows}

    def script(self, *arguments: str, model: str = MODEL) -> str:
        """What the launch script of a model prints."""
        command = [self.build / f"launch/{model}.sh", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    def started(self, model: str = MODEL) -> list[str]:
        """The command line that vLLM is really called with."""
        self.script(model=model)
        call = self.vllm.call()
        assert call is not None
        return call.argv

    def printed(self, model: str = MODEL) -> list[str]:
        """The command line that the script says it would run."""
        return shlex.split(self.script("--print", model=model).replace("\\\n", " "))


def make(folder: Path) -> Project:
    """The project before anyone wrote a setting: a profile, weights, and what `discover` makes of them."""
    vllm = install(folder / "opt")
    first, last = sorted((free_port(), free_port()))
    project = Project(folder / "project", vllm, (first, last))
    download(project.weights / "Qwen/Qwen2.5-VL-7B-Instruct-AWQ")
    profile = (
        toml({"allow": [f"remote-code:{MODEL}"]})
        + "[engine.vllm]\n"
        + toml({"version": VERSION, "executable": str(vllm.executable)})
        + "[roots]\n"
        + toml({"weights": str(project.weights)})
        + "[serving]\n"
        + toml({"bind": "127.0.0.1", "ports": "{}-{}".format(*project.ports)})
        + "[defaults.vllm]\n"
        + toml({"gpu-memory-utilization": 0.75})
    )
    (project.folder / "models.d").mkdir(parents=True)
    (project.folder / "profiles").mkdir()
    (project.folder / f"profiles/{PROFILE}.toml").write_text(profile, encoding="utf-8")
    project.run("discover")
    return project


def curate(project: Project) -> Project:
    """What the owner wrote by hand."""
    project.file("base.toml").write_text(BASE, encoding="utf-8")
    project.overlay().write_text(OVERLAY, encoding="utf-8")
    return project


def download(folder: Path, **config: Any) -> None:
    """A model folder with a 128K context; `config` changes config.json."""
    tiny_model.make(folder)
    file = folder / "config.json"
    content = json.loads(file.read_text("utf-8")) | {"max_position_embeddings": LONGEST} | config
    file.write_text(json.dumps(content), encoding="utf-8")
