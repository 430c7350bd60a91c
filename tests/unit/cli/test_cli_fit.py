"""`fit`: the answer, its table, what is written, a bare folder, and what stands on a card at once."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

import tiny_model
from command import Done, stowplan
from sources import facts
from stowplan.cli.main import cli
from stowplan.nouns.facts import Architecture, LayerRun, Weights

REPOSITORY = Path(__file__).resolve().parents[3]
QWEN = "qwen2.5-vl-7b-instruct-awq"
CARD = "rtx-4080-16g"
SUBJECT = f"{QWEN}/{CARD}"
OVERLAY = f"models.d/{QWEN}/{CARD}.toml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The repository's own models and profiles."""
    for part in ("models.d", "profiles"):
        shutil.copytree(REPOSITORY / part, tmp_path / "project" / part)
    return tmp_path / "project"


def edited(file: Path, old: str, new: str) -> str:
    """Replaces what must be there once; out: the file as it was."""
    before = file.read_text("utf-8")
    assert before.count(old) == 1
    file.write_text(before.replace(old, new), "utf-8")
    return before


def with_small_card(project: Path) -> None:
    """Gives the profile a card of 4 GiB, into which nothing goes."""
    profile = project / f"profiles/{CARD}.toml"
    profile.write_text(re.sub('memory = "[^"]*"', 'memory = "4096 MiB"', profile.read_text("utf-8")), "utf-8")


def fit(project: Path, *arguments: str) -> Done:
    return stowplan(project, "fit", *arguments)


def answered(project: Path, *arguments: str) -> dict[str, object]:
    """The answer as JSON."""
    done = fit(project, *arguments, "--format", "json")
    assert (done.code, done.err) == (0, "")
    found: dict[str, object] = json.loads(done.out)
    return found


def test_the_incident_is_answered_before_anything_is_started(project: Path) -> None:
    done = fit(project, SUBJECT, "--ctx", "128000")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{SUBJECT}: does not fit\n")
    assert "1 request of 128000 tokens, 56.0 KiB a token" in done.out
    assert "because: even at the least it needs more than is granted" in done.out
    assert fit(project, SUBJECT).out.startswith(f"{SUBJECT}: fits\n")


@pytest.mark.parametrize(
    ("said", "verdict", "missing"),
    [
        ("", "fits", None),
        ("max-model-len = 100000\n", "does-not-fit", None),
        ("max-model-len = 128000\ncpu-offload-gb = 8\n", "unknown", ["cpu-offload-gb"]),
        ('speculative-config = {model = "org/elsewhere"}\n', "unknown", ["speculative-config.model"]),
        ('speculative-config = {model = "weights:drafting", num_speculative_tokens = 3}\n', "does-not-fit", None),
    ],
)
def test_the_answer_is_the_same_wherever_it_is_told(
    project: Path, said: str, verdict: str, missing: list[str] | None
) -> None:
    """The draft has an overlay for no profile, so no build has it. Fails if emit looks for drafts among its entries."""
    (project / "models.d/drafting").mkdir()
    size = Weights(format="safetensors", bytes=9 << 30, headers_sha256="d" * 64)
    of = Architecture(layers=1, kv_heads=1, head_dim=64, attention=(LayerRun(kind="full", count=1),))
    content = facts("drafting", weights=size, architecture=of)
    (project / "models.d/drafting/discovered.json").write_bytes(content)
    overlay = project / OVERLAY
    before = overlay.read_text("utf-8")
    if "max-model-len" in said:
        before = re.sub("max-model-len = .*\n", "", before)
    overlay.write_text(before.replace("[vllm]\n", f"[vllm]\n{said}", 1), "utf-8")

    def told(*command: str) -> dict[str, Any]:
        done = stowplan(project, *command, SUBJECT, "--format", "json")
        assert done.code == 0, done.err
        found: dict[str, Any] = json.loads(done.out)
        return found

    shown = told("show")["metadata"]["fit"]
    explained = told("explain")["memory"]
    asked = told("fit")
    assert shown == explained
    assert shown["verdict"] == asked["verdict"] == verdict
    assert shown.get("missing", []) == asked["missing"]
    assert all(word in " ".join(asked["missing"]) for word in missing or ())
    assert bool(asked["missing"]) is (missing is not None)
    checked = stowplan(project, "check", SUBJECT)
    assert ("error[does-not-fit]" in checked.err) is (verdict == "does-not-fit"), checked.err


def test_the_answer_is_the_same_for_programs(project: Path) -> None:
    found = answered(project, SUBJECT, "--ctx", "128000")
    assert found["verdict"] == "does-not-fit"
    assert found["bytes"]["granted"] == 12_878_610_432  # type: ignore[index]
    assert found["bytes"]["kv_cache"] == 7_340_032_000  # type: ignore[index]
    assert "table" not in found
    table = answered(project, SUBJECT)["table"]
    assert table["contexts"][-1] == 128_000  # type: ignore[index]
    assert len(table["verdicts"]) == len(table["contexts"])  # type: ignore[index]
    assert {len(row) for row in table["verdicts"]} == {len(table["sequences"])}  # type: ignore[index]


