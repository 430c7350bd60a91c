"""discover as a whole: names that stay, bytes that stay, what is written and what never is."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from discover_cases import CONFIGS, LLAMA, header, write_folder, write_weights

from stowplan.discover import Discovery, discover, write
from stowplan.nouns.facts import Facts
from stowplan.words.diagnostic import Place

sys.path.insert(0, str(Path(__file__).parents[2]))
import tiny_model


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    write_folder(tmp_path / "weights/Qwen/Qwen3 VL (8B)", CONFIGS["qwen2.5-vl"])
    write_folder(tmp_path / "weights/Org/Plain", LLAMA)
    write_weights(tmp_path / "weights/Org/Plain/model.safetensors", header({"a": ("BF16", (4,))}))
    return tmp_path / "weights"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def a_stub(facts: Facts) -> str:
    return f'status = "stub"\n# {facts.location.path}\n'


def run(project: Path, weights: Path, *paths: Path, overlays: tuple[str, ...] = ()) -> Discovery:
    found = discover(project, "rtx", {"weights": weights}, stub=a_stub, paths=paths, overlay_names=overlays)
    write(project, found)
    return found


def told(found: Discovery) -> dict[str, str]:
    return {model.name: model.what for model in found.models}


def ids(found: Discovery) -> list[str]:
    return [problem.id for problem in found.diagnostics]


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_first_run_names_models_and_starts_overlays(project: Path, weights: Path) -> None:
    found = run(project, weights)
    assert told(found) == {"plain": "new", "qwen3-vl-8b": "new"}
    assert found.differs
    assert set(tree(project)) == {
        "models.d/plain/discovered.json",
        "models.d/plain/rtx.toml",
        "models.d/qwen3-vl-8b/discovered.json",
        "models.d/qwen3-vl-8b/rtx.toml",
    }
    assert str(weights).encode() not in b"".join(tree(project).values())


def test_running_again_changes_nothing(project: Path, weights: Path) -> None:
    run(project, weights)
    before = {path: path.stat() for path in project.rglob("*")}
    found = run(project, weights)
    assert told(found) == {"plain": "unchanged", "qwen3-vl-8b": "unchanged"}
    assert not found.differs
    assert found.stubs == found.diagnostics == ()
    assert {path: path.stat() for path in project.rglob("*")} == before


def test_the_bytes_do_not_depend_on_where_the_root_is(project: Path, weights: Path, tmp_path: Path) -> None:
    run(project, weights)
    elsewhere = tmp_path / "mnt/big disk"
    shutil.copytree(weights, elsewhere)
    again = tmp_path / "project-2"
    again.mkdir()
    run(again, elsewhere)
    assert tree(again) == tree(project)


def test_discovering_writes_nothing(project: Path, weights: Path) -> None:
    discover(project, "rtx", {"weights": weights}, stub=a_stub)
    assert tree(project) == {}


def test_no_toml_file_is_ever_touched(project: Path, weights: Path) -> None:
    mine = project / "models.d/plain/rtx.toml"
    mine.parent.mkdir(parents=True)
    mine.write_text("port = 24001\n")
    found = run(project, weights)
    assert mine.read_text() == "port = 24001\n"
    assert [stub.file for stub in found.stubs] == ["models.d/qwen3-vl-8b/rtx.toml"]


def test_an_overlay_for_the_parent_profile_needs_no_stub(project: Path, weights: Path) -> None:
    run(project, weights)
    (project / "models.d/plain/rtx.toml").rename(project / "models.d/plain/parent.toml")
    assert run(project, weights, overlays=("rtx", "parent")).stubs == ()
    assert len(run(project, weights).stubs) == 1


def test_a_moved_folder_stays_the_same_model(project: Path, weights: Path) -> None:
    run(project, weights)
    (weights / "archive/deep").mkdir(parents=True)
    (weights / "Org/Plain").rename(weights / "archive/deep/Renamed")
    found = run(project, weights)
    assert told(found) == {"plain": "moved", "qwen3-vl-8b": "unchanged"}
    moved = found.models[0].facts
    assert moved.location.path == "archive/deep/Renamed"
    assert moved.source.repo == "Org/Plain"
    assert found.absent == ()
    assert told(run(project, weights)) == {"plain": "unchanged", "qwen3-vl-8b": "unchanged"}


def test_a_copy_is_another_model(project: Path, weights: Path) -> None:
    run(project, weights)
    shutil.copytree(weights / "Org/Plain", weights / "Abc/Plain")
    assert told(run(project, weights)) == {"plain": "unchanged", "plain-2": "new", "qwen3-vl-8b": "unchanged"}
    assert told(run(project, weights)) == {
        "plain": "unchanged",
        "plain-2": "unchanged",
        "qwen3-vl-8b": "unchanged",
    }


def test_which_of_two_copies_moved_is_not_guessed(project: Path, weights: Path) -> None:
    run(project, weights)
    shutil.copytree(weights / "Org/Plain", weights / "A/One")
    (weights / "Org/Plain").rename(weights / "A/Two")
    found = run(project, weights)
    assert told(found) == {"one": "new", "two": "new", "qwen3-vl-8b": "unchanged"}
    assert found.absent == ("plain",)


def test_weights_replaced_in_place_stay_the_same_model(project: Path, weights: Path) -> None:
    run(project, weights)
    write_weights(weights / "Org/Plain/model.safetensors", header({"b": ("F16", (8,))}))
    assert told(run(project, weights))["plain"] == "changed"


def test_a_changed_config_is_a_change_and_no_new_name(project: Path, weights: Path) -> None:
    run(project, weights)
    (weights / "Org/Plain/config.json").write_text('{"model_type": "other"}')
    assert told(run(project, weights))["plain"] == "changed"


def test_facts_edited_by_hand_are_made_anew(project: Path, weights: Path) -> None:
    run(project, weights)
    before = tree(project)
    file = project / "models.d/plain/discovered.json"
    file.write_bytes(file.read_bytes().replace(b"131072", b"999999"))
    assert told(run(project, weights))["plain"] == "changed"
    file.write_text("{ broken")
    assert told(run(project, weights))["plain"] == "changed"
    assert tree(project) == before


def test_a_folder_made_by_hand_gets_the_facts(project: Path, weights: Path) -> None:
    (project / "models.d/plain").mkdir(parents=True)
    (project / "models.d/plain/base.toml").write_text("")
    assert told(run(project, weights))["plain"] == "new"
    assert (project / "models.d/plain/discovered.json").is_file()


def test_absent_weights_are_a_note_and_their_facts_stay(project: Path, weights: Path) -> None:
    run(project, weights)
    shutil.rmtree(weights / "Org/Plain")
    before = tree(project)
    found = run(project, weights)
    assert ids(found) == ["weights-absent"]
    assert found.diagnostics[0].severity == "note"
    assert found.absent == ("plain",)
    assert tree(project) == before


def test_a_narrow_scan_misses_nothing_elsewhere(project: Path, weights: Path) -> None:
    run(project, weights)
    shutil.rmtree(weights / "Org/Plain")
    found = run(project, weights, weights / "Qwen")
    assert told(found) == {"qwen3-vl-8b": "unchanged"}
    assert ids(found) == []


def test_a_broken_folder_keeps_its_old_facts(project: Path, weights: Path) -> None:
    run(project, weights)
    before = tree(project)
    write_weights(weights / "Org/Plain/model.safetensors", header({"a": ("BF16", (4,))}), short=1)
    found = run(project, weights)
    assert ids(found) == ["weights-truncated"]
    assert found.absent == ()
    assert tree(project) == before


def test_a_download_without_its_shards_is_named(project: Path, weights: Path) -> None:
    (weights / "Org/Plain/model.safetensors").rename(weights / "Org/Plain/model.safetensors.index.json")
    (weights / "Org/Plain/model.safetensors.index.json").write_text('{"weight_map": {"a": "m-1.safetensors"}}')
    assert ids(run(project, weights)) == ["weights-incomplete"]


def test_a_path_outside_the_roots_is_refused_with_the_line_to_add(project: Path, weights: Path, tmp_path: Path) -> None:
    write_folder(tmp_path / "elsewhere/Org/Model", LLAMA)
    found = run(project, weights, tmp_path / "elsewhere")
    assert ids(found) == ["outside-roots"]
    assert not found.searched
    assert f'models = "{tmp_path}/elsewhere"' in (found.diagnostics[0].hint or "")
    assert tree(project) == {}


def test_a_path_that_is_no_folder_keeps_the_others_from_being_read(project: Path, weights: Path) -> None:
    (weights / "loop").symlink_to("loop")
    for path in ("nowhere", "loop", "Org/Plain/config.json"):
        found = run(project, weights, weights / "Org", weights / path)
        assert (ids(found), found.searched) == (["no-models"], False)
    assert tree(project) == {}


def test_a_root_that_is_not_there_and_one_that_is_empty(project: Path, tmp_path: Path) -> None:
    assert ids(run(project, tmp_path / "nowhere")) == ["no-models"]
    (tmp_path / "empty").mkdir()
    assert ids(run(project, tmp_path / "empty")) == ["no-models"]


def test_links_to_folders_are_not_followed(project: Path, weights: Path, tmp_path: Path) -> None:
    write_folder(tmp_path / "elsewhere/Org/Model", LLAMA)
    (weights / "out").symlink_to(tmp_path / "elsewhere")
    (weights / "in").symlink_to(weights / "Org")
    (weights / "loop").symlink_to(weights)
    found = run(project, weights)
    assert told(found) == {"plain": "new", "qwen3-vl-8b": "new"}
    assert ids(found) == ["unsafe-path"]
    assert found.diagnostics[0].severity == "warning"


def test_a_link_in_a_circle_beside_model_folders_hides_none(project: Path, weights: Path) -> None:
    (weights / "loop").symlink_to("loop")
    assert set(told(run(project, weights))) == {"plain", "qwen3-vl-8b"}


@pytest.mark.parametrize("name", [b"not \xff utf-8", b"two\nlines", b"\x1b[31mred"])
def test_a_folder_whose_name_cannot_be_shown_is_left_out(project: Path, weights: Path, name: bytes) -> None:
    odd = write_folder(weights / os.fsdecode(name) / "Model", LLAMA).parent
    for paths in ((), (odd / "Model", weights)):
        found = run(project, weights, *paths)
        assert [model.name for model in found.models] == ["plain", "qwen3-vl-8b"]
        assert {(p.id, p.severity) for p in found.diagnostics} == {("unsafe-path", "warning")}
        assert all((p.message + p.at.file).isprintable() for p in found.diagnostics if p.at is not None)


@pytest.mark.parametrize("linked", ["models.d", "models.d/plain"])
def test_nothing_is_written_through_a_link(project: Path, weights: Path, tmp_path: Path, linked: str) -> None:
    run(project, weights)
    (project / linked).rename(tmp_path / "elsewhere")
    (project / linked).symlink_to(tmp_path / "elsewhere")
    for file in (*tmp_path.glob("elsewhere/**/discovered.json"), *tmp_path.glob("elsewhere/**/rtx.toml")):
        file.write_text("other")
    before = tree(tmp_path / "elsewhere")
    (problem,) = run(project, weights).diagnostics
    assert (problem.id, problem.severity, problem.at) == ("unreadable-file", "error", Place(linked))
    assert problem.message == f"cannot read `{linked}`: it is a link; inputs are plain files in plain folders"
    assert tree(tmp_path / "elsewhere") == before


def test_a_link_that_leads_nowhere_is_not_made_a_models_folder(project: Path, weights: Path, tmp_path: Path) -> None:
    (project / "models.d").mkdir()
    (project / "models.d/plain").symlink_to(tmp_path / "nowhere")
    found = run(project, weights)
    assert (told(found), ids(found)) == ({"qwen3-vl-8b": "new"}, ["unreadable-file"])
    assert not (tmp_path / "nowhere").exists()


def test_a_path_through_a_link_is_where_it_leads(project: Path, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(weights)
    found = run(project, tmp_path / "link", tmp_path / "link/Org")
    assert [model.facts.location.path for model in found.models] == ["Org/Plain"]


def test_the_search_has_an_end(project: Path, weights: Path) -> None:
    write_folder(weights / "a/b/c/d/e/f", LLAMA)
    write_folder(weights / "1/2/3/4/5/6/7", LLAMA)
    write_folder(weights / ".hidden/Model", LLAMA)
    write_folder(weights / "Org/Plain/inner", LLAMA)
    paths = {model.facts.location.path for model in run(project, weights).models}
    assert paths == {"Org/Plain", "Qwen/Qwen3 VL (8B)", "a/b/c/d/e/f"}


def test_a_folder_that_two_roots_reach_counts_once(project: Path, weights: Path) -> None:
    found = discover(project, "rtx", {"all": weights, "qwen": weights / "Qwen"}, stub=a_stub)
    places = {(model.facts.location.root, model.facts.location.path) for model in found.models}
    assert places == {("all", "Org/Plain"), ("qwen", "Qwen3 VL (8B)")}


def test_names_that_compare_equal_are_told_apart(project: Path, weights: Path) -> None:
    write_folder(weights / "A/Pla-in", LLAMA)
    assert set(told(run(project, weights))) == {"pla-in", "plain-2", "qwen3-vl-8b"}


def test_a_crash_while_writing_leaves_the_old_facts(
    project: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(project, weights)
    before = tree(project)
    (weights / "Org/Plain/config.json").write_text("{}")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        run(project, weights)
    assert tree(project) == before


def test_progress_names_each_folder(project: Path, weights: Path) -> None:
    lines: list[str] = []
    discover(project, "rtx", {"weights": weights}, stub=a_stub, progress=lines.append)
    assert lines == ["reading weights:Org/Plain", "reading weights:Qwen/Qwen3 VL (8B)"]


def test_the_tiny_model_is_a_model_and_the_same_every_time(project: Path, tmp_path: Path) -> None:
    tiny_model.make(tmp_path / "one/Tiny/Llama")
    tiny_model.make(tmp_path / "two/Tiny/Llama")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    (model,) = run(project, tmp_path / "one").models
    numbers = model.facts.architecture
    assert (numbers.layers, numbers.heads, numbers.kv_heads, numbers.head_dim) == (2, 2, 1, 32)
    assert model.facts.context is not None
    assert model.facts.context.tokens == 2048
    assert list(model.facts.capabilities) == ["text"]
