"""launch/<model>.sh as text. What it does when it runs is tested end to end."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension

from emit_projects import INCIDENT, QWEN, artifacts_of, entries_of
from sources import FACTS, PROFILE_TEXT, facts, found, sources, toml
from stowplan.stages.emit import vllm_script
from stowplan.words.diagnostic import has_errors

SHELLCHECK = Path(sys.executable).parent / "shellcheck"


class ShellScript(SingleFileSnapshotExtension):
    """A snapshot that is a script one can read."""

    file_extension = "sh"


def test_the_script(snapshot: SnapshotAssertion) -> None:
    script = artifacts_of(INCIDENT, "rtx-4080-16g")[f"launch/{QWEN}.sh"]
    assert script.executable
    assert script.content == snapshot(extension_class=ShellScript)


def test_one_flag_a_line() -> None:
    lines = artifacts_of(INCIDENT, "rtx-4080-16g")[f"launch/{QWEN}.sh"].content.decode().splitlines()
    assert {"  --max-model-len 4096", "  --enforce-eager", "  --trust-remote-code"} <= set(lines)


def test_what_something_else_serves_has_no_script() -> None:
    profile, entries = entries_of(INCIDENT, "rtx-4080-16g")
    external = [entry for entry in entries if entry.launch is None]
    assert [entry.name for entry in external] == ["llava_7b_(Q4)"]
    assert [vllm_script.script(profile, entry) for entry in external] == [None]


@pytest.mark.parametrize(
    ("bind", "allow", "pass_env", "asks"),
    [
        ("127.0.0.1", [], ["VLLM_API_KEY"], False),
        ("::1", [], ["VLLM_API_KEY"], False),
        ("localhost", [], ["VLLM_API_KEY"], False),
        ("0.0.0.0", [], ["VLLM_API_KEY"], True),
        ("::", [], ["VLLM_API_KEY"], True),
        ("server.lan", [], ["VLLM_API_KEY"], True),
        ("0.0.0.0", ["open-bind"], ["VLLM_API_KEY"], False),
        ("0.0.0.0", ["open-bind"], [], False),
    ],
)
def test_a_key_is_asked_for_where_check_relies_on_it(
    bind: str, allow: list[str], pass_env: list[str], asks: bool
) -> None:
    serving = f'bind = "{bind}"\n' + toml({"pass-env": pass_env})
    profile = toml({"allow": allow}) + PROFILE_TEXT.replace('bind = "127.0.0.1"\n', serving)
    script = artifacts_of(sources({"profiles/rtx.toml": profile}), "rtx")["launch/qwen.sh"]
    assert (b"check_key" in script.content) == asks


def test_only_the_files_that_tell_a_whole_download_are_looked_for() -> None:
    script = artifacts_of(INCIDENT, "rtx-4080-16g")[f"launch/{QWEN}.sh"].content.decode()
    listed = script.partition("weights=(")[2].partition("\n)")[0].splitlines()[1:]
    assert listed == [
        "  - config.json",
        "  3949374208 model-00001-of-00002.safetensors",
        "  2980000000 model-00002-of-00002.safetensors",
    ]


# Any text in any place

TEXT = st.text(
    st.sampled_from("'\"`$(){}[]*?!#~&|;<>=,-\\%^ \n\tabé“”‘’–\u00a0日👩\u200d") | st.characters(codec="utf-8"),
    max_size=40,
)


@settings(max_examples=8, deadline=None)
@given(st.lists(TEXT, min_size=10, max_size=40))
def test_shellcheck_finds_nothing_whatever_the_values(texts: list[str]) -> None:
    allowed = [text for text in texts if not has_errors(found(_with(text)))]
    script = artifacts_of(sources(_with(*allowed)), "rtx")["launch/qwen.sh"].content
    assert _shellcheck(script) == ""


def _with(*texts: str) -> dict[str, str | bytes | None]:
    env = {f"V{number}": text for number, text in enumerate(texts)}
    return {"models.d/qwen/rtx.toml": "[vllm]\n" + toml({"middleware": list(texts)}) + "[env]\n" + toml(env)}


@pytest.mark.parametrize(
    "text",
    [
        "$(id)",
        "`id`",
        "$HOME",
        "~/x",
        "\\",
        "it's",
        "‘it’s’",
        "done",
        "then",
        "if",
        "a,b",
        "a=b",
        "[0]=x",
        "#x",
        "{a,b}",
        "",
    ],
)
def test_shellcheck_finds_nothing_in_a_word_that_looks_meant(text: str) -> None:
    assert _shellcheck(artifacts_of(sources(_with(text)), "rtx")["launch/qwen.sh"].content) == ""


def test_shellcheck_finds_nothing_in_the_script_of_a_bare_model() -> None:
    given = sources({FACTS: facts(), "models.d/qwen/rtx.toml": ""})
    assert _shellcheck(artifacts_of(given, "rtx")["launch/qwen.sh"].content) == ""


def _shellcheck(script: bytes) -> str:
    done = subprocess.run([SHELLCHECK, "-"], input=script, capture_output=True, check=False)
    return (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("where", ["[vllm]\ntokenizer", "[env]\nA", "served-name"])
def test_a_nul_which_no_argument_can_hold_never_gets_here(where: str) -> None:
    problems = found({"models.d/qwen/rtx.toml": f'{where} = "a\\u0000b"\n'})
    assert [problem.id for problem in problems if has_errors([problem])] == ["hidden-characters"]
