"""What is made of what was seen. The states that need a whole server are in tests/e2e/test_servers_status.py."""

import dataclasses

import pytest
from server_cases import made, process, row, sight

from stowplan.servers.drift import Difference, State, judge
from stowplan.servers.health import Answer
from stowplan.servers.ports import Stranger
from stowplan.servers.server import Server

FINE = Answer(("qwen",), 512, "/w/qwen", "0.11.0+cu128")
FLAGS = ("--max-model-len", "512")


@pytest.fixture
def server() -> Server:
    (found,) = made([row("qwen", "a" * 64, *FLAGS)])
    return found


def test_ok(server: Server) -> None:
    (status,) = judge(sight(server, process(7, "a" * 64, *FLAGS)), {7: {"HOME": "/"}}, FINE)
    assert (status.state, status.note, status.differences, status.generation) == (State.OK, None, (), 1)


def test_two_that_run_as_one_have_a_row_each(server: Server) -> None:
    """Either may have answered, so the answer is laid to neither."""
    old, new = process(7, "a" * 64, "--max-model-len", "256"), process(8, "a" * 64, *FLAGS)
    one, other = judge(sight(server, old, new), {7: {}, 8: {}}, Answer(("qwen",), 256))
    assert (one.state, one.differences) == (State.DRIFT, (Difference("--max-model-len", "256", "512"),))
    assert (other.state, other.differences) == (State.OK, ())


def test_a_title_in_place_of_arguments_is_no_difference(server: Server) -> None:
    titled = dataclasses.replace(process(), argv=("VLLM::APIServer",))
    assert judge(sight(server, titled), {7: {}}, FINE)[0].state is State.OK


def test_a_stranger_beside_it_is_foreign_whatever_answers(server: Server) -> None:
    seen = sight(server, process(7, "a" * 64, *FLAGS), strangers=(Stranger(None),))
    (status,) = judge(seen, {7: {}}, FINE)
    assert (status.state, status.note) == (State.FOREIGN, "port 24001 is another's, whose process may not be read")


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (None, State.FOREIGN),
        (Answer(), State.FOREIGN),
        (Answer(("other",)), State.FOREIGN),
        (Answer(("llama",)), State.DOWN),
        (FINE, State.UNREADABLE),
        (Answer(("qwen",), 256), State.DRIFT),
        (Answer(("qwen",), 512, "/w/other"), State.DRIFT),
        (Answer(("lora", "qwen"), 512), State.UNREADABLE),
    ],
)
def test_a_port_whose_process_is_not_seen(server: Server, answer: Answer | None, state: State) -> None:
    assert judge(sight(server, strangers=(Stranger(None),)), {}, answer)[0].state is state


@pytest.mark.parametrize(
    ("listens", "answer", "state", "note"),
    [
        (False, None, State.STARTING, None),
        (True, None, State.STARTING, "listens, and does not answer"),
        (True, Answer(), State.STARTING, "listens, and does not answer"),
        (True, Answer(wants_key=True), State.OK, "answers none without the key it was started with"),
        (None, FINE, State.OK, None),
    ],
)
def test_a_server_that_may_not_be_ready(
    server: Server, listens: bool | None, answer: Answer | None, state: State, note: str | None
) -> None:
    seen = sight(server, process(7, "a" * 64, *FLAGS), is_listening=listens)
    (status,) = judge(seen, {7: {}}, answer)
    assert (status.state, status.note) == (state, note)


def test_drift_is_told_before_it_is_ready(server: Server) -> None:
    (status,) = judge(sight(server, process(7, "b" * 64), is_listening=False), {7: {}}, None)
    assert (status.state, status.generation) == (State.DRIFT, None)


def test_variables_of_an_earlier_launch_are_shown_and_strays_only_named() -> None:
    first = row("qwen", "a" * 64, env={"OLD": "1", "KEPT": "x", "CHANGED": "y"})
    (server,) = made([first], [row("qwen", "b" * 64, env={"KEPT": "x", "CHANGED": "z", "NEW": "2"})])
    environment = {
        "OLD": "1",
        "KEPT": "x",
        "CHANGED": "y",
        "VLLM_API_KEY": "k",
        "VLLM_STRAY": "s",
        "HOME": "/",
        "X": "1",
    }
    (status,) = judge(sight(server, process(7, "a" * 64)), {7: environment}, FINE)
    assert status.differences == (
        Difference("CHANGED", "y", "z"),
        Difference("NEW", None, "2"),
        Difference("OLD", "1", None),
        Difference("VLLM_STRAY", "", None),
    )


def test_a_server_that_is_no_longer_compiled_drifts() -> None:
    _, gone = made([row("qwen")], [row("llama", "c" * 64)])
    (status,) = judge(sight(gone, process(7)), {7: {}}, FINE)
    assert (status.state, status.note, status.generation) == (State.DRIFT, "is no longer compiled", 1)
