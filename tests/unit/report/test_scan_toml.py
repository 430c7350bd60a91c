"""The TOML scanner against tomllib: it finds the same leaves, and what it points at is what they were read from."""

import math
import tomllib
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scanned import leaf_nodes, leaf_values
from unhurried import unhurried

from stowplan.report.node import MAX_DEPTH, Node
from stowplan.report.scan_toml import scan_toml
from stowplan.words.keypath import parse_keypath

CORPUS = Path(__file__).parents[4] / "shared/fixtures/toml-test"
BARE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"


def corpus(kind: str) -> list[str]:
    """The files of toml-test for TOML 1.0.0; none where the corpus is absent."""
    listing = CORPUS / "files-toml-1.0.0"
    names = listing.read_text().split() if listing.exists() else []
    return [name for name in names if name.startswith(f"{kind}/") and name.endswith(".toml")]


def same(one: Any, other: Any) -> bool:
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return both_nan or (type(one) is type(other) and one == other)


def agree(text: str, meant: dict[str, Any]) -> None:
    """The law: the leaves of the scan are those of `meant`, and their extents say what they mean."""
    nodes, values = dict(leaf_nodes(scan_toml(text))), dict(leaf_values(meant))
    assert nodes.keys() == values.keys()
    for path, node in nodes.items():
        if path and isinstance(path[-1], str):
            assert node.key is not None
            assert parse_keypath(text[slice(*node.key)]) == (path[-1],)
        if path and node.value is not None and values[path] != {}:
            assert same(tomllib.loads(f"k = {text[slice(*node.value)]}")["k"], values[path])
        assert node.value is not None or values[path] == {}, "only a table may have no value of its own"


@pytest.mark.skipif(not CORPUS.exists(), reason="the toml-test corpus is not here")
class TestCorpus:
    @pytest.mark.parametrize("name", corpus("valid"))
    def test_valid_files_have_the_leaves_that_tomllib_reads(self, name: str) -> None:
        text = (CORPUS / name).read_bytes().decode("utf-8-sig")
        agree(text, tomllib.loads(text))

    @pytest.mark.parametrize("name", corpus("invalid"))
    def test_invalid_files_raise_nothing(self, name: str) -> None:
        assert isinstance(scan_toml((CORPUS / name).read_bytes().decode(errors="replace")), Node)


# Documents with every spelling TOML has for the same thing.

scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=12),
    st.text("\"'\\\n a", max_size=8),
    st.datetimes(datetime(1, 1, 1), datetime(9999, 1, 1)),
    st.dates(date(1, 1, 1)),
    st.times(),
)
keys = st.one_of(st.text(BARE, min_size=1, max_size=4), st.text(max_size=4))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
tables = st.dictionaries(keys, values, max_size=4)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A TOML document, and what it means."""
    meant = draw(tables)
    text = "".join(_body(draw, meant, ()))
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text, meant


def _body(draw: st.DrawFn, table: dict[str, Any], at: tuple[str, ...]) -> Iterator[str]:
    """The pairs of a table, then its tables that have headers of their own."""
    later: list[tuple[str, Any]] = []
    for key, value in table.items():
        is_list_of_tables = isinstance(value, list) and value and all(isinstance(item, dict) for item in value)
        if (isinstance(value, dict) or is_list_of_tables) and draw(st.booleans()):
            later.append((key, value))
        else:
            yield from (f"{pair}{draw(endings)}" for pair in _pairs(draw, (key,), value))
    for key, value in later:
        path = (*at, key)
        for item in [value] if isinstance(value, dict) else value:
            brackets = ("[", "]") if isinstance(value, dict) else ("[[", "]]")
            yield f"{brackets[0]}{_dotted(draw, path)}{brackets[1]}{draw(endings)}"
            yield from _body(draw, item, path)


def _pairs(draw: st.DrawFn, path: tuple[str, ...], value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value and draw(st.booleans()):
        for key, inner in value.items():
            yield from _pairs(draw, (*path, key), inner)
    else:
        yield f"{_dotted(draw, path)}{draw(blanks)}={draw(blanks)}{_value(draw, value)}"


def _dotted(draw: st.DrawFn, path: tuple[str, ...]) -> str:
    return "".join(f"{draw(blanks) + '.' + draw(blanks) if i else ''}{_key(draw, key)}" for i, key in enumerate(path))


def _key(draw: st.DrawFn, key: str) -> str:
    if key and all(character in BARE for character in key) and draw(st.booleans()):
        return key
    return _one_line(draw, key)


def _value(draw: st.DrawFn, value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(pair for key, inner in value.items() for pair in _pairs(draw, (key,), inner)) + "}"
    if isinstance(value, list):
        items = [f"{draw(gaps)}{_value(draw, item)}{draw(gaps)}" for item in value]
        return f"[{','.join(items)}{',' if bool(items) and draw(st.booleans()) else ''}{draw(gaps)}]"
    if isinstance(value, str):
        return _text(draw, value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat(sep=draw(st.sampled_from(["T", " "])))
    if isinstance(value, date | time):
        return value.isoformat()
    return repr(value)


def _text(draw: st.DrawFn, text: str) -> str:
    if "\r" in text or not draw(st.booleans()):
        return _one_line(draw, text)
    if "'''" not in text and text[-1:] != "'" and _is_shown(text.replace("\n", "")) and draw(st.booleans()):
        return f"'''\n{text}'''"
    return '"""\n' + _escaped(text, keep='\n"').replace('"""', '""\\"') + '"""'


