"""Fixes of a project on the disk: which are right for all that a file counts for, and how files are written."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from command import stowplan
from sources import BASE, OVERLAY, PROFILE, PROFILE_TEXT, facts, sources
from stowplan.cli.fix import ROUNDS, ChangedMeanwhileError, fixed, fixed_tree, in_words, write
from stowplan.pipeline import Compiled, compile_sources, compile_tree
from stowplan.words.diagnostic import Fix, has_errors
from stowplan.words.keypath import parse_keypath

WRONG = "[vllm]\nmax_model_len = 4096  # tokens\n"
RIGHT = "[vllm]\nmax-model-len = 4096  # tokens\n"


def pinned(version: str) -> str:
    """The profile, with that version."""
    head, _, rest = PROFILE_TEXT.partition('version = "')
    return f'{head}version = "{version}"{rest.partition(chr(34))[2]}'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The sound project with one mistake, on the disk."""
    return laid(tmp_path, {OVERLAY: WRONG})


def laid(folder: Path, files: dict[str, str | bytes | None]) -> Path:
    """The sound project with these files, in a folder."""
    for file, content in sources(files).items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def in_memory(files: dict[str, str | bytes | None]) -> Compiled:
    """The sound project with these files, after all fixes; nothing is left."""
    result = fixed(compile_sources(sources(files)), compile_sources)
    assert [str(step) for step in result.left] == []
    return result.compiled


def left(files: dict[str, str | bytes | None]) -> list[tuple[str, str | None]]:
    """What is left of the sound project with these files, and why."""
    return [(step.where, step.reason) for step in fixed(compile_sources(sources(files)), compile_sources).left]


def test_a_file_is_written_as_a_whole_and_keeps_its_mode(project: Path) -> None:
    file = project / OVERLAY
    file.chmod(0o640)
    before = {path: path.read_bytes() for path in project.rglob("*.toml") if path != file}
    inode = file.stat().st_ino
    result = fixed_tree(project, compile_tree(project))
    assert (file.read_text(), file.stat().st_mode & 0o7777) == (RIGHT, 0o640)
    assert file.stat().st_ino != inode, "it was written in place"
    assert [str(step) for step in result.done] == [f"{OVERLAY}:2: max_model_len → max-model-len"]
    assert not has_errors(result.compiled.diagnostics)
    assert {path: path.read_bytes() for path in before} == before
    assert sorted(path.name for path in file.parent.iterdir()) == ["base.toml", "discovered.json", "rtx.toml"]


def test_what_is_right_is_not_written(project: Path) -> None:
    file = project / OVERLAY
    file.write_text(RIGHT)
    before = file.stat()
    assert fixed_tree(project, compile_tree(project)).done == ()
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def edited(file: Path) -> None:
    file.write_text(WRONG + "enforce-eager = true\n")


def removed(file: Path) -> None:
    file.unlink()


def linked(file: Path) -> None:
    file.rename(file.parent.parent / "elsewhere.toml")
    file.symlink_to("../elsewhere.toml")


@pytest.mark.parametrize("meanwhile", [edited, removed, linked])
def test_a_file_that_changed_meanwhile_is_left_alone_and_so_are_the_others(
    project: Path, meanwhile: Callable[[Path], None]
) -> None:
    other = project / "models.d/qwen/base.toml"
    other.write_text("[vllm]\nenforce_eager = true\n")
    compiled = compile_tree(project)
    meanwhile(project / OVERLAY)
    with pytest.raises(ChangedMeanwhileError, match=OVERLAY):
        fixed_tree(project, compiled)
    assert other.read_text() == "[vllm]\nenforce_eager = true\n"


