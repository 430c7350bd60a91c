"""`upgrade` on whole projects: what it says is what happens, to every version and back."""

import json
import shutil
from pathlib import Path

import pytest

from command import stowplan
from stowplan.engines.flags import versions
from test_docs import console_blocks, run

REPOSITORY = Path(__file__).resolve().parents[3]
VERSIONS = versions("vllm")
OTHER_PROFILE = "profiles/rtx-4080-16g.toml"
OVERLAY = "models.d/qwen3-vl-8b-instruct-fp8/rtx-4080-16g.toml"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The repository's own models and profiles."""
    for folder in ("models.d", "profiles"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    return tmp_path


def contents(project: Path) -> dict[str, bytes]:
    return {str(path.relative_to(project)): path.read_bytes() for path in project.rglob("*.toml")}


def errors(project: Path) -> int:
    found = json.loads(stowplan(project, "check", "--format", "json").out)["diagnostics"]
    return sum(problem["severity"] == "error" for problem in found)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_would_break_breaks_and_what_would_not_does_not(own: Path, version: str) -> None:
    """The preview against the move itself, without its fixes."""
    before = contents(own)
    said = stowplan(own, "upgrade", "vllm", version, "--format", "json")
    preview = json.loads(said.out)
    assert contents(own) == before, "a preview wrote"
    for name in ("a100-80g", "cpu", "rtx-4080-16g", "rtx-6000-pro-96g"):
        profile = own / f"profiles/{name}.toml"
        profile.write_text(
            "".join(
                f'version = "{version}"\n' if line.startswith("version") else line
                for line in profile.read_text().splitlines(keepends=True)
            )
        )
    assert (said.code == 3) == (errors(own) > 0)
    broken = {model for one in preview["previews"] for model in one["breaks"]}
    assert bool(broken) == (said.code == 3)


@pytest.mark.parametrize("version", VERSIONS[::4])
def test_what_is_written_compiles_where_it_says_so(own: Path, version: str) -> None:
    done = stowplan(own, "upgrade", "vllm", version, "--write", "--format", "json")
    told = json.loads(done.out)
    assert told["written"]
    assert done.code == (3 if told["remaining"] else 0)
    assert errors(own) == len(told["remaining"])
    again = stowplan(own, "upgrade", "vllm", version)
    assert (again.code, again.out) == (0, f"nothing to do: vllm {version} is pinned already\n")


def test_one_model_at_a_time_comes_to_the_same_pins(own: Path) -> None:
    """Defaults of the profile count for both engines, so what one of them does not take is a person's to place."""
    profile = own / OTHER_PROFILE
    profile.write_text(profile.read_text() + "swap-space = 2\n")
    done = stowplan(own, "upgrade", "vllm", "0.32.0", "-m", "qwen3-vl-8b-instruct-fp8", "--write")
    assert done.code == 3
    assert "the profile breaks, and with it every model of it" in done.out
    assert "vllm 0.11.0 (pinned in profiles/rtx-4080-16g.toml) takes it as it is" in done.out
    assert "swap-space = 2\n" in profile.read_text()
    assert "swap-space" not in (own / OVERLAY).read_text(), "nobody else has that overlay"


def test_a_model_by_any_of_its_names_on_one_profile(own: Path) -> None:
    before = contents(own)
    done = stowplan(own, "upgrade", "vllm", "0.33.0", "-m", "Qwen2.5-VL 7B Instruct (AWQ)", "-p", "a100-80g", "--write")
    assert done.code == 0
    changed = {file for file, content in contents(own).items() if content != before[file]}
    assert changed == {"profiles/a100-80g.toml", "models.d/qwen2.5-vl-7b-instruct-awq/a100-80g.toml"}
    assert done.out.startswith("vllm 0.19.1 → 0.33.0 on a100-80g: qwen2.5-vl-7b-instruct-awq starts differently\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-p", "no-such"], "-p names the profile `no-such`, which does not exist"),
        (["-m", "no-such"], "no model is called `no-such`"),
        (["-m", "tiny-random-llama/a100-80g"], "`tiny-random-llama` has no overlay for profile `a100-80g`"),
        (["-m", "florence-2-large"], "`florence-2-large` is not served by vllm"),
    ],
)
def test_what_cannot_be_moved_is_a_sentence(own: Path, arguments: list[str], told: str) -> None:
    done = stowplan(own, "upgrade", "vllm", "0.33.0", *arguments)
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_a_project_that_does_not_compile_is_compared_all_the_same(own: Path) -> None:
    """What is wrong already is no news; what breaks beside it is."""
    with (own / OVERLAY).open("a") as file:
        file.write("qwertz = 1\n")
    done = stowplan(own, "upgrade", "vllm", "0.32.0", "-p", "rtx-4080-16g")
    assert done.code == 3
    assert "qwertz" not in done.out
    assert "`swap-space` was removed" in done.out
    calm = stowplan(own, "upgrade", "vllm", "0.31.0", "-p", "rtx-6000-pro-96g")
    assert calm.code == 0


def test_the_page_shows_what_is_printed(own: Path, request: pytest.FixtureRequest) -> None:
    """Blocks of docs/upgrade.md run in order, in a copy of the repository's configuration."""
    path = REPOSITORY / "docs/upgrade.md"
    page = path.read_text(encoding="utf-8")
    blocks = console_blocks(page)
    assert len(blocks) == 3
    for block in blocks:
        command, _, shown = block.partition("\n")
        printed = run(own, command.removeprefix("$ "))
        if request.config.getoption("update_snapshots"):
            page = page.replace(f"```console\n{block}```", f"```console\n{command}\n{printed}```", 1)
            path.write_text(page, encoding="utf-8")
        else:
            assert shown == printed
