"""A vLLM that only tells how it was called, installed as the real one is; and a launch script that starts it."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emit_projects import artifacts_of, rows_of
from sources import facts, sources, toml
from stowplan.nouns.facts import ModelFile

VERSION = "0.11.0"
BODY = """#!/bin/sh
/bin/cat /proc/$$/cmdline > "${0%/*}/cmdline"
/bin/cat /proc/$$/environ > "${0%/*}/environ"
"""


@dataclass(frozen=True, slots=True)
class Call:
    """How the fake was called: its command line as the registry writes it, and its environment."""

    argv: list[str]
    environment: dict[str, str]


@dataclass(frozen=True, slots=True)
class Fake:
    """An installation of the fake in `prefix`, and the call it was started with last."""

    prefix: Path

    @property
    def executable(self) -> Path:
        """What the profile names."""
        return self.prefix / "bin/vllm"

    def call(self) -> Call | None:
        """The last call, told once; None if there was none."""
        try:
            _shell, *argv = _strings(self.prefix / "bin/cmdline")
        except FileNotFoundError:
            return None
        variables = dict(text.split("=", 1) for text in _strings(self.prefix / "bin/environ"))
        (self.prefix / "bin/cmdline").unlink()
        return Call(argv, variables)


def install(prefix: Path, *dist_infos: str) -> Fake:
    """The fake in an environment like one of `python -m venv`, with these dist-info folders beside it."""
    packages = prefix / "lib/python3.11/site-packages"
    for name in dist_infos or (f"vllm-{VERSION}",):
        (packages / f"{name}.dist-info").mkdir(parents=True)
    packages.mkdir(parents=True, exist_ok=True)
    (prefix / "bin").mkdir()
    (prefix / "bin/python3").symlink_to(sys.executable)
    (prefix / "bin/vllm").write_text(BODY)
    (prefix / "bin/vllm").chmod(0o755)
    return Fake(prefix)


@dataclass(frozen=True, slots=True)
class Launchable:
    """A model in `folder/weights/org/model`, its launch script, and what the registry says of it."""

    folder: Path
    fake: Fake
    script: Path
    argv: list[str]
    digest: str

    @property
    def model(self) -> Path:
        """The folder of the weights."""
        return self.folder / "weights/org/model"

    def run(
        self, *arguments: str, environment: Mapping[str, str] | None = None, command: Sequence[str] = ()
    ) -> "subprocess.CompletedProcess[str]":
        """The script run to its end, with `command` in place of its path where one is given."""
        return subprocess.run(
            [*(command or [str(self.script)]), *arguments],
            env=dict(os.environ if environment is None else environment),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def launchable(
    folder: Path,
    fake: Fake,
    *,
    port: int,
    overlay: str = "",
    top: str = "",
    bind: str = "127.0.0.1",
    pass_env: Sequence[str] = (),
    executable: Path | None = None,
    version: str = VERSION,
) -> Launchable:
    """A model and its script under `folder`: `top` is what the overlay says, `overlay` its tables."""
    profile = (
        f"[engine.vllm]\n{toml({'version': version, 'executable': str(executable or fake.executable)})}"
        f"[roots]\n{toml({'weights': str(folder / 'weights')})}"
        f"[serving]\n{toml({'bind': bind, 'ports': f'{port}-{port}', 'pass-env': list(pass_env)})}"
    )
    files = (
        ModelFile(path="config.json", size=2, sha256="0" * 64),
        ModelFile(path="model.safetensors", size=10, header_sha256="0" * 64),
    )
    given = sources(
        {
            "profiles/rtx.toml": profile,
            "models.d/qwen/discovered.json": facts("org/model", files=files),
            "models.d/qwen/rtx.toml": f"{top}\n{overlay}",
        }
    )
    script = folder / "launch" / "qwen.sh"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.unlink(missing_ok=True)
    script.write_bytes(artifacts_of(given, "rtx")["launch/qwen.sh"].content)
    script.chmod(0o555)
    model = folder / "weights/org/model"
    model.mkdir(parents=True, exist_ok=True)
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(bytes(10))
    (row,) = rows_of(given, "rtx").values()
    return Launchable(folder, fake, script, row["backend_config"]["argv"], row["metadata"]["launch_digest"])


def _strings(file: Path) -> list[str]:
    """The NUL-terminated strings of a file, as Python reads arguments."""
    return [os.fsdecode(text) for text in file.read_bytes().split(b"\0")[:-1]]
