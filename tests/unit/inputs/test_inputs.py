"""The inputs of a project: the same from the working tree and from git, and what cannot be read is said."""

import os
import subprocess
from pathlib import Path

import pytest

from stowplan.inputs import MAX_BYTES, is_input
from stowplan.inputs.disk import read as read_disk
from stowplan.inputs.git import GitError, head
from stowplan.inputs.git import read as read_git
from stowplan.words.diagnostic import Diagnostic

TREE = {
    "profiles/rtx.toml": b"[gpu]\n",
    "profiles/measured/rtx.toml": b"format = 1\n",
    "models.d/a/base.toml": b"",
    "models.d/a/rtx.toml": b"port = 1\n",
    "models.d/a/discovered.json": b"{}",
    "models.d/a-b/rtx.toml": b"x\r\n\0\xff",
    "models.d/stray.toml": b"",
    "models.d/Q\u00fcwen 3 \u2028(\"A'\\WQ)/rtx.toml": "name = 'ü'\n".encode(),
    "models.d/line\nbreak\ttab/rtx.toml": b"",
}
OTHERS = [
    "README.md",
    "models.d/a/notes.md",
    "models.d/a/deep/er/x.toml",
    "profiles/old/x.toml",
    "profiles/measured/x.json",
    "profiles/measured/deeper/x.toml",
    "src/x.toml",
    "x.toml",
]
LINK = "it is a link; inputs are plain files in plain folders"


def lay_out(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "core.autocrlf=false"]
    done = subprocess.run(["git", *identity, "-C", str(root), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(root: Path) -> str:
    if not (root / ".git").exists():
        git(root, "init", "-q")
    git(root, "add", "-A", "-f")
    git(root, "commit", "-q", "-m", "m", "--allow-empty")
    return git(root, "rev-parse", "HEAD")


def said(problems: list[Diagnostic]) -> list[tuple[str, str]]:
    return sorted((p.id, p.message) for p in problems)


# what is read


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return lay_out(tmp_path, TREE | dict.fromkeys(OTHERS, b"other"))


def test_every_input_is_read_byte_for_byte_and_nothing_else(project: Path) -> None:
    assert read_disk(project) == (TREE, [])


def test_inputs_come_sorted_by_name(project: Path) -> None:
    names = list(read_disk(project)[0])
    assert names == sorted(names)


def test_git_sees_what_lies_in_the_tree(project: Path) -> None:
    commit(project)
    sources, problems = read_git(project, "HEAD")
    assert (sources, problems) == read_disk(project)
    assert list(sources) == list(read_disk(project)[0])


def test_git_sees_a_project_that_is_a_folder_of_its_repository(tmp_path: Path) -> None:
    lay_out(tmp_path, {"profiles/other.toml": b"the repository's own"})
    project = lay_out(tmp_path / "serving" / "here", TREE)
    commit(tmp_path)
    assert read_git(project, "HEAD") == (TREE, [])


def test_a_name_that_is_not_utf_8_is_the_same_from_both(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/models.d/\xff\xfe"
    try:
        os.makedirs(folder)  # noqa: PTH103
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    Path(os.fsdecode(folder + b"/rtx.toml")).write_bytes(b"x")
    commit(tmp_path)
    assert read_disk(tmp_path) == read_git(tmp_path, "HEAD") == ({"models.d/\udcff\udcfe/rtx.toml": b"x"}, [])


def test_git_reads_the_revision_and_not_the_tree(project: Path) -> None:
    first = commit(project)
    (project / "models.d/a/rtx.toml").write_bytes(b"port = 2\n")
    (project / "models.d/a/base.toml").unlink()
    commit(project)
    (project / "models.d/a/rtx.toml").write_bytes(b"port = 3\n")
    assert read_git(project, first)[0] == TREE
    assert read_git(project, "HEAD~1")[0] == TREE
    newest = read_git(project, "HEAD")[0]
    assert newest["models.d/a/rtx.toml"] == b"port = 2\n"
    assert "models.d/a/base.toml" not in newest


def test_no_folders_are_no_inputs(tmp_path: Path) -> None:
    commit(tmp_path)
    assert read_disk(tmp_path) == read_git(tmp_path, "HEAD") == ({}, [])


@pytest.mark.parametrize("name", [*TREE, "models.d/x.toml/rtx.toml"])
def test_what_is_an_input(name: str) -> None:
    assert is_input(name)


@pytest.mark.parametrize(
    "name",
    [
        *OTHERS,
        "profiles/.toml",
        "models.d/a/.#rtx.toml",
        "profiles",
        "models.d/a",
        "models.d/a/rtx.TOML",
        "a/profiles/x.toml",
        "",
    ],
)
def test_what_is_none(name: str) -> None:
    assert not is_input(name)


# what cannot be read


def test_a_file_of_the_largest_size_is_read_and_a_larger_one_is_not(tmp_path: Path) -> None:
    limit = MAX_BYTES[".toml"]
    lay_out(tmp_path, {"profiles/just.toml": b"#" * limit, "profiles/over.toml": b"#" * (limit + 1)})
    commit(tmp_path)
    for sources, problems in (read_disk(tmp_path), read_git(tmp_path, "HEAD")):
        assert list(sources) == ["profiles/just.toml"]
        message = f"`profiles/over.toml` has {limit + 1} bytes; an input of its kind may have {limit}"
        assert said(problems) == [("unreadable-file", message)]


def test_facts_may_be_larger_than_what_a_person_writes(tmp_path: Path) -> None:
    lay_out(tmp_path, {"models.d/a/discovered.json": b" " * (MAX_BYTES[".toml"] + 1)})
    assert read_disk(tmp_path)[1] == []


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    os.mkfifo(tmp_path / "profiles/rtx.toml")
    assert read_disk(tmp_path)[0] == {}
    assert said(read_disk(tmp_path)[1]) == [
        ("unreadable-file", "cannot read `profiles/rtx.toml`: it is not a regular file")
    ]


def test_a_folder_where_a_file_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "profiles/rtx.toml").mkdir(parents=True)
    assert [p.id for p in read_disk(tmp_path)[1]] == ["unreadable-file"]


def test_a_file_where_a_folder_should_be_is_refused(tmp_path: Path) -> None:
    lay_out(tmp_path, {"models.d": b""})
    assert said(read_disk(tmp_path)[1]) == [("unreadable-file", "cannot read `models.d`: Not a directory")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("locked", ["models.d/a", "models.d/a/rtx.toml", "models.d"])
def test_what_may_not_be_read_is_said(project: Path, locked: str) -> None:
    (project / locked).chmod(0)
    try:
        problems = read_disk(project)[1]
    finally:
        (project / locked).chmod(0o700)
    assert said(problems) == [("unreadable-file", f"cannot read `{locked}`: Permission denied")]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("profiles/rtx.toml", "/etc/passwd"),
        ("profiles/rtx.toml", "other.toml"),
        ("profiles/rtx.toml", "nothing there"),
        ("models.d/a/discovered.json", "../../other.json"),
        ("profiles/measured", "elsewhere"),
        ("profiles/measured/rtx.toml", "other.toml"),
        ("models.d/a", "/etc"),
        ("models.d/a", "b"),
        ("models.d", "/etc"),
        ("profiles", "elsewhere"),
    ],
)
def test_a_link_is_refused_wherever_it_leads_and_from_both(tmp_path: Path, name: str, target: str) -> None:
    files = {"profiles/other.toml": b"o", "models.d/b/rtx.toml": b"b", "elsewhere/rtx.toml": b"e", "other.json": b"{}"}
    kept = {file: content for file, content in files.items() if not file.startswith(name)}
    lay_out(tmp_path, kept)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).symlink_to(target)
    commit(tmp_path)
    expected = {file: content for file, content in kept.items() if is_input(file)}
    for sources, problems in (read_disk(tmp_path), read_git(tmp_path, "HEAD")):
        assert sources == expected
        assert said(problems) == [("unreadable-file", f"cannot read `{name}`: {LINK}")]


