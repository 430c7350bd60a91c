"""Objects: whole, read-only, named by what they hold, and healed."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_cases import A, B, a_build, each_step, leftovers

from stowplan.nouns.artifact import Artifact, StoreObject, profile_object, root_object
from stowplan.store import disk, objects, verify
from stowplan.store.errors import StoreError

CARD = A.profiles["card"]


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return tmp_path / "build"


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    os.umask(before)
    yield os.umask
    os.umask(before)


def place(build: Path, obj: StoreObject = CARD) -> Path:
    return build / "store" / obj.digest


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_modes_do_not_depend_on_the_umask(build: Path, umask: Callable[[int], int], mask: int) -> None:
    umask(mask)
    objects.write(build, CARD)
    modes = {
        path.relative_to(place(build)).as_posix(): stat.S_IMODE(path.lstat().st_mode)
        for path in [place(build), *place(build).rglob("*")]
    }
    assert modes == {
        ".": 0o555,
        "manifest.json": 0o444,
        "model_registry.json": 0o444,
        "launch": 0o555,
        "launch/model.sh": 0o555,
        "schema": 0o555,
        "schema/deep": 0o555,
        "schema/deep/overlay.json": 0o444,
    }
    assert verify.differences(build, CARD.digest) == []


def test_content_is_as_given(build: Path) -> None:
    objects.write(build, CARD)
    assert {file.path: (place(build) / file.path).read_bytes() for file in CARD.files} == {
        file.path: file.content for file in CARD.files
    }
    assert (place(build) / "manifest.json").read_bytes() == CARD.manifest


def test_a_whole_object_is_left_alone(build: Path) -> None:
    objects.write(build, CARD)
    before = place(build).stat()
    objects.write(build, CARD)
    assert place(build).stat() == before


def test_times_are_those_of_the_writing(build: Path) -> None:
    """Consumers notice a new file by its time and size."""
    objects.write(build, CARD)
    objects.write(build, B.profiles["card"])
    times = {(place(build, b.profiles["card"]) / "model_registry.json").stat().st_mtime_ns for b in (A, B)}
    assert len(times) == 2


def _overwrite(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[::-1])
    path.chmod(0o444)


def _append(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b" ")
    path.chmod(0o444)


def _unlink(path: Path) -> None:
    path.parent.chmod(0o755)
    path.unlink()
    path.parent.chmod(0o555)


def _link_to_a_copy(path: Path) -> None:
    path.parent.chmod(0o755)
    path.rename(path.parents[2] / "copy")
    path.symlink_to(path.parents[2] / "copy")
    path.parent.chmod(0o555)


def _add(path: Path) -> None:
    path.parent.chmod(0o755)
    path.touch()
    path.parent.chmod(0o555)


def _empty_out(path: Path) -> None:
    disk.discard(path)
    path.mkdir()


DAMAGE: list[tuple[str, Callable[[Path], None], list[str]]] = [
    ("model_registry.json", _overwrite, ["model_registry.json: changed"]),
    ("model_registry.json", _append, ["model_registry.json: changed"]),
    ("model_registry.json", _unlink, ["model_registry.json: missing"]),
    ("model_registry.json", lambda p: p.chmod(0o644), ["model_registry.json: mode 0644, not 0444"]),
    ("model_registry.json", lambda p: p.chmod(0o555), ["model_registry.json: mode 0555, not 0444"]),
    ("launch/model.sh", lambda p: p.chmod(0o444), ["launch/model.sh: mode 0444, not 0555"]),
    ("launch/model.sh", _link_to_a_copy, ["launch/model.sh: no regular file"]),
    ("launch/extra", _add, ["launch/extra: not part of the build"]),
    ("schema", lambda p: p.chmod(0o755), ["schema: mode 0755, not 0555"]),
    (".", lambda p: p.chmod(0o755), [".: mode 0755, not 0555"]),
    ("manifest.json", _overwrite, ["manifest.json: changed"]),
    ("manifest.json", _unlink, ["manifest.json: missing"]),
    ("manifest.json", lambda p: p.chmod(0o644), ["manifest.json: mode 0644, not 0444"]),
]


@pytest.mark.parametrize(("path", "damage", "said"), DAMAGE, ids=[f"{p}-{s[0].split(': ')[1]}" for p, _, s in DAMAGE])
def test_damage_is_said_and_healed_and_kept_aside(
    build: Path, path: str, damage: Callable[[Path], None], said: list[str]
) -> None:
    objects.write(build, CARD)
    damage(place(build) / path)
    damaged = place(build).stat().st_ino
    assert verify.differences(build, CARD.digest) == said
    objects.write(build, CARD)
    assert verify.differences(build, CARD.digest) == []
    aside = build / f"store/.damaged-{CARD.digest}-1"
    assert aside.stat().st_ino == damaged
    assert leftovers(build) == set()


def test_a_folder_lost_with_all_in_it_is_said_file_by_file(build: Path) -> None:
    objects.write(build, CARD)
    place(build).chmod(0o755)
    _empty_out(place(build) / "schema")
    place(build).chmod(0o555)
    assert verify.differences(build, CARD.digest) == [
        "schema: mode 0755, not 0555",
        "schema/deep: missing",
        "schema/deep/overlay.json: missing",
    ]


@pytest.mark.parametrize("what", ["file", "link", "empty folder"])
def test_something_else_at_the_place_of_an_object_is_put_aside(build: Path, tmp_path: Path, what: str) -> None:
    (build / "store").mkdir(parents=True)
    if what == "file":
        place(build).touch()
    elif what == "link":
        place(build).symlink_to(tmp_path)
    else:
        place(build).mkdir()
    assert len(verify.differences(build, CARD.digest)) == 1
    objects.write(build, CARD)
    assert verify.differences(build, CARD.digest) == []


def test_the_second_damage_is_kept_beside_the_first(build: Path) -> None:
    for number in (1, 2):
        objects.write(build, CARD)
        place(build).chmod(0o755)
        objects.write(build, CARD)
        assert (build / f"store/.damaged-{CARD.digest}-{number}").is_dir()


def test_healing_works_where_the_kernel_cannot_exchange_names(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_exchange", lambda *_: False)
    objects.write(build, CARD)
    place(build).chmod(0o755)
    objects.write(build, CARD)
    assert verify.differences(build, CARD.digest) == []
    assert (build / f"store/.damaged-{CARD.digest}-1").is_dir()


def test_while_an_object_is_healed_its_name_is_never_missing(build: Path) -> None:
    objects.write(build, CARD)
    place(build).chmod(0o755)

    def there(_: int) -> None:
        assert (place(build) / "model_registry.json").exists()

    with each_step(there, there) as steps:
        objects.write(build, CARD)
    assert "_exchange" in steps


def test_links_are_compared_not_followed(build: Path) -> None:
    objects.write(build, A.root)
    assert verify.differences(build, A.root.digest) == []  # the profiles they lead to are not there
    root = place(build, A.root)
    root.chmod(0o755)
    (root / "card").unlink()
    (root / "card").symlink_to(f"../{'0' * 64}")
    root.chmod(0o555)
    assert verify.differences(build, A.root.digest) == ["card: changed"]


def test_a_whole_build_is_its_root_and_its_profiles(build: Path) -> None:
    objects.write(build, A.root)
    objects.write(build, CARD)
    assert verify.build_differences(build, A.root.digest) == ["shared/manifest.json: missing"]


def test_a_manifest_of_a_later_format_is_refused(build: Path) -> None:
    later = StoreObject(b'{"format":2}\n')
    objects.write(build, later)
    said = ["manifest.json: has format 2; this stowplan knows formats up to 1"]
    assert verify.differences(build, later.digest) == said


def test_what_is_on_the_disk_before_the_name(build: Path) -> None:
    """Each file and folder is fsynced, then the tree gets its name, then the store's folder is fsynced."""
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    (build / "store").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        objects.write(build, CARD)
    tree = f"{build}/store/.tmp-{os.getpid()}-{CARD.digest}"
    inside = [str(path.relative_to(place(build))) for path in place(build).rglob("*")]
    assert sorted(synced[:-1]) == sorted([tree, *(f"{tree}/{path}" for path in inside)])
    assert synced[-1] == f"{build}/store"


