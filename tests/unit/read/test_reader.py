"""Registry: always what is current, the same object while that stays, the last good one when nothing can be read."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from reader_cases import LLAVA, QWEN, a_build, put

from stowplan.nouns.artifact import Build, StoreObject
from stowplan.read import ProfileNotChosenError, Registry, Snapshot, UnreadableBuildError, place, reader
from stowplan.store.disk import discard, swap_link
from stowplan.store.publish import rollback, use
from stowplan.words.digest import canonical_json


@pytest.fixture(autouse=True)
def _no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STOWPLAN_PROFILE", raising=False)


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return tmp_path / "build"


def mark(snapshot: Snapshot) -> int:
    """What every entry of the build says."""
    (one,) = {entry.sampling["mark"] for entry in snapshot.entries()}
    return int(one)


# what is current


def test_a_snapshot_bears_generation_digest_and_profile(build: Path) -> None:
    put(build, a_build(1))
    new = a_build(2)
    put(build, new)
    snapshot = Registry(build).snapshot()
    assert (snapshot.generation, snapshot.profile) == (2, "rtx")
    assert snapshot.digest == new.profiles["rtx"].digest
    assert snapshot.path == build.resolve() / "store" / snapshot.digest
    assert mark(snapshot) == 2


def test_nothing_moved_the_same_object(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the way to the store is gone anew."""
    put(build, a_build(1))
    registry = Registry(build)
    first = registry.snapshot()
    assert registry.snapshot() is first
    monkeypatch.setattr(reader, "PAUSE", -1.0)
    assert [registry.snapshot() is first for _ in range(3)] == [True] * 3


def test_a_new_generation_is_seen_at_once_and_the_old_snapshot_stays(build: Path) -> None:
    put(build, a_build(1))
    registry = Registry(build)
    old = registry.snapshot()
    put(build, a_build(2))
    assert (registry.snapshot().generation, mark(registry.snapshot())) == (2, 2)
    assert (old.generation, mark(old)) == (1, 1)
    rollback(build, None, commit=None)
    assert (registry.snapshot().generation, mark(registry.snapshot())) == (1, 1)


def test_a_new_generation_of_the_same_outputs_keeps_the_maps(build: Path) -> None:
    one, two = a_build(1, "rtx", "cpu"), a_build(1, "rtx")
    put(build, one)
    registry = Registry(build, "rtx")
    first = registry.snapshot()
    put(build, two)
    second = registry.snapshot()
    assert (second.generation, second.digest) == (2, first.digest)
    assert second._mapped is first._mapped


def test_a_snapshot_outlives_its_files(build: Path) -> None:
    put(build, a_build(1))
    snapshot = Registry(build).snapshot()
    put(build, a_build(2))
    discard(snapshot.path)
    assert mark(snapshot) == 1
    assert snapshot.get("Qwen VL").name == QWEN
    assert [entry.name for entry in snapshot.by_role("mark-1")] == [LLAVA, QWEN]


def test_a_build_that_was_removed_and_made_again_is_another(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its generations count from 1 again, so `current` says the same as before."""
    monkeypatch.setattr(reader, "PAUSE", 0.0)
    put(build, a_build(1))
    registry = Registry(build)
    assert mark(registry.snapshot()) == 1
    discard(build)
    put(build, a_build(2))
    assert (registry.snapshot().generation, mark(registry.snapshot())) == (1, 2)


def test_file_times_mean_nothing(build: Path) -> None:
    put(build, a_build(1))
    registry = Registry(build)
    first = registry.snapshot()
    for path in (build, *build.rglob("*")):
        os.utime(path, (1, 1), follow_symlinks=False)
    assert registry.snapshot() is first


@pytest.mark.parametrize("how", ["copied", "moved", "linked"])
def test_a_build_elsewhere(how: str, build: Path, tmp_path: Path) -> None:
    put(build, a_build(1))
    use(build, "rtx")
    there = tmp_path / "mounted"
    match how:
        case "copied":
            subprocess.run(["cp", "-a", build, there], check=True)
            discard(build)
        case "moved":
            build.rename(there)
        case "linked":
            there.symlink_to(build)
    registry = Registry(there)
    assert mark(registry.snapshot()) == 1
    put(there, a_build(2))
    snapshot = registry.snapshot()
    assert (snapshot.generation, mark(snapshot)) == (2, 2)
    assert snapshot.launch("qwen").script.is_file()


def test_a_link_to_the_build_that_is_made_to_lead_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "PAUSE", 0.0)
    for number in (1, 2):
        put(tmp_path / f"build{number}", a_build(number))
    (tmp_path / "build").symlink_to("build1")
    registry = Registry(tmp_path / "build")
    first = registry.snapshot()
    swap_link(tmp_path / "build", "build2")
    assert mark(registry.snapshot()) == 2
    assert first.launch("qwen").script.is_file()


def test_the_folder_may_be_relative_and_the_working_directory_move(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(build, a_build(1))
    monkeypatch.chdir(tmp_path)
    registry = Registry("build")
    monkeypatch.chdir("/")
    assert mark(registry.snapshot()) == 1


# which profile


def test_each_way_to_name_a_profile_goes_before_the_next(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(build, a_build(1, "a100", "cpu", "rtx"))
    use(build, "cpu")
    monkeypatch.setenv("STOWPLAN_PROFILE", "rtx")
    assert Registry(build, "a100").snapshot().profile == "a100"
    assert Registry(build).snapshot().profile == "rtx"
    monkeypatch.setenv("STOWPLAN_PROFILE", "")
    assert Registry(build).snapshot().profile == "cpu"


def test_several_profiles_and_no_word(build: Path) -> None:
    put(build, a_build(1, "a100", "rtx"))
    with pytest.raises(ProfileNotChosenError, match=r"a100, rtx.*stowplan use"):
        Registry(build).snapshot()


def test_a_profile_that_is_not_there(build: Path) -> None:
    put(build, a_build(1, "a100", "rtx"))
    with pytest.raises(ProfileNotChosenError, match="no profile `h100`; it has: a100, rtx"):
        Registry(build, "h100").snapshot()


def test_another_choice_of_this_machine_is_followed_at_once(build: Path) -> None:
    put(build, a_build(1, "a100", "rtx"))
    use(build, "a100")
    registry, named = Registry(build), Registry(build, "a100")
    assert mark(registry.snapshot()) == mark(named.snapshot()) == 1
    use(build, "rtx")
    assert mark(registry.snapshot()) == 1001
    assert mark(named.snapshot()) == 1


def test_a_profile_that_joins_takes_nobody_away(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads the only profile goes on reading it, until this machine is told otherwise."""
    monkeypatch.setattr(reader, "PAUSE", 0.0)
    put(build, a_build(1, "rtx"))
    registry = Registry(build)
    registry.snapshot()
    put(build, a_build(2, "cpu", "rtx"))
    assert (registry.snapshot().profile, mark(registry.snapshot())) == ("rtx", 1002)
    assert registry.problem is None
    use(build, "cpu")
    assert (registry.snapshot().profile, mark(registry.snapshot())) == ("cpu", 2)


# what cannot be read


def test_no_build_yet(build: Path) -> None:
    registry = Registry(build)
    with pytest.raises(UnreadableBuildError, match=r"there is no build at .*; run `stowplan compile`"):
        registry.snapshot()
    assert "there is no build" in str(registry.problem)
    put(build, a_build(1))
    assert mark(registry.snapshot()) == 1
    assert registry.problem is None


def test_a_build_that_vanishes_leaves_the_last_good_snapshot(build: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(build, a_build(1))
    registry = Registry(build)
    good = registry.snapshot()
    build.rename(build.with_name("away"))
    with caplog.at_level(logging.WARNING):
        assert [registry.snapshot() is good for _ in range(3)] == [True] * 3
    assert "there is no build" in str(registry.problem)
    assert [record.getMessage() for record in caplog.records] == [f"{registry.problem}; generation 1 stays in use"]
    build.with_name("away").rename(build)
    assert registry.snapshot() is good
    assert registry.problem is None


@pytest.mark.parametrize("broken", ["generation", "object", "registry", "profile", "link", "loop"])
def test_a_broken_generation_leaves_the_last_good_snapshot(broken: str, build: Path) -> None:
    put(build, a_build(1))
    registry = Registry(build, "rtx")
    good = registry.snapshot()
    new = a_build(2)
    put(build, new if broken != "profile" else a_build(2, "cpu"))
    place = build / "store" / new.profiles["rtx"].digest
    match broken:
        case "generation":
            (build / "generations/2").unlink()
        case "object":
            discard(place)
        case "registry":
            place.chmod(0o700)
            (place / "model_registry.json").unlink()
        case "link":
            swap_link(build / "current", "store")
        case "loop":
            swap_link(build / "generations/2", "../current")
    assert registry.snapshot() is good
    assert registry.problem is not None
    swap_link(build / "current", "generations/1")
    assert registry.snapshot() is good
    assert registry.problem is None
    put(build, a_build(3))
    assert mark(registry.snapshot()) == 3


@pytest.mark.parametrize("has_read", [False, True])
def test_a_generation_that_vanishes_on_the_way_to_it_is_not_missed(
    has_read: bool, build: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`current` was read, then another is published and the old one removed, then the way is followed."""
    put(build, a_build(1))
    registry = Registry(build)
    if has_read:
        registry.snapshot()
    put(build, a_build(2))
    resolved = place._resolved

    def later(path: str) -> Path:
        monkeypatch.setattr(place, "_resolved", resolved)
        put(build, a_build(3))
        (build / "generations/2").unlink()
        return resolved(path)

    monkeypatch.setattr(place, "_resolved", later)
    with caplog.at_level(logging.WARNING):
        snapshot = registry.snapshot()
    assert (snapshot.generation, mark(snapshot)) == (3, 3)
    assert registry.problem is None
    assert caplog.records == []


def test_a_build_copied_without_its_links_says_so(build: Path, tmp_path: Path) -> None:
    put(build, a_build(1))
    subprocess.run(["cp", "-rL", build, tmp_path / "copy"], check=True)
    with pytest.raises(UnreadableBuildError, match=r"copy/current` is no link; .*`cp -a`"):
        Registry(tmp_path / "copy").snapshot()


# formats


def with_format(build: Build, number: int, *, of: str) -> Build:
    """`build` with another format in the manifest of its root or of its profiles."""

    def other(obj: StoreObject, links: dict[str, str]) -> StoreObject:
        members = json.loads(obj.manifest) | ({"profiles": links} if links else {})
        manifest = canonical_json({**members, "format": number if of == ("root" if links else "profile") else 1})
        return StoreObject(manifest + b"\n", obj.files, links)

    profiles = {name: other(obj, {}) for name, obj in build.profiles.items()}
    return Build(other(build.root, {name: obj.digest for name, obj in profiles.items()}), profiles)


@pytest.mark.parametrize(("of", "version"), [("root", ", 0.1.0 or later"), ("profile", "")])
def test_a_format_of_tomorrow_is_refused(of: str, version: str, build: Path) -> None:
    put(build, a_build(1))
    registry = Registry(build)
    good = registry.snapshot()
    put(build, with_format(a_build(2), 12, of=of))
    refused = f"has format 12; this Stowplan reads up to 1: install a newer one{version}"
    assert registry.snapshot() is good
    assert str(registry.problem).endswith(refused)
    with pytest.raises(UnreadableBuildError, match=refused):
        Registry(build).snapshot()


def test_unknown_fields_are_ignored(build: Path) -> None:
    new = a_build(1)
    (profile,) = new.profiles.values()
    more = StoreObject(canonical_json({**json.loads(profile.manifest), "aaa": 1, "zzz": {"format": 9}}), profile.files)
    about = {**json.loads(new.root.manifest), "aaa": {"format": 9}, "profiles": {"rtx": more.digest}}
    put(build, Build(StoreObject(canonical_json(about), links={"rtx": more.digest}), {"rtx": more}))
    assert mark(Registry(build).snapshot()) == 1


# what it costs to import


def test_the_reader_brings_in_nothing_it_does_not_need() -> None:
    unwanted = {
        "asyncio",
        "difflib",
        "logging",
        "socket",
        "subprocess",
        "tomllib",
        "stowplan.engines",
        "stowplan.stages",
    }
    unwanted |= {f"stowplan.read.{room}" for room in ("diff", "explain", "explanation", "roles", "subject")}
    unwanted |= {"stowplan.fit", "stowplan.store"}
    program = f"import sys, stowplan.read; print(*sorted({unwanted!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_docs_examples_run(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python example of the page, in its order, on a build of two models."""
    page = Path(__file__).parents[3] / "docs/reading.md"
    examples = [part.partition("```")[0] for part in page.read_text("utf-8").split("```python\n")[1:]]
    assert len(examples) > 3
    put(build, a_build(1))
    monkeypatch.chdir(build.parent)
    names: dict[str, object] = {"__name__": "example"}
    for example in examples:
        exec(compile(example, str(page), "exec"), names)
