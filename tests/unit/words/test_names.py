"""Names as clients compare them."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stowplan.words.names import fold

PUNCTUATION = st.sampled_from(list("-_. ()/[]:+"))
JAMO = "\u1100-\u1161"  # a Korean syllable in two letters; without the dash they are one


@given(st.text())
@example(JAMO)
@example("\u0345")
@example("ſ\u0323\u0307")
def test_folding_twice_is_folding_once(name: str) -> None:
    assert fold(fold(name)) == fold(name)


@given(st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N")), min_size=1), st.data())
@example(JAMO.replace("-", ""), None)
def test_punctuation_does_not_count(name: str, data: st.DataObject | None) -> None:
    mark = "-" if data is None else data.draw(PUNCTUATION)
    normal = unicodedata.normalize("NFKC", name)  # a mark between two halves of one character does count
    assert fold(mark.join(["", *normal, ""])) == fold(normal)


@given(st.text())
def test_case_does_not_count(name: str) -> None:
    assert fold(name.casefold()) == fold(name)


@given(st.text(), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_the_unicode_form_does_not_count(name: str, form: str) -> None:
    assert fold(unicodedata.normalize(form, name)) == fold(name)  # type: ignore[arg-type]


def test_the_spellings_of_one_model_are_one_name() -> None:
    spellings = ["qwen2.5-vl-7b-instruct_(AWQ)", "Qwen2.5-VL 7B Instruct (AWQ)", "ｑｗｅｎ２．５ｖｌ７ｂinstructawq"]
    assert {fold(name) for name in spellings} == {"qwen25vl7binstructawq"}


@pytest.mark.parametrize("pair", [("-", "_"), ("qwen3", "qwen2"), ("", "-")])
def test_names_that_differ_stay_different(pair: tuple[str, str]) -> None:
    assert fold(pair[0]) != fold(pair[1])
