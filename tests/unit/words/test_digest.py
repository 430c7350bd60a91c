"""Canonical bytes: one value, one spelling."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowplan.words.digest import canonical_json, digest_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_json_reads_back_what_was_written(value: object) -> None:
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_keys_means_nothing(table: dict[str, int]) -> None:
    assert digest_of(dict(reversed(table.items()))) == digest_of(table)


def test_the_digest_is_the_sha256_of_those_bytes() -> None:
    value = {"b": [1, "é"], "a": None}
    assert canonical_json(value) == '{"a":null,"b":[1,"é"]}'.encode()
    assert digest_of(value) == hashlib.sha256(canonical_json(value)).hexdigest()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"JSON|surrogates"):
        canonical_json([value])