def test_a_change_meanwhile_is_a_sentence(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen by the command itself: another process writes the file between reading and writing."""
    laid(project, {PROFILE: pinned("0.32.0").replace("/opt/vllm/", "/opt/vllm-0.32.0/")})
    import stowplan.cli.upgrade as upgrade  # the command reads, then calls this

    def slowly(*given: dict[str, bytes]) -> None:
        (project / PROFILE).write_text("# mine\n")
        write(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(upgrade, "write", slowly)
    done = stowplan(project, "upgrade", "vllm", "0.33.0", "--write")
    assert done.code == 2
    assert done.err == f"error: `{PROFILE}` has changed since it was read: nothing was written; run this again\n"
    assert (project / PROFILE).read_text() == "# mine\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(project: Path) -> None:
    folder = (project / OVERLAY).parent
    folder.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            fixed_tree(project, compile_tree(project))
    finally:
        folder.chmod(0o700)


def test_fixes_of_the_subjects_that_are_meant_alone(project: Path) -> None:
    result = fixed_tree(project, compile_tree(project), lambda _: False)
    assert (result.done, (project / OVERLAY).read_text()) == ((), WRONG)


# ---- what a file counts for ----------------------------------------------------------------------------------------

SWAP = "[vllm]\nswap-space = 4\n"
"""Taken by 0.11.0, gone by 0.18.1."""


def test_a_base_for_one_version_is_fixed() -> None:
    found = in_memory({BASE: SWAP, PROFILE: pinned("0.32.0")})
    assert found.sources[BASE] == b"[vllm]\n"


def test_a_base_for_two_versions_is_fixed_where_both_take_it_amiss() -> None:
    files: dict[str, str | bytes | None] = {
        BASE: SWAP,
        PROFILE: pinned("0.32.0"),
        "profiles/next.toml": pinned("0.33.0"),
    }
    files["models.d/qwen/next.toml"] = ""
    assert in_memory(files).sources[BASE] == b"[vllm]\n"


def test_a_base_for_two_versions_is_left_where_one_takes_it() -> None:
    files: dict[str, str | bytes | None] = {
        BASE: SWAP,
        PROFILE: pinned("0.32.0"),
        "profiles/old.toml": pinned("0.11.0"),
    }
    files["models.d/qwen/old.toml"] = ""
    why = "vllm 0.11.0 (pinned in profiles/old.toml) takes it as it is; say in the overlays what is meant where"
    assert left(files) == [(f"{BASE}:2", why)]


def test_another_models_version_does_not_count() -> None:
    found = in_memory(
        {
            BASE: SWAP,
            PROFILE: pinned("0.32.0"),
            "profiles/old.toml": pinned("0.11.0"),
            "models.d/llama/discovered.json": facts("meta/llama"),
            "models.d/llama/old.toml": SWAP,
        }
    )
    assert (found.sources[BASE], found.sources["models.d/llama/old.toml"]) == (b"[vllm]\n", SWAP.encode())


def test_defaults_for_two_engines_are_left_where_one_takes_them() -> None:
    two = '[engine.old]\nkind = "vllm"\nversion = "0.11.0"\nexecutable = "/old"\n[defaults.vllm]\nswap-space = 4\n'
    files: dict[str, str | bytes | None] = {PROFILE: pinned("0.32.0") + two, OVERLAY: 'engine = "vllm"\n'}
    assert [where for where, _ in left(files)] == [f"{PROFILE}:{(pinned('0.32.0') + two).count(chr(10))}"]


def test_defaults_that_another_profile_takes_over_are_left_where_its_version_takes_them() -> None:
    child = 'extends = "rtx"\n[engine.vllm]\nversion = "0.11.0"\n'
    defaults = pinned("0.32.0") + "[defaults.vllm]\nswap-space = 4\n"
    files: dict[str, str | bytes | None] = {PROFILE: defaults, "profiles/desk.toml": child}
    assert len(left(files)) == 1


def test_a_fix_that_was_left_is_promised_no_more() -> None:
    result = fixed(
        compile_sources(sources({OVERLAY: "[vllm]\nmax-model-len = 1\nmax_model_len = 2\nmax-model-length = 3\n"})),
        compile_sources,
    )
    assert [step.reason for step in result.left] == ["`vllm.max-model-len` is set already"]
    assert [problem.fix for problem in result.compiled.diagnostics] == [None] * len(result.compiled.diagnostics)
    assert has_errors(result.compiled.diagnostics)


def test_fixes_that_undo_each_other_come_to_an_end() -> None:
    """Two states whose only problem is that they are not the other: as broken data would have it."""
    compiled = compile_sources(sources({OVERLAY: WRONG}))
    (problem,) = [found for found in compiled.diagnostics if found.fix is not None]
    there = problem.fix
    assert there is not None
    back = Fix(OVERLAY, parse_keypath("vllm.max-model-len"), ((parse_keypath("vllm.max_model_len"), 4096),))
    calls = 0

    def circle(given: dict[str, bytes]) -> Compiled:
        nonlocal calls
        calls += 1
        fix = there if b"max_model_len" in given[OVERLAY] else back
        return Compiled(
            given, compiled.loaded, compiled.fleet, (type(problem)(problem.id, problem.severity, "", fix=fix),)
        )

    assert len(fixed(compiled, circle).done) == calls == ROUNDS


@pytest.mark.parametrize(
    ("fix", "words"),
    [
        (Fix(OVERLAY, ("vllm", "a"), ((("vllm", "b"), 1),)), "a → b"),
        (Fix(OVERLAY, ("vllm", "a"), ((("vllm", "b", "c d"), 1),)), 'a → b."c d"'),
        (Fix(OVERLAY, ("vllm", "a"), ((("vllm", "a"), "1"),)), 'a = 1 → a = "1"'),
        (Fix(OVERLAY, ("vllm", "a"), ((("vllm", "a"), True),)), "a = 1 → a = true"),
        (Fix(OVERLAY, ("vllm", "a"), ((("vllm", "b"), 1), (("vllm", "c"), "x"))), 'a = 1 → b = 1, c = "x"'),
        (Fix(OVERLAY, ("vllm", "a"), ((("env", "A"), "1"),)), 'vllm.a = 1 → env.A = "1"'),
        (Fix(OVERLAY, ("vllm", "a")), "a = 1 → removed"),
        (Fix(OVERLAY, ("defaults", "vllm", "a")), "a = 2 → removed"),
        (Fix(OVERLAY, ("top",)), "top → removed"),
    ],
)
def test_a_fix_in_words(fix: Fix, words: str) -> None:
    text = f'top = "{"long" * 20}"\n[vllm]\na = 1\n[defaults.vllm]\na = 2\n'
    assert in_words(fix, {OVERLAY: text.encode()}) == words
