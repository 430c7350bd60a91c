"""A server as it was compiled, from registries of several generations; and a command line taken apart."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server_cases import ARGV, made, row

from stowplan.servers.server import options

WORDS = st.text(min_size=1).filter(lambda word: not word.startswith("-") and "\0" not in word)
FLAGS = st.dictionaries(
    st.from_regex(r"--[a-z]{1,8}(-[a-z]{1,8})?", fullmatch=True).filter(lambda flag: flag != "--"),
    st.lists(WORDS, max_size=3),
)


@given(FLAGS)
def test_a_command_line_is_its_flags_again(flags: dict[str, list[str]]) -> None:
    argv = ["vllm", "serve", "/m", *(word for flag, values in flags.items() for word in (flag, *values))]
    found = options(argv)
    assert (found.pop("executable"), found.pop("model")) == ("vllm", "/m")
    assert found == {flag: values[0] if len(values) == 1 else shlex.join(values) for flag, values in flags.items()}


@pytest.mark.parametrize(
    ("words", "flag", "value"),
    [
        (["--max_model_len", "8"], "--max-model-len", "8"),
        (["--max-model-len=8"], "--max-model-len", "8"),
        (["--served-model-name=-x"], "--served-model-name", "-x"),
        (["--seed", "-1"], "--seed", "-1"),
        (["-tp", "2"], "-tp", "2"),
        (["--enforce-eager"], "--enforce-eager", ""),
        (["--hf-overrides", '{"a": 1}'], "--hf-overrides", '{"a": 1}'),
        (["--seed", "1", "--seed", "2"], "--seed", "2"),
    ],
)
def test_ways_to_write_a_flag(words: list[str], flag: str, value: str) -> None:
    assert options(["python3", "-X", "dev", "/opt/vllm", "serve", "/m", *words])[flag] == value


@pytest.mark.parametrize("argv", [[], ["serve"], ["python3", "-m", "http.server"], ["VLLM::EngineCore"]])
def test_what_serves_nothing_has_no_options(argv: list[str]) -> None:
    assert options(argv) == {}


def test_the_current_generation_counts_then_the_newest() -> None:
    (server,) = made([row(digest="a" * 64)], [row(digest="b" * 64)], [row(digest="b" * 64)])
    assert (server.digest, server.generation) == ("b" * 64, 3)
    assert {digest[0]: launched.generation for digest, launched in server.launches.items()} == {"a": 1, "b": 3}
    (back,) = made([row(digest="a" * 64)], [row(digest="a" * 64)], [row(digest="b" * 64)], current=1)
    assert (back.digest, back.generation) == ("a" * 64, 1)
    assert str(back.script) == "/b/1/launch/qwen.sh"


def test_a_model_that_is_gone_is_as_it_was_last() -> None:
    llama, gone = made([row("qwen", "a" * 64)], [row("qwen", "b" * 64)], [row("llama", "c" * 64)])
    assert (llama.model, llama.is_published) == ("llama", True)
    assert (gone.model, gone.is_published, gone.digest, gone.generation) == ("qwen", False, "b" * 64, 2)


def test_what_something_else_serves_is_no_server() -> None:
    external = row("ollama")
    del external["metadata"]["launch_digest"], external["backend_config"]["argv"]
    assert [server.model for server in made([external, row("qwen")])] == ["qwen"]


@pytest.mark.parametrize(("bind", "address"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1")])
def test_where_this_machine_reaches_it(bind: str, address: str) -> None:
    changed = row()
    changed["backend_config"]["argv"] = [bind if word == "127.0.0.1" else word for word in ARGV]
    (server,) = made([changed])
    assert (server.bind, server.address, server.port) == (bind, address, 24001)


@pytest.mark.parametrize(("mode", "takes_turns"), [("together", False), ("one-at-a-time", True), (None, True)])
def test_servers_take_turns_unless_they_run_together(mode: str | None, takes_turns: bool) -> None:
    entry = row()
    if mode is not None:
        entry["metadata"]["serving_mode"] = mode
    assert made([entry])[0].takes_turns is takes_turns
