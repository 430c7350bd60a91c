"""The inputs as they stood in a git revision, without a checkout."""

import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from stowplan.inputs import FOLDERS, Sources, is_input, leads_to_inputs, link, too_large, unreadable
from stowplan.words.diagnostic import Diagnostic


class GitError(Exception):
    """git is missing or cannot be run, the folder is no repository, or there is no such revision. Says which."""


def read(project: Path, revision: str) -> tuple[Sources, list[Diagnostic]]:
    """Every input file of `project` at `revision` (anything git understands). Raises GitError."""
    blobs: dict[str, str] = {}
    problems: list[Diagnostic] = []
    for mode, blob, size, name in _listing(project, _commit(project, revision)):
        if mode in (b"120000", b"160000"):
            if leads_to_inputs(name):
                is_link = mode == b"120000"
                problems.append(link(name) if is_link else unreadable(name, "it is another repository (a submodule)"))
        elif is_input(name):
            if (problem := too_large(name, int(size))) is not None:
                problems.append(problem)
            else:
                blobs[name] = blob
    return dict(zip(sorted(blobs), _contents(project, [blobs[name] for name in sorted(blobs)]), strict=True)), problems


def head(project: Path) -> str | None:
    """The commit that is checked out, with `+` if the working tree differs from it; None without git."""
    try:
        commit = _commit(project, "HEAD")
        changes = _git(project, "status", "--porcelain", "--", *FOLDERS)
    except GitError:
        return None
    return commit + ("+" if changes else "")


def _commit(project: Path, revision: str) -> str:
    try:
        found = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except _SilentError:
        raise GitError(f"git knows no revision `{revision}` here") from None
    return found.decode().strip()


def _listing(project: Path, commit: str) -> Iterator[tuple[bytes, str, bytes, str]]:
    """Mode, object, size and name (relative to the project) of everything that is not a folder."""
    rows = _git(project, "ls-tree", "-r", "-z", "--long", commit, "--", *FOLDERS)
    for row in filter(None, rows.split(b"\0")):
        about, _, name = row.partition(b"\t")
        mode, _, blob, size = about.split()
        if size == b"BAD":  # a shallow or partial clone, or a broken one
            raise GitError(f"git lacks the content of `{os.fsdecode(name)}`; fetch it")
        yield mode, blob.decode(), size, os.fsdecode(name)


def _contents(project: Path, blobs: Iterable[str]) -> Iterator[bytes]:
    """The content of each blob, read by one git (git-cat-file, "Batch output")."""
    output = _git(project, "cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in blobs).encode())
    at = 0
    while at < len(output):
        head_end = output.index(b"\n", at)
        start, size = head_end + 1, int(output[at:head_end].split()[2])
        yield output[start : start + size]
        at = start + size + 1


class _SilentError(GitError):
    """git failed without a word."""


def _git(project: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    command = ["git", "--no-optional-locks", "-C", str(project), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False, input=stdin, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        raise GitError("git is not installed") from None
    except OSError as problem:
        raise GitError(f"git cannot be run: {problem.strerror}") from None
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode(errors="replace").strip()
    if "not a git repository" in said:
        raise GitError(f"`{project}` is not in a git repository")
    if said:
        raise GitError(f"git: {said.splitlines()[0]}")
    raise _SilentError
