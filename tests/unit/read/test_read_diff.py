"""diff: values that differ, options of the command line that went and came, and what is asked of servers."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stowplan.read.diff import Change, Value, as_json, diff, text


def row(model: str = "qwen", *, digest: str | None = "one", extra: list[str] | None = None, **values: Any) -> Any:
    """A registry's entry, as far as diff looks at it."""
    arguments = extra or []
    config: dict[str, Any] = {"extra_args": arguments, "port": 24001}
    metadata = {"model": model}
    if digest is not None:
        config["argv"] = ["/bin/vllm", "serve", "/w/qwen", *arguments]
        metadata["launch_digest"] = digest
    return {"name": model, "backend_config": config, "metadata": metadata, **values}


def test_equal_builds_do_not_differ() -> None:
    rows = {"rtx": (row(),)}
    assert diff(rows, rows) == ()
    assert text(()) == "no difference\n"


def test_a_changed_option_goes_and_comes_and_needs_a_restart() -> None:
    before = {"rtx": (row(extra=["--max-model-len", "4096", "--enforce-eager"]),)}
    after = {"rtx": (row(digest="two", extra=["--max-model-len", "8192", "--enforce-eager"]),)}
    assert diff(before, after) == (
        Change("qwen/rtx", "qwen", "changed", "restart", (), ("--max-model-len 4096",), ("--max-model-len 8192",)),
    )
    assert text(diff(before, after)) == (
        "qwen/rtx  needs a restart\n  - --max-model-len 4096\n  + --max-model-len 8192\n\n"
        "1 subject differs; 1 to restart\n"
    )


def test_a_value_that_starts_nothing_anew() -> None:
    before = {"rtx": (row(generation_defaults={"temperature": 0.2}),)}
    after = {"rtx": (row(generation_defaults={"top_p": 0.9}),)}
    (change,) = diff(before, after)
    assert change.server is None
    assert change.values == (
        Value("generation_defaults.temperature", "0.2", None),
        Value("generation_defaults.top_p", None, "0.9"),
    )
    assert "no restart" in text((change,))
    assert text((change,)).endswith("1 subject differs; no running server needs a restart\n")
    assert "generation_defaults.temperature: 0.2 → (absent)" in text((change,))


def test_what_is_new_and_what_is_gone() -> None:
    before = {"rtx": (row("old"),)}
    after = {"a100": (row("new"),), "rtx": (row("side", digest=None),)}
    changes = diff(before, after)
    assert [(c.subject, c.what, c.server) for c in changes] == [
        ("new/a100", "added", "start"),
        ("old/rtx", "removed", "stop"),
        ("side/rtx", "added", None),
    ]
    assert text(changes).endswith("\n3 subjects differ; 1 to stop, 1 to start\n")


def test_a_model_that_something_else_serves_is_to_stop_and_the_other_way_to_start() -> None:
    ours, theirs = {"rtx": (row(),)}, {"rtx": (row(digest=None),)}
    assert [change.server for change in (*diff(ours, theirs), *diff(theirs, ours))] == ["stop", "start"]
    assert text(diff(ours, theirs)).startswith("qwen/rtx  to stop\n")
    assert text(diff(theirs, ours)).startswith("qwen/rtx  to start\n")


def test_values_are_quoted_for_the_shell() -> None:
    after = {"rtx": (row(digest="two", extra=["--limit", '{"image": 1}']),)}
    (change,) = diff({"rtx": (row(),)}, after)
    assert change.added == ("""--limit '{"image": 1}'""",)


def test_the_form_for_programs_says_the_same() -> None:
    import json

    before, after = {"rtx": (row(), row("changed"))}, {"rtx": (row("changed", digest="two"), row("new"))}
    told = json.loads(as_json(diff(before, after)))
    assert [(change["subject"], change["what"], change["server"]) for change in told["changes"]] == [
        ("changed/rtx", "changed", "restart"),
        ("new/rtx", "added", "start"),
        ("qwen/rtx", "removed", "stop"),
    ]
    assert (told["restart"], told["stop"], told["start"]) == (["changed/rtx"], ["qwen/rtx"], ["new/rtx"])


OPTION = st.sampled_from([["--a", "1"], ["--a", "2"], ["--b"], ["--c", "-x", "y"]])
OPTIONS = st.lists(OPTION, max_size=6).map(lambda options: [word for option in options for word in option])


@given(OPTIONS, OPTIONS)
def test_what_went_and_came_makes_one_of_the_other(one: list[str], other: list[str]) -> None:
    before, after = {"p": (row(extra=one),)}, {"p": (row(extra=other, digest="two"),)}
    (change,) = diff(before, after)
    words = Counter(one) - Counter(" ".join(change.removed).split()) + Counter(" ".join(change.added).split())
    assert words == Counter(other)
    assert (one == other) == (not change.removed and not change.added)
