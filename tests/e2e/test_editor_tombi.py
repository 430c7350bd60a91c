"""Editors with Tombi, the real one: its linter and its language server over what was compiled."""

import json
import os
import shutil
import subprocess
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lsp import Server

from command import stowplan
from sources import facts
from stowplan.read.profile import VARIABLE

REPOSITORY = Path(__file__).resolve().parents[2]
TOMBI = Path(sysconfig.get_path("scripts"), "tombi")
PROFILES = sorted(path.stem for path in (REPOSITORY / "profiles").glob("*.toml"))
OVERLAY = "models.d/tiny-random-llama/rtx-6000-pro-96g.toml"
POINTER = "#:schema ../../build/active/schema/overlay.json\n"
Found = tuple[str, int, int, str]
"""A finding: file, line and column from 1, and Tombi's name for it."""


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Nobody's settings, and no network."""
    home = str(tmp_path_factory.mktemp("home"))
    return {"PATH": os.environ["PATH"], "HOME": home, "XDG_CACHE_HOME": home, "TOMBI_OFFLINE": "true"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's own configuration, compiled."""
    project = tmp_path_factory.mktemp("editor") / "project"
    for part in ("models.d", "profiles"):
        shutil.copytree(REPOSITORY / part, project / part)
    shutil.copy(REPOSITORY / "tombi.toml", project)
    assert stowplan(project, "compile").code == 0
    return project


@pytest.fixture
def newest(own: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The repository's configuration on the profile with the newest engine; a file that a test adds goes again."""
    monkeypatch.delenv(VARIABLE, raising=False)
    assert stowplan(own, "use", "rtx-6000-pro-96g").code == 0
    before = {path for path in own.rglob("*.toml") if path.is_file()}
    yield own
    for path in {path for path in own.rglob("*.toml") if path.is_file()} - before:
        path.unlink()


def lint(project: Path, surroundings: dict[str, str], *files: str) -> tuple[int, list[Found]]:
    """Tombi's exit code and what it finds. Without files: everything."""
    command = [TOMBI, "lint", "--quiet", "--diagnostics-format", "json", "--diagnostics-file", "/dev/stdout", *files]
    done = subprocess.run(command, cwd=project, env=surroundings, capture_output=True, text=True, timeout=60)
    found = []
    for told in json.loads(done.stdout):
        start = told["range"]["start"]
        found.append((told["path"].removeprefix("./"), start["line"], start["column"], told["code"]))
    return done.returncode, sorted(found)


def written(project: Path, file: str, text: str) -> str:
    assert not (project / file).exists()
    (project / file).parent.mkdir(parents=True, exist_ok=True)
    (project / file).write_text(text, "utf-8")
    return file


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_right_is_not_marked(profile: str, own: Path, surroundings: dict[str, str]) -> None:
    """Each profile's own files, against its own engine; a warning counts, too."""
    assert stowplan(own, "use", profile).code == 0
    files = [path.relative_to(own).as_posix() for path in own.glob(f"models.d/*/{profile}.toml")]
    files += [path.relative_to(own).as_posix() for path in own.glob("models.d/*/base.toml")]
    assert len(files) > 10
    assert lint(own, surroundings, *files, f"profiles/{profile}.toml") == (0, [])


def test_all_files_at_once(own: Path, surroundings: dict[str, str]) -> None:
    """On the machine that most of them are for."""
    assert stowplan(own, "use", "rtx-4080-16g").code == 0
    assert lint(own, surroundings) == (0, [])


MISTAKES = {
    "a key that no overlay has": ("ports = 1\n", 2, 1, "key-not-allowed"),
    "a flag in no version": ("[vllm]\n  max_model_len = 1\n", 3, 3, "key-not-allowed"),
    "a flag of an older version": ("[vllm]\nswap-space = 4\n", 3, 1, "key-not-allowed"),
    "a wrong choice": ('[vllm]\nkv-cache-dtype = "fp9"\n', 3, 18, "enum"),
    "a wrong name": ('[vllm]\nquantization = "awk"\n', 3, 16, "string-pattern"),
    "a wrong type": ('[vllm]\nenforce-eager = "yes"\n', 3, 17, "type-mismatch"),
    "a number out of its range": ("[vllm]\ngpu-memory-utilization = 1.5\n", 3, 26, "float-maximum"),
    "a field that an object has not": ("[vllm]\ncompilation-config = { leval = 1 }\n", 3, 24, "key-not-allowed"),
    "a field's wrong type": ("[vllm.speculative-config]\nmodel = 1\n", 3, 9, "type-mismatch"),
    "a wrong engine": ('engine = "llama"\n', 2, 10, "enum"),
    "a wrong port": ("port = 70000\n", 2, 8, "integer-maximum"),
    "no text for a variable": ("[env]\nA = 1\n", 3, 5, "type-mismatch"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_wrong_is_marked_where_it_stands(mistake: str, newest: Path, surroundings: dict[str, str]) -> None:
    text, line, column, code = MISTAKES[mistake]
    file = written(newest, OVERLAY, POINTER + text)
    assert lint(newest, surroundings, file) == (1, [(file, line, column, code)])


OPEN = """\
port = 24005
[vllm]
gpu-memory-utilization = 0.05
quantization = "FP8"
moe-backend = "Flashinfer-Cutlass"
max-model-len = "auto"
tool-call-parser = "from-a-plugin"
allowed-origins = ["*"]
limit-mm-per-prompt = { image = { count = 1 }, video = 0 }
hf-overrides = { text_config = { rope_scaling = { factor = 2.0 } } }
[vllm.compilation-config.inductor_compile_config]
max_autotune = true
[vllm.override-generation-config]
temperature = 0.5
[sampling]
extra = { deep = [{ er = 1 }] }
"""


def test_what_is_open_is_not_marked(newest: Path, surroundings: dict[str, str]) -> None:
    """Tables of any keys, names that plugins bring, other spellings that the engine reads."""
    file = written(newest, OVERLAY, POINTER + OPEN)
    checked = stowplan(newest, "check", "tiny-random-llama/rtx-6000-pro-96g")
    assert checked.code == 0, checked.err
    assert lint(newest, surroundings, file) == (0, [])


def test_a_deprecated_flag_is_crossed_out(newest: Path, surroundings: dict[str, str]) -> None:
    assert stowplan(newest, "use", "rtx-4080-16g").code == 0  # vLLM 0.11.0
    file = written(newest, OVERLAY, f"{POINTER}[vllm]\nenable-multimodal-encoder-data-parallel = true\n")
    assert lint(newest, surroundings, file) == (0, [(file, 3, 1, "deprecated")])


@pytest.mark.parametrize(
    ("file", "text", "column"),
    [
        ("models.d/new/base.toml", 'status = "stub"\n', 1),
        ("models.d/new/rtx-6000-pro-96g.toml", 'name = "only in base.toml"\n', 1),
        ("profiles/new.toml", "gpus = 2\n", 1),
    ],
)
def test_files_that_name_no_schema_have_the_settings_one(
    file: str, text: str, column: int, newest: Path, surroundings: dict[str, str]
) -> None:
    assert lint(newest, surroundings, written(newest, file, text)) == (1, [(file, 1, column, "key-not-allowed")])


def test_before_the_first_build_the_schema_is_missed_and_nothing_else(
    tmp_path: Path, surroundings: dict[str, str]
) -> None:
    shutil.copy(REPOSITORY / "tombi.toml", tmp_path)
    file = written(tmp_path, "models.d/m/p.toml", f"{POINTER}[vllm]\nanything = 1\n")
    assert lint(tmp_path, surroundings, file) == (0, [(file, 1, 10, "schema-resolution")])


def test_a_new_project_brings_the_settings(tmp_path: Path, surroundings: dict[str, str]) -> None:
    assert stowplan(tmp_path, "init", "-p", "card").code == 0
    ours, made = (tomllib.loads((folder / "tombi.toml").read_text("utf-8")) for folder in (REPOSITORY, tmp_path))
    assert made == {"schemas": ours["schemas"]}
    assert stowplan(tmp_path, "compile").code == 0
    assert stowplan(tmp_path, "use", "card").code == 0
    (tmp_path / "models.d/m").mkdir()
    (tmp_path / "models.d/m/discovered.json").write_bytes(facts())
    assert stowplan(tmp_path, "new", "m", "-p", "card").code == 0
    assert (tmp_path / "models.d/m/card.toml").read_text("utf-8").startswith(POINTER)
    assert lint(tmp_path, surroundings) == (0, [])
    wrong = written(tmp_path, "models.d/n/card.toml", '[vllm]\ndtype = "fp9"\n')
    assert lint(tmp_path, surroundings) == (1, [(wrong, 2, 9, "enum")])


@pytest.fixture
def editor(newest: Path, surroundings: dict[str, str]) -> Iterator[Server]:
    with Server([TOMBI, "lsp"], newest, surroundings) as server:
        yield server


def flags(project: Path) -> dict[str, Any]:
    """The flags of the schema that editors follow."""
    schema = json.loads((project / "build/active/schema/overlay.json").read_text("utf-8"))
    found: dict[str, Any] = schema["properties"]["vllm"]["properties"]
    return found


class TestLanguageServer:
    def test_keys_are_the_flags_of_the_pinned_version(self, editor: Server, newest: Path) -> None:
        editor.open(OVERLAY, f"{POINTER}[vllm]\ndtype = 'auto'\n\n")
        offered = editor.completion(OVERLAY, (3, 0))
        keys = {label.partition(" = ")[0] for label in offered}  # an only choice is offered with its key
        assert keys == flags(newest).keys() - {"dtype"}
        assert "moe-backend" in offered  # since 0.19
        assert "swap-space" not in offered  # until 0.18
        told = offered["max-num-seqs"]["documentation"]["value"]
        assert "Maximum number of sequences" in told
        assert "vllm 0.32.0, SchedulerConfig" in told

    def test_another_profile_offers_its_own(self, editor: Server, newest: Path) -> None:
        assert stowplan(newest, "use", "rtx-4080-16g").code == 0
        editor.open(OVERLAY, f"{POINTER}[vllm]\n\n")
        offered = editor.completion(OVERLAY, (2, 0))
        assert "swap-space" in offered
        assert "moe-backend" not in offered

    def test_keys_of_a_file(self, editor: Server) -> None:
        editor.open(OVERLAY, f"{POINTER}\n")
        offered = editor.completion(OVERLAY, (1, 0))
        assert {"engine", "port", "vllm", "sampling", "env"} <= offered.keys()
        assert "range" in offered["port"]["documentation"]["value"]

    def test_keys_of_an_object(self, editor: Server) -> None:
        editor.open(OVERLAY, f"{POINTER}[vllm.compilation-config]\n\n")
        offered = editor.completion(OVERLAY, (2, 0))
        assert {"cudagraph_mode", "custom_ops", "pass_config"} <= offered.keys()

    @pytest.mark.parametrize(
        ("line", "some"),
        [
            ("kv-cache-dtype = ", {'"auto"', '"fp8"'}),
            ("quantization = ", {'"awq"', '"fp8"', '"gptq"'}),
            ("tool-call-parser = ", {'"hermes"', '"openai"'}),
            ("enforce-eager = ", {"true", "false"}),
        ],
    )
    def test_values(self, line: str, some: set[str], editor: Server) -> None:
        editor.open(OVERLAY, f"{POINTER}[vllm]\n{line}\n")
        assert some <= editor.completion(OVERLAY, (2, len(line))).keys()

    def test_a_flag_says_what_it_is(self, editor: Server) -> None:
        editor.open(OVERLAY, f"{POINTER}[vllm]\ngpu-memory-utilization = 0.9\n")
        told = editor.hover(OVERLAY, (2, 3))
        for words in ("The fraction of GPU memory", "vllm 0.32.0, CacheConfig", "Default: `0.92`", "Maximum: `1`"):
            assert words in told

    def test_a_field_says_what_it_is(self, editor: Server) -> None:
        editor.open(OVERLAY, f"{POINTER}[vllm]\nspeculative-config = {{ method = 'ngram' }}\n")
        assert "speculative method" in editor.hover(OVERLAY, (2, 24))

    def test_a_mistake_is_underlined_and_nothing_more(self, editor: Server) -> None:
        line = 'speculative-config = { model = "東京😀", num_speculative_tokens = "two" }'
        (found,) = editor.open(OVERLAY, f"{POINTER}[vllm]\n{line}\n")
        assert found["severity"] == 1
        start, end = (utf16(line[: line.index(part)]) for part in ('"two"', " }"))
        assert found["range"] == {"start": {"line": 2, "character": start}, "end": {"line": 2, "character": end}}

    def test_a_mended_file_is_clean(self, editor: Server) -> None:
        text = f'{POINTER}[vllm]\nkv-cache-dtype = "fp9"\n'
        assert [found["code"] for found in editor.open(OVERLAY, text)] == ["enum"]
        assert editor.open(OVERLAY, text.replace("fp9", "fp8")) == []


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
