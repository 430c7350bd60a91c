"""`verify`, `pin`, `unpin` and `gc`, as a person meets them."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from sound_project import OVERLAY, compiled

from command import stowplan

LONG_AGO = 60 * 86400


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with four generations, the fourth of which is current."""
    project = compiled(tmp_path / "project")
    for context in (1024, 1025, 1026):
        (project / OVERLAY).write_text(f"[vllm]\nmax-model-len = {context}\n")
        assert stowplan(project, "compile").code == 0
    return project


def age(build: Path) -> None:
    """Makes all that was published two months old, but for change times, which nobody can set."""
    log = build / "generations/log.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - LONG_AGO))
    log.write_text("".join(json.dumps(line | {"time": when}) + "\n" for line in lines))
    then = time.time() - LONG_AGO
    for path in (build / "generations").iterdir():
        os.utime(path, (then, then), follow_symlinks=False)


def generations(project: Path) -> list[int]:
    return sorted(int(path.name) for path in (project / "build/generations").iterdir() if path.name.isdigit())


def test_what_is_whole_is_said_to_be(project: Path) -> None:
    done = stowplan(project, "verify")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("generation 4 (")
    assert done.out.endswith(" files\n")
    assert len(stowplan(project, "verify", "--all").out.splitlines()) == 4


def test_every_byte_that_differs_is_named(project: Path) -> None:
    script = (project / "build/current/card/launch/llama.sh").resolve()
    script.chmod(0o755)
    script.write_bytes(script.read_bytes() + b"\n")
    manifest = (project / "build/current/manifest.json").resolve()
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes().replace(b'"format":1', b'"format":2'))
    done = stowplan(project, "verify")
    assert done.code == 1
    assert "  manifest.json: changed\n" in done.out
    assert "  card/launch/llama.sh: changed\n" in done.out
    assert "  card/launch/llama.sh: mode 0755, not 0555\n" in done.out
    assert "`stowplan compile` of its inputs writes it anew" in done.err
    told = json.loads(stowplan(project, "verify", "4", "--format", "json").out)
    assert {"path": "manifest.json", "what": "changed"} in told["generations"][0]["damage"]
    assert stowplan(project, "verify", "1").code == 0
    assert stowplan(project, "compile").code == 0
    assert stowplan(project, "verify").code == 0


def test_a_generation_that_is_not_there(project: Path) -> None:
    done = stowplan(project, "verify", "9")
    assert (done.code, done.err) == (2, "error: there is no generation 9; there are: 1, 2, 3, 4\n")
    assert stowplan(project, "verify", "9", "--all").code == 2
    shutil.rmtree(project / "build")
    assert "run `stowplan compile`" in stowplan(project, "verify").err


def test_young_generations_stay(project: Path) -> None:
    done = stowplan(project, "gc", "--keep", "1")
    assert done.out.startswith("nothing to remove\n")
    assert generations(project) == [1, 2, 3, 4]


def test_old_generations_go_and_their_numbers_are_not_used_again(project: Path) -> None:
    age(project / "build")
    told = stowplan(project, "gc", "--keep", "2", "--dry-run").out
    assert told.startswith("would remove 2 generations")
    assert generations(project) == [1, 2, 3, 4]
    done = stowplan(project, "gc", "--keep", "2")
    assert done.out == told.replace("would remove", "removed")
    assert generations(project) == [3, 4]
    assert stowplan(project, "verify", "--all").code == 0
    (project / OVERLAY).write_text("[vllm]\nmax-model-len = 1024\n")
    assert "published generation 5" in stowplan(project, "compile").out


def test_what_is_current_pinned_or_rolled_back_to_stays(project: Path) -> None:
    assert stowplan(project, "pin", "stable", "2").out == "stable is generation 2\n"
    assert stowplan(project, "rollback", "1").code == 0
    age(project / "build")
    done = stowplan(project, "gc", "--keep", "1")
    assert "kept, current: 1\n" in done.out
    assert "kept, pinned: 2\n" in done.out
    assert "kept, among the newest: 4\n" in done.out
    assert generations(project) == [1, 2, 4]
    assert (project / "build/pins/stable/card/model_registry.json").is_file()


def test_pins_move_and_come_off(project: Path) -> None:
    stowplan(project, "pin", "stable", "2")
    assert stowplan(project, "pin", "stable").out == "stable is generation 4; it was 2\n"
    assert "pinned: stable" in stowplan(project, "generations").out
    assert json.loads(stowplan(project, "generations", "--format", "json").out)["pins"] == {"stable": 4}
    assert stowplan(project, "unpin", "stable").out == "stable was generation 4\n"
    done = stowplan(project, "unpin", "stable")
    assert (done.code, done.err) == (2, "error: there is no pin `stable`; there are: none yet\n")
    for name in ("../x", "7", ""):
        assert stowplan(project, "pin", name).code == 2


def test_ages_are_written_with_their_unit(project: Path) -> None:
    assert "'30' is no age; write one as 30d, 12h or 90m" in stowplan(project, "gc", "--older-than", "30").err
    assert stowplan(project, "gc", "--keep", "0").code == 2
