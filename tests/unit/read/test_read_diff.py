"""diff: values that differ, options of the command line that went and came, and who needs a restart."""

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
        Change("qwen/rtx", "qwen", "changed", True, (), ("--max-model-len 4096",), ("--max-model-len 8192",)),
    )
    assert text(diff(before, after)) == (
        "qwen/rtx  needs a restart\n  - --max-model-len 4096\n  + --max-model-len 8192\n\n"
        "1 subject differs; 1 needs a restart\n"
    )


def test_a_value_that_starts_nothing_anew() -> None:
    before = {"rtx": (row(generation_defaults={"temperature": 0.2}),)}
    after = {"rtx": (row(generation_defaults={"top_p": 0.9}),)}
    (change,) = diff(before, after)
    assert not change.restart
    assert change.values == (
        Value("generation_defaults.temperature", "0.2", None),
        Value("generation_defaults.top_p", None, "0.9"),
    )
    assert "no restart" in text((change,))
    assert "generation_defaults.temperature: 0.2 → (absent)" in text((change,))


def test_what_is_new_and_what_is_gone() -> None:
    before = {"rtx": (row("old"),)}
    after = {"a100": (row("new"),), "rtx": (row("side", digest=None),)}
    assert [(c.subject, c.what, c.restart) for c in diff(before, after)] == [
        ("new/a100", "added", True),
        ("old/rtx", "removed", True),
        ("side/rtx", "added", False),
    ]


def test_values_are_quoted_for_the_shell() -> None:
    after = {"rtx": (row(digest="two", extra=["--limit", '{"image": 1}']),)}
    (change,) = diff({"rtx": (row(),)}, after)
    assert change.added == ("""--limit '{"image": 1}'""",)


def test_the_form_for_programs_says_the_same() -> None:
    import json

    changes = diff({"rtx": (row(),)}, {"rtx": ()})
    (change,) = json.loads(as_json(changes))["changes"]
    assert (change["subject"], change["what"], change["restart"]) == ("qwen/rtx", "removed", True)


OPTION = st.sampled_from([["--a", "1"], ["--a", "2"], ["--b"], ["--c", "-x", "y"]])
OPTIONS = st.lists(OPTION, max_size=6).map(lambda options: [word for option in options for word in option])


@given(OPTIONS, OPTIONS)
def test_what_went_and_came_makes_one_of_the_other(one: list[str], other: list[str]) -> None:
    before, after = {"p": (row(extra=one),)}, {"p": (row(extra=other, digest="two"),)}
    (change,) = diff(before, after)
    words = Counter(one) - Counter(" ".join(change.removed).split()) + Counter(" ".join(change.added).split())
    assert words == Counter(other)
    assert (one == other) == (not change.removed and not change.added)