def test_a_large_object_is_made_durable_all_at_once(build: Path) -> None:
    large = a_build("a", objects.FEW).profiles["card"]
    with each_step(lambda _: None) as steps:
        objects.write(build, large)
    tail = steps[steps.index("sync_filesystem") :]
    assert tail == ["sync_filesystem", "open", "close", "rename", "open", "fsync", "close"]
    assert "fsync" not in steps[: steps.index("sync_filesystem")][steps.index("chmod") :]
    assert verify.differences(build, large.digest) == []


@pytest.mark.parametrize(
    "obj",
    [
        StoreObject(b"{}", (Artifact("../x", b""),)),
        StoreObject(b"{}", (Artifact("/x", b""),)),
        StoreObject(b"{}", (Artifact("a/../../x", b""),)),
        StoreObject(b"{}", (Artifact("a//x", b""),)),
        StoreObject(b"{}", (Artifact("", b""),)),
        StoreObject(b"{}", (Artifact("a\0", b""),)),
        StoreObject(b"{}", (Artifact("manifest.json", b""),)),
        StoreObject(b"{}", (Artifact("x", b""), Artifact("x", b""))),
        StoreObject(b"{}", links={"..": "0" * 64}),
        StoreObject(b"{}", links={"a/b": "0" * 64}),
        StoreObject(b"{}", links={"a": "../../etc"}),
    ],
)
def test_names_that_lead_out_or_stand_twice_are_our_own_mistake(build: Path, obj: StoreObject) -> None:
    with pytest.raises(ValueError, match=r"."):
        objects.write(build, obj)
    assert not build.exists()


