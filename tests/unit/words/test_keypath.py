"""Key paths: written, they are what TOML reads; read, they are what was written."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowplan.words.keypath import format_key, format_keypath, parse_keypath

PATHS = st.lists(st.text(), min_size=1, max_size=6).map(tuple)


def nested(path: tuple[str, ...]) -> dict[str, Any]:
    table: Any = 1
    for key in reversed(path):
        table = {key: table}
    return dict(table)


@given(PATHS)
def test_what_is_written_is_read_back(path: tuple[str, ...]) -> None:
    assert parse_keypath(format_keypath(path)) == path


@given(PATHS)
def test_what_is_written_is_the_dotted_key_of_toml(path: tuple[str, ...]) -> None:
    assert tomllib.loads(f"{format_keypath(path)} = 1") == nested(path)


@given(st.text(alphabet="ab.\"'\\ \t-=", max_size=12))
def test_what_is_read_is_what_tomllib_reads(text: str) -> None:
    try:
        path = parse_keypath(text)
    except ValueError:
        with pytest.raises(tomllib.TOMLDecodeError):
            tomllib.loads(f"{text} = 1")
    else:
        assert tomllib.loads(f"{text} = 1") == nested(path)


def test_a_key_is_bare_where_it_may_be() -> None:
    assert [format_key(key) for key in ("max-model-len", "0_x", "a.b", "", "ü")] == [
        "max-model-len",
        "0_x",
        '"a.b"',
        '""',
        '"ü"',
    ]


def test_a_character_that_does_not_show_is_escaped() -> None:
    assert format_key("a\u202e\x00\U000e0001") == '"a\\u202E\\u0000\\U000E0001"'


def test_a_position_in_a_list_stands_in_brackets() -> None:
    assert format_keypath(("aliases", 2)) == "aliases[2]"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a key was expected at character 1"),
        ("a.", "a key was expected at character 3"),
        ("a..b", "a key was expected at character 3"),
        ("a b", "a dot was expected at character 3"),
        ("aliases[0]", "a dot was expected at character 8"),
        ('"a\\q"', "is not a TOML string"),
        ('"a', "a key was expected at character 1"),
    ],
)
def test_what_is_no_path_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_keypath(text)
