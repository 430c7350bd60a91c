"""The inputs as they stood in a git revision, without a checkout."""

import subprocess
from pathlib import Path, PurePosixPath

from stowplan.inputs import PATTERNS, Sources, too_large
from stowplan.words.diagnostic import Diagnostic, Place, error


class GitError(Exception):
    """git is missing, the folder is no repository, or there is no such revision. Says which."""


def read(project: Path, revision: str) -> tuple[Sources, list[Diagnostic]]:
    """Every input file of `project` at `revision` (anything git understands). Raises GitError."""
    commit = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        raise GitError(f"git knows no revision `{revision}` here")
    listing = _git(project, "ls-tree", "-r", "-z", "--long", commit.decode().strip(), "--", "profiles", "models.d")
    sources: Sources = {}
    problems: list[Diagnostic] = []
    for row in filter(None, (listing or b"").split(b"\0")):
        head, _, raw_name = row.partition(b"\t")
        mode, kind, blob, size = head.split()
        name = raw_name.decode("utf-8", "surrogateescape")
        if kind != b"blob" or mode == b"120000" or not _is_input(name):
            continue
        if (problem := too_large(name, int(size))) is not None:
            problems.append(error("unreadable-file", problem, Place(name)))
            continue
        sources[name] = _git(project, "cat-file", "blob", blob.decode()) or b""
    return dict(sorted(sources.items())), problems


def head(project: Path) -> str | None:
    """The commit that is checked out, with `+` if the working tree differs from it; None without git."""
    try:
        commit = _git(project, "rev-parse", "--verify", "--quiet", "HEAD")
        changes = _git(project, "status", "--porcelain", "--", "profiles", "models.d")
    except GitError:
        return None
    if commit is None:
        return None
    return commit.decode().strip() + ("+" if changes else "")


def _is_input(name: str) -> bool:
    return any(
        len(PurePosixPath(name).parts) == len(PurePosixPath(pattern).parts) and PurePosixPath(name).match(pattern)
        for pattern in PATTERNS
    )


def _git(project: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *arguments], capture_output=True, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise GitError("git is not installed") from None
    if done.returncode == 128 and b"not a git repository" in done.stderr:
        raise GitError(f"`{project}` is not in a git repository")
    return done.stdout if done.returncode == 0 else None