def test_a_digest_that_is_none_is_no_path(build: Path) -> None:
    with pytest.raises(ValueError, match="no sha256"):
        verify.differences(build, "../../etc")


def test_a_file_where_a_folder_is_wanted_is_told(build: Path) -> None:
    clash = profile_object("x", (Artifact("a", b""), Artifact("a/b", b"")))
    with pytest.raises(StoreError, match="cannot write"):
        objects.write(build, clash)
    assert leftovers(build) == set()


def test_the_sweep_removes_read_only_trees_and_nothing_else(build: Path, tmp_path: Path) -> None:
    objects.write(build, CARD)
    place(build).rename(build / "store/.tmp-1-x")
    (build / "store/.tmp-1-y").touch()
    (tmp_path / "precious/inside").mkdir(parents=True)
    (build / "store/.tmp-1-z").symlink_to(tmp_path / "precious")
    objects.write(build, CARD)
    objects.sweep(build)
    assert [path.name for path in (build / "store").iterdir()] == [CARD.digest]
    assert (tmp_path / "precious/inside").is_dir()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_nobody_writes_into_an_object_by_accident(build: Path) -> None:
    objects.write(build, CARD)
    with pytest.raises(PermissionError):
        (place(build) / "model_registry.json").open("r+")
    with pytest.raises(PermissionError):
        (place(build) / "launch/more").touch()
    with pytest.raises(PermissionError):
        (place(build) / "model_registry.json").unlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
@pytest.mark.parametrize(("path", "mode"), [("model_registry.json", 0), ("launch", 0), ("launch", 0o444), (".", 0)])
def test_what_cannot_be_read_is_damaged_and_healed(build: Path, path: str, mode: int) -> None:
    objects.write(build, CARD)
    (place(build) / path).chmod(mode)
    assert verify.differences(build, CARD.digest)
    objects.write(build, CARD)
    assert verify.differences(build, CARD.digest) == []


def test_a_root_without_profiles_is_an_object(build: Path) -> None:
    empty = root_object({}, {})
    objects.write(build, empty)
    assert verify.build_differences(build, empty.digest) == []