def test_a_launch_that_does_not_fit_is_an_answer_not_an_error(project: Path) -> None:
    """Its error is what check says of it; here it is what was asked."""
    edited(project / OVERLAY, "max-model-len = 4096", "max-model-len = 128000")
    done = fit(project, SUBJECT)
    assert (done.code, done.err) == (0, "")
    assert "does not fit" in done.out


def test_other_errors_are_spoken_of(project: Path) -> None:
    edited(project / OVERLAY, "max-model-len = 4096", "max-model-length = 4096")
    done = fit(project, SUBJECT)
    assert done.code == 0
    assert f"`stowplan check {SUBJECT}`" in done.err


def test_what_was_solved_is_written_and_nothing_else(project: Path) -> None:
    before = edited(project / OVERLAY, "max-model-len = 4096 ", "max-model-len = 128000 ")
    done = fit(project, SUBJECT, "--write")
    assert (done.code, done.err) == (0, "")
    value = answered(project, SUBJECT, "--solve", "ctx")["solved"]["value"]  # type: ignore[index]
    assert f"wrote {OVERLAY}: max-model-len = {value} (was 128000)" in done.out
    after = (project / OVERLAY).read_text("utf-8")
    wanted = before.replace("max-model-len = 4096 ", f"max-model-len = {value} ")
    assert re.sub(" +", " ", after) == re.sub(" +", " ", wanted), "comments and all; their column is kept"
    again = fit(project, SUBJECT, "--write")
    assert "nothing to write" in again.out
    assert (project / OVERLAY).read_text("utf-8") == after
    assert answered(project, SUBJECT)["verdict"] == "fits"


def test_what_was_asked_for_is_written_with_it(project: Path) -> None:
    assert fit(project, SUBJECT, "--solve", "seqs", "--ctx", "8192", "--write").code == 0
    text = (project / OVERLAY).read_text("utf-8")
    most = answered(project, SUBJECT, "--solve", "seqs")["solved"]["value"]  # type: ignore[index]
    assert "max-model-len = 8192 " in text
    assert f"\nmax-num-seqs = {most}\n" in text


def test_nothing_is_written_where_nothing_fits(project: Path) -> None:
    with_small_card(project)
    before = (project / OVERLAY).read_bytes()
    done = fit(project, SUBJECT, "--write")
    assert done.code == 1
    assert done.out.startswith(f"{SUBJECT}: no max-model-len is sure to fit\n  because: ")
    assert done.err == "nothing was written\n"
    assert (project / OVERLAY).read_bytes() == before
    assert "no context fits, from 512 to 128000 tokens" in fit(project, SUBJECT).out


def test_an_overlay_that_counts_elsewhere_is_not_written(project: Path) -> None:
    """A profile that extends another takes its overlays; what is solved for one is not the other's."""
    (project / "profiles/desk.toml").write_text(f'extends = "{CARD}"\n', "utf-8")
    before = (project / OVERLAY).read_bytes()
    done = fit(project, f"{QWEN}/desk", "--write")
    assert done.code == 2
    assert f"there is no `models.d/{QWEN}/desk.toml` to write into" in done.err
    assert (project / OVERLAY).read_bytes() == before


def test_nothing_is_written_that_would_be_an_error(project: Path) -> None:
    overlay = project / OVERLAY
    text = overlay.read_text("utf-8").replace("max-model-len = 4096", "#")
    overlay.write_text(f'unset = ["vllm.max-model-len"]\n{text}', "utf-8")
    before = overlay.read_bytes()
    done = fit(project, SUBJECT, "--write")
    assert done.code == 1
    assert "error[" in done.err
    assert overlay.read_bytes() == before


def test_all_models_stand_in_one_table(project: Path) -> None:
    done = fit(project, "--all")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == sorted(path.stem for path in (project / "profiles").glob("*.toml"))
    rows = {line.split()[0] for line in lines[1:-1]}
    assert rows == {path.name for path in (project / "models.d").iterdir() if len(list(path.glob("*.toml"))) > 0}
    found = json.loads(fit(project, "--all", "-p", CARD, "--format", "json").out)
    assert {row["profile"] for row in found} == {CARD}
    one = next(row for row in found if row["model"] == QWEN)
    assert one["verdict"] == answered(project, SUBJECT)["verdict"]
    assert one["longest"] == answered(project, SUBJECT, "--solve", "ctx")["solved"]["value"]  # type: ignore[index]


def test_together_lists_the_largest_sets(project: Path) -> None:
    profile = "rtx-6000-pro-96g"
    found = answered(project, "--together", "-p", profile)
    assert found["complete"] is True
    assert found["sets"] == [["gpt-oss-20b", QWEN]]
    edited(project / f"profiles/{profile}.toml", "gpu-memory-utilization = 0.45", "gpu-memory-utilization = 0.6")
    found = answered(project, "--together", "-p", profile)
    assert found["sets"] == [["gpt-oss-20b"], [QWEN]]
    assert "none can be added" in fit(project, "--together", "-p", profile).out


