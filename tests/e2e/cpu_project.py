"""A project for this machine's CPU, made as a person makes one: a profile, `discover`, a stub filled in, `compile`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command import Done, stowplan
from e2e.engine import Server, bare_environment

PROFILE = """\
[engine.vllm]
version = "0.32.0"
executable = "{executable}"

[roots]
weights = "{weights}"

[serving]
bind = "127.0.0.1"
ports = "{port}-{port}"

[defaults.vllm]
enforce-eager = true
max-num-seqs = 4

[defaults.env]
HF_HUB_OFFLINE = "1"
VLLM_CPU_KVCACHE_SPACE = "1"  # GiB; else vLLM wants 92 % of the memory, and may not start
VLLM_NO_USAGE_STATS = "1"
"""
STRAY = {"VLLM_HOST_IP": "203.0.113.7"}


@dataclass(frozen=True, slots=True)
class CpuProject:
    """A project of one profile, `cpu`, and one model, whose folder in models.d discover named."""

    folder: Path
    model: str
    port: int

    @property
    def overlay(self) -> Path:
        """The file that a person edits."""
        return self.folder / "models.d" / self.model / "cpu.toml"

    @property
    def script(self) -> Path:
        """The generated launch script."""
        return self.folder / "build/current/cpu/launch" / f"{self.model}.sh"

    @property
    def row(self) -> dict[str, Any]:
        """The model's entry of the published registry."""
        registry = json.loads((self.folder / "build/current/cpu/model_registry.json").read_text("utf-8"))
        (row,) = registry
        return dict(row)

    def run(self, *arguments: str) -> Done:
        """`stowplan ARGUMENTS`, which must end well."""
        done = stowplan(self.folder, *arguments)
        assert done.code == 0, done.err
        return done

    def server(self) -> Server:
        """What the launch script starts, in a shell where a stray variable would configure vLLM."""
        return Server([self.script], self.port, self.folder / "server.log", bare_environment() | STRAY)


def discovered(folder: Path, executable: Path, weights: Path, port: int) -> CpuProject:
    """A project whose one model, found below the folder `weights`, has a stub and no settings yet."""
    profile = folder / "profiles/cpu.toml"
    profile.parent.mkdir(parents=True)
    profile.write_text(PROFILE.format(executable=executable, weights=weights, port=port), encoding="utf-8")
    (folder / "models.d").mkdir()
    done = stowplan(folder, "discover")
    assert done.code == 0, done.err
    (model,) = (path.name for path in (folder / "models.d").iterdir())
    return CpuProject(folder, model, port)


def fill_in(project: CpuProject, settings: str) -> None:
    """Turn the stub into an overlay, as its first line says: take the status away, write settings below."""
    stub = project.overlay.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in stub if not line.startswith("status")]
    assert len(kept) == len(stub) - 1
    project.overlay.write_text("".join(kept) + settings, encoding="utf-8")
