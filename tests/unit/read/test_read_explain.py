"""explain: every argument and value has a place; what is covered shows; what is not set is said."""

import json

import pytest

from sources import BASE, OVERLAY, PROFILE, PROFILE_TEXT, planned
from stowplan.nouns.entry import Entry
from stowplan.read.explain import as_json, explain, explain_key, text
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


@pytest.mark.parametrize("key", ["vllm.max-model-len", "max-model-len", "--max-model-len"])
def test_a_flag_has_short_names(entry: Entry, key: str) -> None:
    assert [item.what for item in explain_key(entry, key, where).arguments] == ["--max-model-len 4096"]


def test_a_table_is_explained_leaf_by_leaf(entry: Entry) -> None:
    assert [item.what for item in explain_key(entry, "sampling", where).values] == ["sampling.temperature = 0.2"]


def test_a_fact_is_explained(entry: Entry) -> None:
    (item,) = explain_key(entry, "context.tokens", where).values
    assert item.what == "context.tokens = 40960"


def test_a_flag_that_nobody_sets_has_the_engines_default(entry: Entry) -> None:
    assert "the default of vllm 0.11.0 holds: false" in str(explain_key(entry, "enforce-eager", where).said)
    assert "decides by itself" in str(explain_key(entry, "served-model-name", where).said)
    assert explain_key(entry, "no-such-thing", where).said == (
        "`no-such-thing` is set by no layer and is no fact of this model"
    )


def test_the_form_for_programs_holds_the_same(entry: Entry) -> None:
    told = json.loads(as_json(explain(entry, where)))
    assert told["subject"] == "qwen/rtx"
    assert [item["what"] for item in told["environment"]] == ["VLLM_LOGGING_LEVEL=DEBUG"]
