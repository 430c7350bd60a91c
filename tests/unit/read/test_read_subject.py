"""SUBJECT: what it says is there, or what there is is said."""

import pytest

from sources import merged
from stowplan.read.subject import UnknownSubjectError, model_called, profile_called, split, subject_called


@pytest.mark.parametrize(
    ("text", "parts"),
    [("qwen", ("qwen", None)), ("qwen/rtx", ("qwen", "rtx")), ("qwen/", ("qwen", "")), ("/", ("", ""))],
)
def test_a_subject_is_taken_apart(text: str, parts: tuple[str, str | None]) -> None:
    assert split(text) == parts


def test_a_model_answers_to_its_names_as_clients_write_them() -> None:
    subject = merged({"models.d/qwen/base.toml": 'name = "Qwen_3"\naliases = ["q:3"]\n'})
    assert {model_called(name, [subject]) for name in ("qwen", "qwen3", "QWEN-3", "q3", "qwen:")} == {"qwen"}


@pytest.mark.parametrize(
    ("name", "said"), [("qwem", "did you mean `qwen`?"), ("", "models: qwen"), ("x", "models: qwen")]
)
def test_a_model_that_is_not_there(name: str, said: str) -> None:
    with pytest.raises(UnknownSubjectError) as raised:
        model_called(name, [merged({})])
    assert str(raised.value) == f"no model is called `{name}`; {said}"


@pytest.mark.parametrize("name", ["desk", ""])
def test_a_profile_that_is_not_there(name: str) -> None:
    assert profile_called("rtx", {"rtx", "card"}) == "rtx"
    with pytest.raises(UnknownSubjectError, match=f"there is no profile `{name}`; profiles: card, rtx"):
        profile_called(name, {"rtx", "card"})


def test_a_model_that_is_not_on_a_profile() -> None:
    with pytest.raises(UnknownSubjectError, match="`qwen` has no overlay for profile `desk`; it has: rtx"):
        subject_called("qwen", "desk", [merged({})])
