"""What is put to the test: the whole command line, or the store alone behind two or three of its verbs.

The store alone is quick, since it reads one input and writes builds of a few files.
"""

import contextlib
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stowplan.cli.main import run as run_command_line
from stowplan.nouns.artifact import Artifact, Build, profile_object, root_object
from stowplan.pipeline import compile_tree
from stowplan.store.errors import StoreError
from stowplan.store.gc import GRACE, Policy, collect, garbage
from stowplan.store.lock import locked
from stowplan.store.publish import publish, rollback
from torn import small_projects


@dataclass(frozen=True, slots=True)
class Program:
    """`run` takes arguments as a command line does and gives an exit code; `lay` writes the inputs that a number
    stands for into a project; `digest` is what the inputs there compile to."""

    run: Callable[[list[str]], int]
    lay: Callable[[Path, int], None]
    digest: Callable[[Path], str]

    def call(self, project: Path, *command: str) -> tuple[int, str]:
        """Runs a command in this process. Out: its exit code, and all that it said."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = self.run(["-C", str(project), *command])
        return code, said.getvalue()


def _digest_of_inputs(project: Path) -> str:
    compiled = compile_tree(project)
    assert compiled.build is not None
    return compiled.build.root.digest


def _small_build(project: Path) -> Build:
    """Two profiles: one that the input changes, and one that it does not."""
    mark = (project / "input").read_bytes()
    script = Artifact("launch/qwen.sh", b"#!/bin/sh\n", executable=True)
    profiles = {
        "card": profile_object("card", (Artifact("model_registry.json", mark), script)),
        "desk": profile_object("desk", (script,)),
    }
    return Build(root_object(profiles, {"inputs": {"input": mark.decode()}}), profiles)


def _run_store(arguments: list[str]) -> int:
    _, folder, verb, *_ = arguments
    project = Path(folder)
    build = project / "build"
    try:
        with locked(build, timeout=5, waiting=print):
            if verb == "compile":
                print(publish(build, _small_build(project), commit=None, changed=()).what)
            elif verb == "rollback":
                print(rollback(build, None, commit=None))
            elif verb == "gc":
                grace = GRACE if "--older-than" in arguments else 0  # readers beside it need theirs
                collect(build, garbage(build, Policy(2, 0, grace), (), time.time()))
    except StoreError as problem:
        print(f"error: {problem}")
        return 2
    return 0


def _lay_input(project: Path, number: int) -> None:
    project.mkdir(exist_ok=True)
    (project / "input").write_text(f"{number}\n")


COMMAND_LINE = Program(run_command_line, small_projects.lay, _digest_of_inputs)
STORE_ALONE = Program(_run_store, _lay_input, lambda project: _small_build(project).root.digest)
