"""Whatever the values, a script hands over the argv that the registry says, byte for byte."""

import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from e2e.engine import free_port
from fake_vllm import Fake, Launchable, install, launchable
from sources import found, toml
from stowplan.words.diagnostic import has_errors

STRINGS = ("tokenizer", "revision", "download-dir", "generation-config", "allowed-local-media-path", "root-path")
"""Flags of vLLM 0.11.0 that take any one string."""

HOSTILE = [
    "$(touch /tmp/oops)",
    "`id`",
    "it's \"quoted\" '\\''",
    "*?[a-z]{1,2}~",
    "-leading",
    "--max-model-len",
    "--a=b --c d",
    " blanks  around ",
    "two\nlines\n",
    "\ttab",
    "\\",
    "\\\n",
    "",
    "日本語 👩\u200d👩 é é ‘’“”",
    "a&&b;c|d>e<f#g!h",
    "$HOME ${PATH} $'x' $\"y\"",
    "EOF\nPYTHON\n",
    "%s %n",
]

TEXT = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.sampled_from("'\"`$(){}[]*?!#~&|;<>=,-\\%^ \n\tab\u00e9\u65e5"), max_size=30),
    st.text(st.characters(codec="utf-8"), max_size=30),
)


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Fake:
    return install(tmp_path_factory.mktemp("a fake's") / "vllm $x")


def _tables(flags: Mapping[str, Any], env: Mapping[str, str]) -> str:
    return f"[vllm]\n{toml(flags)}[env]\n{toml(env)}"


def _assert_handed_over(launch: Launchable, env: Mapping[str, str]) -> None:
    done = launch.run()
    assert (done.returncode, done.stderr) == (0, "")
    through_script = launch.fake.call()
    assert through_script is not None
    assert through_script.argv == launch.argv
    assert {name: through_script.environment.get(name) for name in env} == env

    subprocess.run(launch.argv, check=True)
    direct = launch.fake.call()
    assert direct is not None
    assert direct.argv == launch.argv


def _assert_printed(launch: Launchable) -> None:
    printed = launch.run("--print").stdout
    command = f"printf '%s\\0' {printed}"
    reread = subprocess.run(["bash"], input=command, capture_output=True, text=True, check=True).stdout
    assert reread.split("\0")[:-1] == launch.argv


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(dict.fromkeys(STRINGS, TEXT)),
    st.lists(TEXT, max_size=8),
    st.dictionaries(TEXT, TEXT, max_size=6),
    st.lists(TEXT, min_size=1, max_size=6),
    TEXT,
)
def test_hostile_values(
    fake: Fake,
    tmp_path: Path,
    strings: dict[str, str],
    repeated: list[str],
    inner: dict[str, str],
    variables: list[str],
    served: str,
) -> None:
    flags = {**strings, "middleware": repeated, "hf-overrides": inner}
    flags = {name: value for name, value in flags.items() if _is_sound(_tables({name: value}, {}))}
    env = {f"V{n}": text for n, text in enumerate(variables) if _is_sound(_tables({}, {"V": text}))}
    top = toml({"served-name": served})
    assume(flags)
    top = top if _is_sound(top) else ""
    launch = launchable(tmp_path, fake, port=free_port(), top=top, overlay=_tables(flags, env))
    _assert_handed_over(launch, env)
    _assert_printed(launch)


def _is_sound(overlay: str) -> bool:
    """Whether the compiler lets a value through; control characters, `..` below a root and secrets it does not."""
    return not has_errors(found({"models.d/qwen/rtx.toml": overlay}))


def test_every_hostile_value_by_itself(fake: Fake, tmp_path: Path) -> None:
    env = {f"V{number}": text for number, text in enumerate(HOSTILE)}
    flags = {"middleware": HOSTILE, "hf-overrides": {"texts": HOSTILE, "$(x)": {"'": 1}}}
    launch = launchable(tmp_path, fake, port=free_port(), overlay=_tables(flags, env))
    assert all(text in launch.argv or f"--middleware={text}" in launch.argv for text in HOSTILE)
    _assert_handed_over(launch, env)
    _assert_printed(launch)


@pytest.mark.parametrize("piece", ["x", "'", '$(x) `y` "z" ', "日"])
def test_long_values(fake: Fake, tmp_path: Path, piece: str) -> None:
    text = piece * (64 * 1024 // len(piece.encode()))
    env = {"LONG": text}
    launch = launchable(tmp_path, fake, port=free_port(), overlay=_tables({"tokenizer": text}, env))
    assert text in launch.argv
    _assert_handed_over(launch, env)
    _assert_printed(launch)


@pytest.mark.parametrize("served", ["-x", "--help", "a 'name' $(x)", "org/model:tag"])
def test_served_names(fake: Fake, tmp_path: Path, served: str) -> None:
    launch = launchable(tmp_path, fake, port=free_port(), top=toml({"served-name": served}))
    assert any(served in word for word in launch.argv)
    _assert_handed_over(launch, {})
    _assert_printed(launch)


def test_print_shows_one_flag_a_line(fake: Fake, tmp_path: Path) -> None:
    flags = {"max-model-len": 4096, "enforce-eager": True, "limit-mm-per-prompt": {"image": 2}}
    launch = launchable(tmp_path, fake, port=free_port(), overlay=f"[vllm]\n{toml(flags)}")
    lines = launch.run("--print").stdout.splitlines()
    assert lines[0].endswith(f" serve {shlex.quote(str(launch.model))} \\")
    assert {"  --enforce-eager \\", "  --max-model-len 4096"} <= set(lines)
    assert f"  --limit-mm-per-prompt '{json.dumps({'image': 2}, separators=(',', ':'))}' \\" in lines
    assert launch.fake.call() is None


@pytest.mark.parametrize("how", ["by path", "by bash", "through a link", "in an empty environment", "another locale"])
def test_started_in_any_way(fake: Fake, tmp_path: Path, how: str) -> None:
    launch = launchable(tmp_path, fake, port=free_port(), overlay=_tables({"tokenizer": "$x 日 '"}, {"V": "é"}))
    link = tmp_path / "a link to it"
    link.symlink_to(launch.script)
    commands = {"by bash": ["bash", str(launch.script)], "through a link": [str(link)]}
    environments = {"in an empty environment": {}, "another locale": {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}}
    done = launch.run(command=commands.get(how, ()), environment=environments.get(how))
    assert (done.returncode, done.stderr) == (0, "")
    call = launch.fake.call()
    assert call is not None
    assert call.argv == launch.argv
    assert call.environment["V"] == "é"
