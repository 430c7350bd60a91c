"""The start of a project."""

import os
from pathlib import Path

from stowplan.engines.flags import versions

_PROFILE = """\
#:schema ../build/active/schema/profile.json
# One GPU set-up: what is here, and what every model of it has in common.

[gpu]
name = "NVIDIA GeForce RTX 4080"     # as nvidia-smi says
count = 1
memory = "16376 MiB"                 # of each card
reserved = "0 MiB"                   # what else uses the card, a desktop for instance
capability = "8.9"                   # nvidia-smi --query-gpu=compute_cap --format=csv

[engine.vllm]
version = "{version}"                    # flags are checked against this very version
executable = "/opt/vllm-{version}/bin/vllm"

[roots]
weights = "/srv/models"              # `stowplan discover` looks for models below it

[serving]
mode = "one-at-a-time"               # or "together"; then every model needs a port of its own
bind = "127.0.0.1"                   # where servers listen
connect = "127.0.0.1"                # where consumers find them
ports = "24001-24001"

[defaults.vllm]
gpu-memory-utilization = 0.9
"""
_TOMBI = """\
# Editors with Tombi: what the TOML files of this project may hold, and what it means. The schemas are written by
# `stowplan compile`, with the flags of the engine versions that this machine's profile pins (`stowplan use PROFILE`).
[[schemas]]
path = "build/active/schema/base.json"
include = ["models.d/*/base.toml"]                 # first: the first that fits is taken

[[schemas]]
path = "build/active/schema/overlay.json"
include = ["models.d/*/*.toml"]

[[schemas]]
path = "build/active/schema/profile.json"
include = ["profiles/*.toml"]
"""
_TAPLO = """\
# Editors with Taplo (Even Better TOML): what the TOML files of this project may hold, and what it means. The schemas
# are `stowplan compile`'s, with the flags of the engine versions that this machine's profile pins (`stowplan use`).
[[rule]]
include = ["models.d/*/base.toml"]
schema.path = "build/active/schema/base.json"

[[rule]]
include = ["models.d/*/*.toml"]
exclude = ["models.d/*/base.toml"]
schema.path = "build/active/schema/overlay.json"

[[rule]]
include = ["profiles/*.toml"]
schema.path = "build/active/schema/profile.json"
"""
_FILES = {
    "profiles/{profile}.toml": _PROFILE,
    "models.d/.gitkeep": "",
    "tombi.toml": _TOMBI,
    ".taplo.toml": _TAPLO,
    "build/.gitignore": "# Outputs: made by `stowplan compile`, never edited, never committed.\n*\n!.gitignore\n",
}


def start_project(folder: Path, profile: str) -> list[Path]:
    """Write the files of a new project where there are none. Out: the ones that were made. Raises OSError."""
    made = []
    for name, text in _FILES.items():
        path = folder / name.format(profile=profile)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(path):
            with path.open("x", encoding="utf-8") as file:
                file.write(text.replace("{version}", versions("vllm")[-1]))
            made.append(path)
    return made