def test_links_beside_the_inputs_are_nobodys_business(tmp_path: Path) -> None:
    lay_out(tmp_path, {"models.d/a/rtx.toml": b""})
    (tmp_path / "models.d/a/notes.md").symlink_to("rtx.toml")
    commit(tmp_path)
    assert read_disk(tmp_path) == read_git(tmp_path, "HEAD") == ({"models.d/a/rtx.toml": b""}, [])


def test_a_model_in_another_repository_is_said(tmp_path: Path) -> None:
    inner = lay_out(tmp_path / "models.d/a", {"rtx.toml": b""})
    commit(inner)
    commit(tmp_path)
    sources, problems = read_git(tmp_path, "HEAD")
    assert sources == {}
    assert said(problems) == [("unreadable-file", "cannot read `models.d/a`: it is another repository (a submodule)")]


# git itself


@pytest.mark.parametrize("revision", ["nonsense", "HEAD~5", "", "-h", "--all", "HEAD:models.d", "x y"])
def test_a_revision_that_is_none_is_named(project: Path, revision: str) -> None:
    commit(project)
    with pytest.raises(GitError, match="git") as problem:
        read_git(project, revision)
    assert revision in str(problem.value)


def test_what_else_git_says_is_passed_on(project: Path) -> None:
    commit(project)
    with pytest.raises(GitError, match="git: fatal: no upstream configured"):
        read_git(project, "@{upstream}")


def test_a_project_without_git_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
    with pytest.raises(GitError, match="is not in a git repository"):
        read_git(project, "HEAD")
    assert head(project) is None


def test_a_machine_without_git_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GitError, match="git is not installed"):
        read_git(project, "HEAD")


@pytest.mark.parametrize("mode", [0o644, 0o755])
def test_a_git_that_cannot_be_run_is_named(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    commit(project)
    program = tmp_path_factory.mktemp("bin") / "git"
    program.write_bytes(b"\0 no program")
    program.chmod(mode)
    monkeypatch.setenv("PATH", str(program.parent))
    with pytest.raises(GitError, match="git cannot be run: "):
        read_git(project, "HEAD")
    assert head(project) is None


def test_a_repository_that_lacks_a_file_is_no_empty_file(project: Path) -> None:
    commit(project)
    blob = git(project, "rev-parse", "HEAD:models.d/a/rtx.toml")
    (project / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(GitError, match=r"lacks the content of `models.d/a/rtx.toml`"):
        read_git(project, "HEAD")


def test_head_is_the_commit_and_a_plus_where_the_inputs_differ_from_it(project: Path) -> None:
    assert head(project) is None
    first = commit(project)
    assert head(project) == first
    (project / "README.md").write_bytes(b"changed")
    assert head(project) == first
    (project / "models.d/a/rtx.toml").write_bytes(b"changed")
    assert head(project) == first + "+"
