"""A vLLM that serves: it listens, says what a real one says of itself, and misbehaves as told; and a project for it.

The fake is installed and started as the real one is, through the generated launch script. What it does beside
serving stands in `bin/behaviour.json` next to it, as fields of `Behaviour`.
"""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command import Done, stowplan
from fake_vllm import VERSION
from sources import facts, toml
from stowplan.nouns.facts import ModelFile, Weights

PROFILE = "rtx"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a fake server does. Files are waited for, so that a test decides when things happen.

    `logs` are lines it prints first. `waits_for`: a file that must be there before it listens. `dies_with`:
    its exit status, or the negative number of a signal, instead of serving. `ignores_term`: it and its
    children do. `children`: how many it has. `key`: what it must be asked with. `serves`, `context` and
    `version` are said instead of the truth.
    """

    logs: tuple[str, ...] = ()
    waits_for: str = ""
    dies_with: int | None = None
    ignores_term: bool = False
    children: int = 0
    serves: str = ""
    context: int = 0
    version: str = VERSION
    key: str = ""


PROGRAM = r"""#!PYTHON
import ctypes, http.server, json, os, signal, socket, sys, time

signal.alarm(300)  # in case the test that started this was killed
me = os.path.dirname(sys.argv[0])
act = json.load(open(me + "/behaviour.json"))
words = sys.argv[1:]
flag = lambda name, default: words[words.index(name) + 1] if name in words else default
if act["ignores_term"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
for line in act["logs"]:
    print(line, flush=True)
if (status := act["dies_with"]) is not None:
    os.kill(os.getpid(), -status) if status < 0 else sys.exit(status)
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
sock.bind((flag("--host", "127.0.0.1"), int(flag("--port", "8000"))))
for _ in range(act["children"]):
    if os.fork() == 0:
        signal.alarm(300)
        sock.close()
        ctypes.CDLL(None).prctl(15, b"VLLM::EngineCor", 0, 0, 0)  # PR_SET_NAME
        while True:
            signal.pause()
while act["waits_for"] and not os.path.exists(act["waits_for"]):
    time.sleep(0.01)
model = {
    "id": act["serves"] or flag("--served-model-name", words[1]),
    "max_model_len": act["context"] or int(flag("--max-model-len", "2048")),
    "root": words[1],
}
pages = {"/v1/models": {"data": [model]}, "/version": {"version": act["version"]}}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        wrong = act["key"] and self.path != "/version" and self.headers["Authorization"] != "Bearer " + act["key"]
        body = json.dumps(pages.get(self.path)).encode()
        self.send_response(401 if wrong else 200 if self.path in pages else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


server = http.server.HTTPServer(("", 0), Handler, bind_and_activate=False)
server.socket.close()
server.socket = sock
server.server_activate()
print("Application startup complete.", flush=True)
server.serve_forever()
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A project of one profile whose models the fake serves."""

    folder: Path
    prefix: Path

    def run(self, *arguments: str) -> Done:
        """`stowplan ARGUMENTS`, which must end well."""
        done = stowplan(self.folder, *arguments)
        assert done.code == 0, done.err + done.out
        return done

    def behave(self, **behaviour: Any) -> None:
        """What servers do that are started from now on."""
        file = self.prefix / "bin/behaviour.json"
        file.write_text(json.dumps(dataclasses.asdict(Behaviour(**behaviour))), encoding="utf-8")

    def overlay(self, model: str, text: str) -> None:
        """What a person writes for a model, which makes it one of the project's; then `compile`."""
        file = self.folder / f"models.d/{model}/{PROFILE}.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        digest = model.encode().hex().ljust(64, "0")[:64]
        path = f"org/{model}"
        folder = self.prefix.parent / "weights" / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(bytes(10))
        files = (
            ModelFile(path="config.json", size=2, sha256=digest),
            ModelFile(path="model.safetensors", size=10, header_sha256=digest),
        )
        weights = Weights(format="safetensors", bytes=10, headers_sha256=digest)
        (file.parent / "discovered.json").write_bytes(facts(path, files=files, weights=weights))
        file.write_text(text, encoding="utf-8")
        self.run("compile")

    def script(self, model: str, generation: str = "current") -> Path:
        """A launch script, of a generation's number or the current one."""
        build = self.folder / "build"
        where = build / "current" if generation == "current" else build / "generations" / generation
        return (where / PROFILE).resolve() / f"launch/{model}.sh"

    def row(self, model: str) -> dict[str, Any]:
        """A model's entry of the registry."""
        registry = json.loads((self.folder / f"build/current/{PROFILE}/model_registry.json").read_text("utf-8"))
        return next(row for row in registry if row["metadata"]["model"] == model)

    def status(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """What `status --format json` says, by model; each must have one server at most."""
        told = json.loads(self.run("status", "--format", "json", *arguments).out)
        found = {row["model"]: row for row in told}
        assert len(found) == len(told)
        return found

    def pids(self) -> list[int]:
        """Every process of the fake that runs, children too."""
        return [pid for pid in _processes() if str(self.prefix / "bin/vllm") in _cmdline(pid)]

    def by_hand(
        self, *command: "str | Path", environment: Mapping[str, str] | None = None
    ) -> "contextlib.AbstractContextManager[subprocess.Popen[bytes]]":
        """Starts a command as a person does in a shell: in the group of the shell. It ends with the block."""
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return child(command, env=dict(os.environ if environment is None else environment), **quiet)


@contextlib.contextmanager
def child(command: "Sequence[str | Path]", **options: Any) -> "Iterator[subprocess.Popen[Any]]":
    """A process that ends with the block, however that ends; `options` are those of subprocess.Popen."""
    with subprocess.Popen([str(word) for word in command], **options) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def served(folder: Path, port: int, *, mode: str = "one-at-a-time", last_port: int | None = None) -> Iterator[Served]:
    """A project in `folder` without models yet; leaving ends every server that still runs, and fails if one had to
    be missed.
    """
    prefix = folder / "opt"
    (prefix / f"lib/python3.11/site-packages/vllm-{VERSION}.dist-info").mkdir(parents=True)
    (prefix / "bin").mkdir()
    (prefix / "bin/python3").symlink_to(sys.executable)
    program = prefix / "bin/vllm"
    program.write_text(PROGRAM.replace("PYTHON", sys.executable, 1))
    program.chmod(0o755)
    profile = (
        "[gpu]\n"
        + toml({"name": "NVIDIA GeForce RTX 4080", "memory": "16376 MiB"})
        + "[engine.vllm]\n"
        + toml({"version": VERSION, "executable": str(program)})
        + "[roots]\n"
        + toml({"weights": str(folder / "weights")})
        + "[serving]\n"
        + toml(
            {"mode": mode, "bind": "127.0.0.1", "ports": f"{port}-{last_port or port}", "pass-env": ["VLLM_API_KEY"]}
        )
    )
    project = folder / "project"
    (project / "profiles").mkdir(parents=True)
    (project / "models.d").mkdir()
    (project / f"profiles/{PROFILE}.toml").write_text(profile, encoding="utf-8")
    made = Served(project, prefix)
    made.behave()
    try:
        yield made
    finally:
        for pid in made.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _cmdline(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []
