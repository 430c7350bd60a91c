"""Numbers, names and what publishing says."""

import errno
import json
import os
import re
from pathlib import Path

import pytest
from store_cases import A, B, C, a_build, current_build, each_step, leftovers

from stowplan.nouns.artifact import Build
from stowplan.store import generations
from stowplan.store.errors import DamagedGenerationError, NoGenerationError, StoreError
from stowplan.store.generations import Generation
from stowplan.store.publish import Outcome, What, publish, rollback, use


def put(build: Path, new: Build) -> Outcome:
    return publish(build, new, commit="c0ffee", changed=["m/card"])


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return tmp_path / "build"


def test_the_first_publish_makes_what_is_needed_and_nothing_else(build: Path) -> None:
    assert put(build, A) == Outcome(What.PUBLISHED, 1, 1, ("m/card",))
    assert sorted(path.name for path in build.iterdir()) == ["current", "generations", "store"]
    objects = {A.root.digest, *(profile.digest for profile in A.profiles.values())}
    assert {path.name for path in (build / "store").iterdir()} == objects
    assert str((build / "current").readlink()) == "generations/1"
    assert str((build / "generations/1").readlink()) == f"../store/{A.root.digest}"
    assert str((build / "current" / "card").readlink()) == f"../{A.profiles['card'].digest}"
    assert current_build(build) == A.root.digest


def test_an_existing_folder_keeps_what_is_in_it(build: Path) -> None:
    build.mkdir()
    (build / ".gitignore").write_text("*\n")
    put(build, A)
    assert (build / ".gitignore").read_text() == "*\n"


def test_an_identical_build_makes_no_generation_and_touches_nothing(build: Path) -> None:
    put(build, A)

    def state() -> dict[str, tuple[int, int, int]]:
        return {
            str(path): (info.st_ino, info.st_mtime_ns, info.st_ctime_ns)
            for path in [build, *build.rglob("*")]
            for info in [path.lstat()]
        }

    before = state()
    assert put(build, a_build("a")) == Outcome(What.UNCHANGED, 1, 1)
    assert state() == before


def test_a_profile_that_did_not_change_is_shared(build: Path) -> None:
    put(build, A)
    put(build, B)
    assert len(list((build / "store").iterdir())) == 5  # two roots, two cards, one that both have


def test_an_older_build_gets_a_new_number_on_the_old_store_path(build: Path) -> None:
    put(build, A)
    put(build, B)
    assert put(build, A) == Outcome(What.PUBLISHED, 3, 3, ("m/card",))
    assert str((build / "generations/3").readlink()) == str((build / "generations/1").readlink())
    assert generations.find(build, A.root.digest) == 3


def test_after_a_rollback_unchanged_inputs_leave_current_alone_and_changed_ones_do_not(build: Path) -> None:
    put(build, A)
    put(build, B)
    assert rollback(build, None, commit=None) == 1
    assert put(build, B) == Outcome(What.ROLLED_BACK, 1, 2)
    assert put(build, A) == Outcome(What.UNCHANGED, 1, 2)
    assert current_build(build) == A.root.digest
    assert put(build, C) == Outcome(What.PUBLISHED, 3, 3, ("m/card",))
    assert put(build, B).current == 4


def test_a_rollback_can_be_taken_back(build: Path) -> None:
    put(build, A)
    put(build, B)
    rollback(build, 1, commit=None)
    assert rollback(build, 2, commit=None) == 2
    assert put(build, B) == Outcome(What.UNCHANGED, 2, 2)


def test_a_rollback_goes_one_further_each_time_and_stops_at_the_first(build: Path) -> None:
    for new in (A, B, C):
        put(build, new)
    assert [rollback(build, None, commit=None) for _ in range(2)] == [2, 1]
    with pytest.raises(NoGenerationError, match="there is no generation before 1"):
        rollback(build, None, commit=None)
    assert current_build(build) == A.root.digest


def test_a_rollback_to_what_is_not_there_says_what_is(build: Path) -> None:
    with pytest.raises(NoGenerationError, match="run `stowplan compile`"):
        rollback(build, None, commit=None)
    put(build, A)
    put(build, B)
    with pytest.raises(NoGenerationError, match=re.escape("there is no generation 7; there are: 1, 2")):
        rollback(build, 7, commit=None)
    assert generations.current(build) == 2
    assert len(generations.events(build)) == 2


def test_a_rollback_refuses_a_damaged_generation(build: Path) -> None:
    put(build, A)
    put(build, B)
    script = build / "generations/1/card/launch/model.sh"
    script.chmod(0o644)
    with pytest.raises(DamagedGenerationError, match=r"card/launch/model\.sh: mode 0644, not 0555"):
        rollback(build, 1, commit=None)
    assert current_build(build) == B.root.digest


def test_a_number_is_not_used_again_when_its_generation_is_removed(build: Path) -> None:
    put(build, A)
    put(build, B)
    rollback(build, 1, commit=None)
    (build / "generations/2").unlink()
    assert put(build, C).current == 3


def test_publishing_what_is_current_heals_it(build: Path) -> None:
    put(build, A)
    registry = build / "current/card/model_registry.json"
    registry.chmod(0o644)
    registry.write_text("[{}]")
    assert put(build, A).what is What.UNCHANGED
    assert current_build(build) == A.root.digest


def test_the_log_says_what_happened_by_whom_and_when(build: Path) -> None:
    put(build, A)
    publish(build, B, commit=None, changed=[])
    rollback(build, 1, commit="beef+")
    lines = [json.loads(line) for line in (build / "generations/log.jsonl").read_text().splitlines()]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line.pop("time"))
        assert line.pop("who")
    assert lines == [
        {"number": 1, "digest": A.root.digest, "action": "publish", "commit": "c0ffee", "changed": ["m/card"]},
        {"number": 2, "digest": B.root.digest, "action": "publish", "commit": None, "changed": []},
        {"number": 1, "digest": A.root.digest, "action": "rollback", "commit": "beef+"},
    ]


def test_history_is_the_log_with_the_generations_it_does_not_know(build: Path) -> None:
    put(build, A)
    generations.add(build, 2, B.root.digest)
    put(build, C)
    rollback(build, 1, commit=None)
    generations.add(build, 4, B.root.digest)
    past = generations.history(build)
    assert [(row.number, row.action) for row in past] == [
        (1, "publish"), (2, None), (3, "publish"), (1, "rollback"), (4, None),
    ]  # fmt: skip
    assert past[1] == Generation(2, B.root.digest)
    assert past[2].changed == ("m/card",)


@pytest.mark.parametrize(
    "tail",
    [b'{"number": 2, "dig', b"\0\0\0\0", b"\xff", b"[1]\n", b'{"number": "2"}\n', b"\n", b"[" * 100_000],
    ids=range(7),
)
def test_a_torn_line_counts_as_not_written_and_the_next_stands_by_itself(build: Path, tail: bytes) -> None:
    put(build, A)
    with (build / "generations/log.jsonl").open("ab") as log:
        log.write(tail)
    assert [row.number for row in generations.history(build)] == [1]
    put(build, B)
    assert [(row.number, row.action) for row in generations.history(build)] == [(1, "publish"), (2, "publish")]


@pytest.mark.parametrize(
    "damage",
    [
        {"number": True},
        {"number": 2.0},
        {"changed": 5},
        {"changed": "m/card"},
        {"changed": [["m/card"]]},
        {"changed": None},
        {"time": 1},
        {"who": ["me"]},
        {"commit": False},
        {"digest": None},
        {"action": ["publish"]},
    ],
)
def test_a_damaged_line_counts_as_not_written(build: Path, damage: dict[str, object]) -> None:
    put(build, A)
    line = {"number": 2, "digest": B.root.digest, "action": "publish", "time": "t", "who": "w", "commit": "c"}
    with (build / "generations/log.jsonl").open("a") as log:
        log.write(json.dumps({**line, "changed": [], **damage}) + "\n")
    assert [row.number for row in generations.history(build)] == [1]
    assert put(build, B).current == 2


def test_a_name_that_is_taken_is_told_as_what_was_to_be_made(build: Path) -> None:
    put(build, A)
    with pytest.raises(StoreError, match=r"cannot write `.*/generations/1`: File exists"):
        generations.add(build, 1, B.root.digest)


def test_a_last_line_without_its_newline_counts_and_the_next_stands_by_itself(build: Path) -> None:
    put(build, A)
    log = build / "generations/log.jsonl"
    log.write_bytes(log.read_bytes().rstrip(b"\n"))
    put(build, B)
    assert [(row.number, row.action) for row in generations.history(build)] == [(1, "publish"), (2, "publish")]


def test_before_the_first_generation_there_is_none(build: Path) -> None:
    assert generations.current(build) is None
    assert generations.newest(build) is None
    assert generations.find(build, A.root.digest) is None
    assert generations.history(build) == []
    with pytest.raises(NoGenerationError, match="none yet"):
        generations.digest_of_generation(build, 1)


@pytest.mark.parametrize("target", ["generations/x", "generations/0", "/etc", "generations/1/card"])
def test_a_current_that_leads_elsewhere_is_named_and_left(build: Path, target: str) -> None:
    put(build, A)
    (build / "current").unlink()
    (build / "current").symlink_to(target)
    with pytest.raises(StoreError, match="move it away, then run `stowplan compile`"):
        put(build, B)
    assert str((build / "current").readlink()) == target


def test_a_current_that_is_a_folder_is_named_and_left(build: Path) -> None:
    (build / "current/card").mkdir(parents=True)
    with pytest.raises(StoreError, match="is no link to a generation"):
        put(build, A)


def test_a_current_that_was_removed_is_made_again(build: Path) -> None:
    put(build, A)
    (build / "current").unlink()
    put(build, A)
    assert current_build(build) == A.root.digest


def test_use_swaps_active_and_makes_no_generation(build: Path) -> None:
    use(build, "card")
    assert str((build / "active").readlink()) == "current/card"
    put(build, A)
    use(build, "shared")
    assert str((build / "active").readlink()) == "current/shared"
    assert (build / "active/model_registry.json").read_bytes() == b"[]\n"
    assert generations.newest(build) == 1
    assert leftovers(build) == set()


@pytest.mark.parametrize("name", ["", ".", "..", "../store", "a/b", "a\0b"])
def test_use_takes_no_name_that_leads_elsewhere(build: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no profile's name"):
        use(build, name)
    assert not build.exists()


def test_a_full_disk_is_told_with_its_path_and_leaves_current(build: Path) -> None:
    put(build, A)

    def full(number: int) -> None:
        if number == seen.index("write") + 1 if "write" in seen else False:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with (
        each_step(full) as seen,
        pytest.raises(StoreError, match=r"cannot write `.*/store/.*`: No space left on device; free some space"),
    ):
        put(build, B)
    assert current_build(build) == A.root.digest
    assert leftovers(build) == set()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("folder", ["", "store", "generations"])
def test_a_folder_one_may_not_write_is_told_and_leaves_current(build: Path, folder: str) -> None:
    put(build, A)
    (build / folder).chmod(0o555)
    try:
        with pytest.raises(StoreError, match=r"cannot write `.*`: Permission denied; give this user the right"):
            put(build, B)
        assert current_build(build) == A.root.digest
    finally:
        (build / folder).chmod(0o755)
    assert put(build, B).current == 2
    assert current_build(build) == B.root.digest


def test_a_file_that_stays_gets_a_second_name(build: Path) -> None:
    put(build, A)
    first = (build / "current/card").resolve()
    put(build, B)
    second = (build / "current/card").resolve()
    assert (first / "schema/deep/overlay.json").samefile(second / "schema/deep/overlay.json")
    assert not (first / "launch/model.sh").samefile(second / "launch/model.sh")
    assert current_build(build) == B.root.digest


@pytest.mark.parametrize("damage", ["content", "mode", "link", "gone"])
def test_a_damaged_file_gets_none(build: Path, damage: str) -> None:
    put(build, A)
    old = (build / "current/card/schema/deep/overlay.json").resolve()
    old.parent.chmod(0o755)
    old.chmod(0o644)
    if damage == "content":
        old.write_bytes(b"[]")
        old.chmod(0o444)
    elif damage in ("link", "gone"):
        old.rename(old.parent / "moved")
        (old.parent / "moved").chmod(0o444)
        if damage == "link":
            old.symlink_to("moved")
    put(build, B)
    assert current_build(build) == B.root.digest
