"""The table of `status`, readable and harmless."""

import pytest
from server_cases import made, process, row, sight

from stowplan.servers.drift import Difference, State, Status
from stowplan.servers.ports import Stranger
from stowplan.servers.table import difference, duration, has_drifted, text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0s"), (59.9, "59s"), (60, "1m 0s"), (3599, "59m 59s"), (3600, "1h 0m"), (90061, "1d 1h"), (864000, "10d 0h")],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Difference("--max-model-len", "512", "256"), "--max-model-len  running 512  compiled 256"),
        (Difference("--seed", None, "7"), "--seed  running absent  compiled 7"),
        (Difference("--enforce-eager", "", None), "--enforce-eager  running present  compiled absent"),
        (Difference("model", "\x1b]0;a\n", "/m"), "model  running \\x1b]0;a\\n  compiled /m"),
    ],
)
def test_a_difference(found: Difference, said: str) -> None:
    assert difference(found) == said


def test_what_others_say_of_themselves_obeys_no_terminal() -> None:
    (server,) = made([row()])
    evil = Status(server, State.FOREIGN, note="port 1 is another's: pid 1, \x1b[2J\u202e")
    assert "\x1b" not in text([evil])
    assert "\\x1b[2J\\u202e" in text([evil])


@pytest.mark.parametrize("state", State)
def test_what_counts_as_a_difference(state: State) -> None:
    (server,) = made([row()])
    assert has_drifted([Status(server, State.OK), Status(server, state)]) is (state in (State.DRIFT, State.FOREIGN))


def test_strangers_are_no_servers_of_ours() -> None:
    (server,) = made([row()])
    assert sight(server, strangers=(Stranger(process()),)).running == ()
