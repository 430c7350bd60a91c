"""explain: every argument and value has a place; what is covered shows; what is not set is said."""

import json

import pytest

from sources import BASE, FACTS, OVERLAY, PROFILE, PROFILE_TEXT, TEMPLATE, facts, planned
from stowplan.nouns.entry import Entry
from stowplan.read.explain import explain, explain_key
from stowplan.read.explanation import as_json, text
from stowplan.words.keypath import format_keypath
from stowplan.words.layered import Origin

FILES: dict[str, str | bytes | None] = {
    PROFILE: PROFILE_TEXT + "[defaults.vllm]\nmax-model-len = 2048\nmax-num-seqs = 4\n",
    BASE: 'unset = ["vllm.max-num-seqs"]\n[correct]\nbecause = "the card is wrong"\nlicense = "mit"\n'
    '[sampling]\ntemperature = 0.2\n[env]\nVLLM_LOGGING_LEVEL = "DEBUG"\n',
    OVERLAY: "[vllm]\nmax-model-len = 4096\n",
}


def where(origin: Origin) -> str:
    """A place without lines."""
    return f"{origin.file}#{format_keypath(origin.key)}"


@pytest.fixture(scope="module")
def entry() -> Entry:
    return planned(FILES)[0]


def test_every_argument_has_a_source(entry: Entry) -> None:
    explained = explain(entry, where)
    words = [item.what for item in explained.arguments]
    assert " ".join(words).split() == entry.launch.argv if entry.launch is not None else False
    assert all(item.sources and all(chain for chain in item.sources) for item in explained.arguments)


def test_what_a_value_covers_stands_below_it(entry: Entry) -> None:
    (item,) = explain_key(entry, "max-model-len", where).arguments
    assert item.what == "--max-model-len 4096"
    ((top, below),) = item.sources
    assert (top.says, top.layer, top.where) == ("4096", "overlay", f"{OVERLAY}#vllm.max-model-len")
    assert (below.says, below.layer, below.where) == ("2048", "profile", f"{PROFILE}#defaults.vllm.max-model-len")
    assert "over 2048" in text(explain_key(entry, "max-model-len", where))


def test_what_was_unset_is_shown_with_who_did_it(entry: Entry) -> None:
    (item,) = explain(entry, where).removed
    assert item.what == "vllm.max-num-seqs"
    ((by, took),) = item.sources
    assert (by.says, by.where) == ("unset", f"{BASE}#unset[0]")
    assert took.says == "4"
    assert explain_key(entry, "max-num-seqs", where).removed == (item,)


def test_a_corrected_fact_shows_in_every_explanation(entry: Entry) -> None:
    (item,) = explain(entry, where).corrected
    ((top, below),) = item.sources
    assert (top.says, top.layer, below.says, below.layer) == ('"mit"', "corrected", '"apache-2.0"', "fact")


def test_a_corrected_fact_alone_shows_with_its_reason(entry: Entry) -> None:
    explained = explain_key(entry, "license", where)
    assert explained.corrected == explain(entry, where).corrected
    assert (explained.values, explained.because, explained.said) == ((), "the card is wrong", None)
    assert text(explained).endswith("  because the card is wrong\n")


def test_a_correction_is_told_of_what_it_concerns_alone(entry: Entry) -> None:
    for key in ("max-model-len", "context", "max-num-seqs"):
        assert (explain_key(entry, key, where).corrected, explain_key(entry, key, where).because) == ((), None)


def test_a_template_that_the_model_brings_is_no_default() -> None:
    (entry,) = planned({FACTS: facts(templates=(TEMPLATE,))})
    explained = explain_key(entry, "chat-template", where)
    assert [item.what for item in explained.arguments] == [
        "--chat-template /srv/weights/Qwen/Qwen3-8B/chat_template.jinja"
    ]
    assert explained.said is None


@pytest.mark.parametrize(
    ("key", "argument", "value", "places"),
    [
        ("port", "--port 24001", "port = 24001", [f"{PROFILE}#serving.ports"]),
        ("host", "--host 127.0.0.1", 'host = "127.0.0.1"', [f"{PROFILE}#serving.bind"]),
        ("name", "--served-model-name qwen", 'name = "qwen"', ["models.d/qwen#"]),
        (
            "model-path",
            "/srv/weights/Qwen/Qwen3-8B",
            'model-path = "/srv/weights/Qwen/Qwen3-8B"',
            [f"{FACTS}#location.path", f"{PROFILE}#roots.weights"],
        ),
    ],
)
def test_a_value_made_from_others_is_told_as_it_is(
    entry: Entry, key: str, argument: str, value: str, places: list[str]
) -> None:
    explained = explain_key(entry, key, where)
    assert argument in [item.what for item in explained.arguments]
    (item,) = explained.values
    assert (item.what, [chain[0].where for chain in item.sources]) == (value, places)
    assert item in explain(entry, where).values


def test_a_flag_that_the_compiler_sets_is_no_default(entry: Entry) -> None:
    for key in ("served-model-name", "gpu-memory-utilization"):
        explained = explain_key(entry, key, where)
        assert [item.what.split()[0] for item in explained.arguments] == [f"--{key}"]
        assert explained.said is None


@pytest.mark.parametrize("key", ["vllm.max-model-len", "max-model-len", "--max-model-len"])
def test_a_flag_has_short_names(entry: Entry, key: str) -> None:
    assert [item.what for item in explain_key(entry, key, where).arguments] == ["--max-model-len 4096"]


def test_a_table_is_explained_leaf_by_leaf(entry: Entry) -> None:
    assert [item.what for item in explain_key(entry, "sampling", where).values] == ["sampling.temperature = 0.2"]


def test_a_fact_is_explained(entry: Entry) -> None:
    (item,) = explain_key(entry, "context.tokens", where).values
    assert item.what == "context.tokens = 40960"


def test_a_flag_that_nobody_sets_has_the_engines_default(entry: Entry) -> None:
    assert "the default of vllm 0.33.0 holds: false" in str(explain_key(entry, "enforce-eager", where).said)
    assert "decides by itself" in str(explain_key(entry, "max-num-batched-tokens", where).said)
    assert explain_key(entry, "no-such-thing", where).said == (
        "`no-such-thing` is set by no layer and is no fact of this model"
    )


def test_the_form_for_programs_holds_the_same(entry: Entry) -> None:
    told = json.loads(as_json(explain(entry, where)))
    assert told["subject"] == "qwen/rtx"
    assert [item["what"] for item in told["environment"]] == ["VLLM_LOGGING_LEVEL=DEBUG"]