def _one_line(draw: st.DrawFn, text: str) -> str:
    if "'" not in text and _is_shown(text) and draw(st.booleans()):
        return f"'{text}'"
    return f'"{_escaped(text)}"'


def _is_shown(text: str) -> bool:
    return all(character == "\t" or (character >= " " and character != "\x7f") for character in text)


def _escaped(text: str, keep: str = "") -> str:
    return "".join(f"\\U{ord(c):08X}" if c not in keep and (not _is_shown(c) or c in '"\\') else c for c in text)


blanks = st.sampled_from(["", " ", "\t", "  "])
gaps = st.sampled_from(["", " ", "\n", " # a ] comment, \" '\n", "\n\n\t"])
endings = st.sampled_from(["\n", " # [a comment] = {\n", "\n\n", "\n# \"\"\" '''\n"])


class TestLaw:
    @unhurried
    @given(documents())
    def test_every_spelling_has_the_leaves_that_tomllib_reads(self, document: tuple[str, dict[str, Any]]) -> None:
        text, meant = document
        read = tomllib.loads(text)
        assert dict(leaf_values(read)).keys() == dict(leaf_values(meant)).keys(), "the generator writes what it means"
        agree(text, read)

    @unhurried
    @given(st.text("ab.=\"'[]{}#,\n\\ 1\r\t", max_size=40))
    def test_whatever_tomllib_reads_is_found_and_the_rest_raises_nothing(self, text: str) -> None:
        nodes = scan_toml(text)
        try:
            meant = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            return
        assert dict(leaf_nodes(nodes)).keys() == dict(leaf_values(meant)).keys()

    @unhurried
    @given(documents(), st.integers(0))
    def test_a_document_cut_off_keeps_what_stood_before(self, document: tuple[str, dict[str, Any]], cut: int) -> None:
        text = document[0]
        cut %= len(text) + 1
        whole = {node.value for _, node in leaf_nodes(scan_toml(text)) if node.value and node.value[1] < cut}
        part = {node.value for _, node in leaf_nodes(scan_toml(text[:cut]))}
        assert whole <= part


MIB = 1 << 20
HOSTILE = {
    "one long dotted key": "a." * (MIB // 2),
    "a header that never closes": "[" + "a." * (MIB // 2),
    "a string that never ends": 'a = "' + "x" * MIB,
    "a text that never ends": 'a = """' + '""x' * (MIB // 3),
    "a literal text that never ends": "a = '''" + "''x" * (MIB // 3),
    "backslashes": 'a = "' + "\\" * MIB,
    "brackets": "a = " + "[" * MIB,
    "braces": "a = " + "{a=" * (MIB // 3),
    "many strings opened": "a = [" + '"""' * (MIB // 3),
    "blanks": "a" + " " * MIB + "b",
    "comments": "#\n" * (MIB // 2),
    "carriage returns": "\r" * MIB,
    "one list": "a = [" + "1," * (MIB // 2) + "]",
    "tables of a list": "[[a]]\n" * (MIB // 6),
    "keys": "".join(f"k{i}=1\n" for i in range(MIB // 10)),
    "digits": "a = " + "1" * MIB,
    "dates": "a = 2024-01-01 " + "1:" * (MIB // 2),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_mebibyte_made_to_be_slow_is_read_once(text: str) -> None:
    """Quadratic time would be hours here."""
    assert isinstance(scan_toml(text), Node)


class TestExtents:
    def test_a_table_made_by_its_header_is_its_header(self) -> None:
        text = "[a . 'b']\nc = 1\n"
        table = scan_toml(text).inside["a"].inside["b"]
        assert table.key is not None
        assert table.value is not None
        assert text[slice(*table.key)] == "'b'"
        assert text[slice(*table.value)] == "[a . 'b']"

    def test_each_table_of_a_list_has_its_own_header(self) -> None:
        text = "[[a]]\nx = 1\n[[ a ]]\n[a.b]\ny = 2\n"
        tables = scan_toml(text).inside["a"]
        assert [text[slice(*table.value)] for table in tables.inside.values() if table.value] == ["[[a]]", "[[ a ]]"]
        assert tables.value is not None
        assert text[slice(*tables.value)] == "[[a]]", "the list is where it begins"
        assert list(tables.inside[1].inside) == ["b"]

    def test_dotted_keys_have_their_own_parts(self) -> None:
        text = "a.'b c'.d = 1"
        node = scan_toml(text)
        parts = []
        while node.inside:
            (node,) = node.inside.values()
            assert node.key is not None
            parts.append(text[slice(*node.key)])
        assert parts == ["a", "'b c'", "d"]

    @pytest.mark.parametrize("quote", ['"', "'"])
    @pytest.mark.parametrize("text", ["QQa", "aQQbQc", "aQ", "aQQ", "\n"])
    def test_quotes_inside_a_text_do_not_end_it(self, text: str, quote: str) -> None:
        document = f"a = [QQQ{text}QQQ, 2]".replace("Q", quote)
        agree(document, tomllib.loads(document))

    def test_what_stands_before_a_mistake_is_found(self) -> None:
        assert list(scan_toml("a = 1\nb = = 2\nc = 3\n").inside) == ["a", "b"]

    @pytest.mark.parametrize(("depth", "found"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False)])
    def test_lists_are_followed_to_a_bound(self, depth: int, found: bool) -> None:
        assert (scan_toml("a = " + "[" * depth + "]" * depth).inside["a"].value is not None) is found