def test_who_does_not_fit_alone_stands_with_nobody(project: Path) -> None:
    with_small_card(project)
    found = answered(project, "--together", "-p", CARD)
    assert (found["models"], found["sets"]) == ([], [])
    assert found["left_out"][QWEN].startswith("does not fit by itself: ")  # type: ignore[index]
    assert found["left_out"]["qwen3-8b"] == "its memory is not known"  # type: ignore[index]


def test_a_bare_folder_needs_no_project(tmp_path: Path) -> None:
    tiny_model.make(tmp_path / "Tiny")
    found = answered(tmp_path, "--folder", "Tiny", "--gpu", "rtx 4080", "--engine-version", "0.32.0")
    assert found["subject"] == "Tiny on NVIDIA GeForce RTX 4080"
    assert found["verdict"] == "fits"
    assert found["engine"] == {"kind": "vllm", "version": "0.32.0"}
    anyone = answered(tmp_path, "--folder", "Tiny", "--gpu", "rtx 4080")
    assert anyone["notes"] == ["the engine's version is not known, so the ranges cover all of them"]


def test_a_folder_may_be_shared_out_over_cards_of_which_others_hold_something(tmp_path: Path) -> None:
    tiny_model.make(tmp_path / "Tiny")
    asked = ("--folder", "Tiny", "--engine-version", "0.32.0", "--gpu")
    one = answered(tmp_path, *asked, "RTX 4090")
    two = answered(tmp_path, *asked, "2x rtx 4090", "--reserved", "2 GiB")
    assert two["subject"] == "Tiny on 2 x NVIDIA GeForce RTX 4090"
    assert (two["gpu"]["count"], two["gpu"]["reserved"]) == (2, 2 << 30)  # type: ignore[index]
    assert two["bytes"]["weights"][0] < one["bytes"]["weights"][0]  # type: ignore[index]
    assert (one["verdict"], two["verdict"]) == ("fits", "does-not-fit")  # 0.92 of a card are not free
    assert "3 cards cannot share its 2 attention heads evenly" in fit(tmp_path, *asked, "3 x rtx 4090").err


def test_numbers_of_a_folder_that_make_no_sense_are_not_known(tmp_path: Path) -> None:
    tiny_model.make(tmp_path / "Tiny")
    edited(tmp_path / "Tiny/config.json", '"hidden_size": 64', '"hidden_size": 35184372088832')
    assert answered(tmp_path, "--folder", "Tiny", "--gpu", "L4")["verdict"] == "unknown"


def test_a_folder_without_a_model_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = fit(tmp_path, "--folder", "empty", "--gpu", "L4")
    assert done.code == 1
    assert "error[" in done.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "nothing was asked"),
        ((SUBJECT, "--all"), "these are several questions"),
        ((SUBJECT, "--solve", "ctx", "--ctx", "5"), "--solve ctx looks for what --ctx says"),
        ((SUBJECT, "--solve", "seqs", "--seqs", "5"), "--solve seqs looks for what --seqs says"),
        ((SUBJECT, "--ctx", "128001"), "takes 128000 tokens at most"),
        ((SUBJECT, "--ctx", "0"), "--ctx"),
        (("--all", "--write"), "--write needs a SUBJECT"),
        (("--all", "--solve", "ctx"), "--solve needs a SUBJECT"),
        ((SUBJECT, "--gpu", "L4"), "go with --folder"),
        ((SUBJECT, "--reserved", "1 GiB"), "go with --folder"),
        (("--folder", "models.d", "--gpu", "L4", "--reserved", "1500"), "is no size; write one with its unit"),
        (("--folder", "models.d", "--gpu", "L4", "--reserved", "23034 MiB"), "leaves nothing of 23034 MiB"),
        (("--folder", "models.d", "--gpu", "0 x L4"), "no card is called '0 x L4'"),
        (("--folder", "models.d"), "--folder needs --gpu"),
        (("--folder", "models.d", "--gpu", "voodoo"), "no card is called 'voodoo'"),
        (("--folder", "models.d", "--gpu", "a100"), "may be NVIDIA A100-SXM4-40GB or NVIDIA A100-SXM4-80GB"),
        (("--folder", "models.d", "--gpu", "L4", "--engine-version", "new"), "is no version"),
        ((f"qwen3-8b/{CARD}",), "something else than an engine of the profile serves it"),
        (("nobody",), "no model is called `nobody`"),
        ((f"{QWEN}/none",), "there is no profile `none`"),
        (("--together", "-p", "cpu"), "does not say how much memory its card has"),
    ],
)
def test_a_question_that_is_none_says_what_to_ask(project: Path, arguments: tuple[str, ...], says: str) -> None:
    done = fit(project, *arguments)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_cards_and_versions_are_completed() -> None:
    def offered(*arguments: str, typed: str) -> list[str]:
        shell = ShellComplete(cli, {}, "stowplan", "_STOWPLAN_COMPLETE")
        return [item.value for item in shell.get_completions(["fit", *arguments], typed)]

    assert "NVIDIA GeForce RTX 4080" in offered("--gpu", typed="rtx 40")
    assert offered("--engine-version", typed="0.32") == ["0.32.0"]
