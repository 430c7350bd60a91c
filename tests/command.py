"""Running the command line inside the test process, as a user would run it."""

import io
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from stowplan.cli.main import run


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


def stowplan(project: Path, *arguments: str) -> Done:
    """Run `stowplan ARGUMENTS` in a project's folder."""
    out, err = io.StringIO(), io.StringIO()
    with chdir(project), redirect_stdout(out), redirect_stderr(err):
        code = run(list(arguments))
    return Done(code, out.getvalue(), err.getvalue())
