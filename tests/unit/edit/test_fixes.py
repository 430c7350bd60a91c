"""Fixes on a file's text: the values that follow, the bytes that stay, and what cannot be done."""

import tomllib
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st
from tomlkit.exceptions import TOMLKitError

from stowplan.edit.fixes import applied
from stowplan.report.locate import Locator
from stowplan.words.diagnostic import Fix, Place
from stowplan.words.keypath import KeyPath, parse_keypath

FILE = "models.d/qwen/rtx.toml"
OVERLAY = """\
#:schema ../../build/active/schema/overlay.json
engine = "vllm"

[vllm]   # flags
# how long
max_model_len = 0x1000                             # one photograph
swap-space = 4                                     # GiB
limit-mm-per-prompt = { image=1, video = 0 }       # media
rope.scaling = 1 # dotted
lora-modules = [
    { name = "x", path = "/y" },   # the first
    "b=/z",
]

[vllm.rope_scaling] # stretched
type = "yarn"   # as the card says
factor = 4.0

# what the process sees
[env]
X = "1"
"""


def fix(key: str | KeyPath, *puts: tuple[str | KeyPath, Any]) -> Fix:
    """A fix of FILE; keys as TOML writes them, or as paths."""
    return Fix(FILE, path(key), tuple((path(where), value) for where, value in puts))


def path(key: str | KeyPath) -> KeyPath:
    return parse_keypath(key) if isinstance(key, str) else key


def changed(source: str, *fixes: Fix) -> tuple[list[str], list[str]]:
    """The lines that went and those that came, in order."""
    result = applied(source.encode(), fixes)
    assert [left.reason for left in result.left] == []
    before, after = source.splitlines(), result.content.decode().splitlines()
    return [line for line in before if line not in after], [line for line in after if line not in before]


@pytest.mark.parametrize(
    ("given_fix", "went", "came"),
    [
        pytest.param(
            fix("vllm.max_model_len", ("vllm.max-model-len", 4096)),
            ["max_model_len = 0x1000                             # one photograph"],
            ["max-model-len = 0x1000                             # one photograph"],
            id="a renamed key keeps its place, its comment and how its value is spelled",
        ),
        pytest.param(
            fix("vllm.max_model_len", ("vllm.max_model_len", 4096.5)),
            ["max_model_len = 0x1000                             # one photograph"],
            ["max_model_len = 4096.5                             # one photograph"],
            id="a new value, and the comment stays in its column",
        ),
        pytest.param(
            fix("vllm.swap-space"),
            ["swap-space = 4                                     # GiB"],
            [],
            id="a key goes with its line",
        ),
        pytest.param(
            fix("vllm.swap-space", ("vllm.kv-transfer.size", 4), ("vllm.kv-transfer.unit", "GiB")),
            ["swap-space = 4                                     # GiB"],
            ['kv-transfer = { size = 4, unit = "GiB" }           # GiB'],
            id="a key that moves into a new table makes it in its place",
        ),
        pytest.param(
            fix("vllm.swap-space", ("vllm.limit-mm-per-prompt.audio", 4)),
            [
                "swap-space = 4                                     # GiB",
                "limit-mm-per-prompt = { image=1, video = 0 }       # media",
            ],
            ["# GiB", "limit-mm-per-prompt = { image=1, video = 0, audio = 4 }  # media"],
            id="a key that moves into braces leaves its comment above them",
        ),
        pytest.param(
            fix("vllm.swap-space", ("vllm.rope_scaling.space", 4)),
            ["swap-space = 4                                     # GiB"],
            ["space = 4  # GiB"],
            id="a key that moves into a section goes to its end",
        ),
        pytest.param(
            fix("vllm.swap-space", ("vllm.rope.space", 4)),
            ["swap-space = 4                                     # GiB"],
            ["rope.space = 4  # GiB"],
            id="a key that moves into a dotted table is dotted",
        ),
        pytest.param(
            fix("vllm.swap-space", ("sampling.top_k", 4)),
            ["swap-space = 4                                     # GiB"],
            ["[sampling]", "top_k = 4  # GiB"],
            id="a table of the file's own gets a header",
        ),
        pytest.param(
            fix("vllm.limit-mm-per-prompt.video", ("vllm.limit-mm-per-prompt.clip", {"count": 0})),
            ["limit-mm-per-prompt = { image=1, video = 0 }       # media"],
            ["limit-mm-per-prompt = { image=1, clip = { count = 0 } }  # media"],
            id="a key in braces",
        ),
        pytest.param(
            fix(("vllm", "lora-modules", 1), (("vllm", "lora-modules", 1), {"name": "b", "path": "/z"})),
            ['    "b=/z",'],
            ['    { name = "b", path = "/z" },'],
            id="an item of a list",
        ),
        pytest.param(
            fix(("vllm", "lora-modules", 0, "name"), (("vllm", "lora-modules", 0, "called"), "x")),
            ['    { name = "x", path = "/y" },   # the first'],
            ['    { called = "x", path = "/y" },   # the first'],
            id="a key of a table in a list",
        ),
        pytest.param(
            fix("vllm.rope_scaling", ("vllm.rope-scaling", {"type": "yarn", "factor": 4.0})),
            ["[vllm.rope_scaling] # stretched"],
            ["[vllm.rope-scaling] # stretched"],
            id="a section is renamed where its header is",
        ),
        pytest.param(
            fix("vllm.rope_scaling", ("vllm.hf-overrides.rope_parameters", {"rope_type": "yarn", "factor": 8.0})),
            ["[vllm.rope_scaling] # stretched", 'type = "yarn"   # as the card says', "factor = 4.0"],
            [
                "[vllm.hf-overrides.rope_parameters] # stretched",
                'rope_type = "yarn"  # as the card says',
                "factor = 8.0",
            ],
            id="a section moves as a whole, and what is other in it changes",
        ),
        pytest.param(
            fix("vllm.rope_scaling"),
            ["[vllm.rope_scaling] # stretched", 'type = "yarn"   # as the card says', "factor = 4.0"],
            [],
            id="a section goes, and what is said of the next one stays",
        ),
        pytest.param(fix("env.X"), ['X = "1"'], [], id="the file's own tables stay when they are empty"),
    ],
)
def test_a_fix_changes_its_lines_and_no_other(given_fix: Fix, went: list[str], came: list[str]) -> None:
    assert changed(OVERLAY, given_fix) == (went, came)


def test_a_table_that_is_left_empty_goes() -> None:
    """`{}` is a value, and would become an argument of its own."""
    source = "[vllm]\nx = 1\n\n[vllm.compilation-config]\nlevel = 3\n\n# next\n[env]\n"
    assert changed(source, fix("vllm.compilation-config.level")) == (["[vllm.compilation-config]", "level = 3"], [])


def test_what_is_said_in_a_table_that_goes_stays() -> None:
    source = "[vllm]\nx = 1\n\n[vllm.compilation-config]\n# why\nlevel = 3\n# and why not\n"
    assert changed(source, fix("vllm.compilation-config.level")) == (["[vllm.compilation-config]", "level = 3"], [])


def test_what_tomlkit_would_not_give_back_is_left_alone() -> None:
    """tomlkit 0.15 loses the blank after a date in braces, wherever the edit is."""
    source = b"[vllm]\na_b = 1\nc = [{ d = 1979-05-27 }]\n"
    result = applied(source, [fix("vllm.a_b", ("vllm.a-b", 1))])
    if result.left:
        assert (result.content, result.left[0].reason) == (source, "it cannot be edited in place")
    else:
        assert result.content == source.replace(b"a_b", b"a-b")


def test_all_fixes_of_a_file_are_applied() -> None:
    fixes = [
        fix("vllm.max_model_len", ("vllm.max-model-len", 8192)),
        fix("vllm.swap-space"),
        fix("vllm.rope_scaling.type"),
    ]
    result = applied(OVERLAY.encode(), [*fixes, fixes[0]])
    assert (sorted(result.done, key=str), result.left) == (sorted(fixes, key=str), ())
    table = tomllib.loads(result.content.decode())["vllm"]
    assert (table["max-model-len"], table["rope_scaling"], "swap-space" in table) == (8192, {"factor": 4.0}, False)


def test_items_of_a_list_go_from_its_end() -> None:
    source = 'unset = [\n    "a", # one\n    "b",\n    "c",\n]\n'
    result = applied(source.encode(), [fix(("unset", 0)), fix(("unset", 2))])
    assert (tomllib.loads(result.content.decode()), result.left) == ({"unset": ["b"]}, ())


@pytest.mark.parametrize(
    ("given_fix", "reason"),
    [
        (fix("vllm.gone", ("vllm.other", 1)), "`vllm.gone` is not there any more"),
        (fix("vllm.swap-space", ("vllm.max_model_len", 1)), "`vllm.max_model_len` is set already"),
        (fix("vllm.swap-space", ("engine.vllm", 1)), "`engine` is not a table"),
    ],
)
def test_what_cannot_be_done_is_left_with_the_reason(given_fix: Fix, reason: str) -> None:
    result = applied(OVERLAY.encode(), [given_fix])
    assert (result.content, result.done) == (OVERLAY.encode(), ())
    assert [(left.fix, left.reason) for left in result.left] == [(given_fix, reason)]


def test_a_list_of_tables_with_headers_is_left_alone() -> None:
    source = b"[[vllm.items]]\nx = 1\n"
    result = applied(source, [fix(("vllm", "items", 0))])
    assert (result.content, [left.reason for left in result.left]) == (source, ["it stands in a list of tables"])


def test_what_is_no_toml_is_left_alone() -> None:
    result = applied(b"a = = 1", [fix("a")])
    assert (result.content, [left.reason for left in result.left]) == (b"a = = 1", ["the file is no TOML"])


def test_byte_order_mark_and_line_ends_stay() -> None:
    source = b"\xef\xbb\xbf[vllm]\r\na_b = 1  # x\r\nc = 2\r\n"
    result = applied(source, [fix("vllm.a_b", ("vllm.a-b", 1)), fix("vllm.c", ("env.C", "2"))])
    assert result.content == b'\xef\xbb\xbf[vllm]\r\na-b = 1  # x\r\n\r\n[env]\r\nC = "2"\r\n'


# ---- the law: a text with its fix means what the plain values with that edit are, and no other line is touched ------

KEYS = st.sampled_from(["a", "b", "c-d", "e_f", '"g h"', "'i.j'"])
SCALARS = st.sampled_from(
    ["1", "0x10", "1_000", "true", '"s"', "'l'", "1.50", "inf", "nan", '"""\nx\n"""', "1979-05-27"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: "[\n  " + ", # c\n  ".join(items) + ", # last\n]"),
        st.dictionaries(KEYS, inner.filter(lambda text: "\n" not in text), max_size=3).map(
            lambda table: "{ " + ", ".join(f"{key} = {value}" for key, value in table.items()) + " }"
        ),
    ),
    max_leaves=4,
)
COMMENTS = st.sampled_from(["", "", " # c", "   # aligned", "\t# tab"])
BETWEEN = st.sampled_from(["", "", "\n", "# said of the next\n", "\n# after a blank\n"])
NEW = st.one_of(st.sampled_from([1, 2.5, True, "text", 'quo"te\n', [1, "x"], [], {}, {"k": {"l": 1}}]))


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A TOML text: keys plain and dotted, sections in any order, also of tables that have none of their own."""
    headers = draw(st.lists(st.lists(KEYS, min_size=1, max_size=3).map(".".join), max_size=5, unique=True))
    text = draw(BETWEEN)
    for header in ["", *headers]:
        text += f"[{header}]{draw(COMMENTS)}\n{draw(BETWEEN)}" if header else ""
        for key in draw(st.lists(st.lists(KEYS, min_size=1, max_size=2).map(".".join), max_size=3, unique=True)):
            text += f"{key} = {draw(VALUES)}{draw(COMMENTS)}\n{draw(BETWEEN)}"
    return text if draw(st.booleans()) else text.removesuffix("\n")


def is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def is_known(text: str) -> bool:
    """Whether tomlkit takes it, which it does not with `a.b = 1` and later a header below `a`, and gives it back."""
    try:
        return tomlkit.dumps(tomlkit.parse(text)) == text
    except TOMLKitError:
        return False


def paths(values: Any, above: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key of tables, and those of tables in lists."""
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        if isinstance(values, dict):
            yield (*above, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*above, key))


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, Fix]:
    """A text and a fix that can be applied to it, or cannot because something is in its way."""
    text = draw(documents().filter(lambda text: is_toml(text) and list(paths(tomllib.loads(text)))))
    known = list(paths(tomllib.loads(text)))
    key = draw(st.sampled_from(known))
    where = [draw(st.sampled_from([key[:-1], key[:-1], *(other[:-1] for other in known), key]))]
    puts: dict[KeyPath, Any] = {}
    for above in where * draw(st.integers(0, 2)):
        name = draw(st.sampled_from([("new",), ("new", "er"), ("newest",), ()]))
        puts[(*above, *name) or key] = draw(NEW)
    return text, Fix(FILE, key, tuple(puts.items()))


def edited(values: Any, fix: Fix) -> Any:
    """What a fix means, on plain values; None if it cannot be applied."""
    table, last = values, fix.key[-1]
    for part in fix.key[:-1]:
        table = table[part]
    if fix.key in dict(fix.put):
        table[last] = deepcopy(dict(fix.put)[fix.key])
    else:
        del table[last]
    for where, value in fix.put:
        if where == fix.key:
            continue
        table = values
        for part in where[:-1]:
            if isinstance(table, dict) and part not in table and isinstance(part, str):
                table[part] = {}
            if isinstance(table, list) != isinstance(part, int) or (isinstance(part, int) and part >= len(table)):
                return None
            table = table[part]
            if not isinstance(table, dict | list):
                return None
        if not isinstance(table, dict) or isinstance(where[-1], int) or where[-1] in table:
            return None
        table[where[-1]] = deepcopy(value)
    return values


def settled(values: Any) -> Any:
    """Told apart by type, not-a-number equal to itself, tables that hold nothing left out."""
    if isinstance(values, dict):
        inner = {key: settled(value) for key, value in values.items()}
        return {key: value for key, value in inner.items() if value != {}}
    if isinstance(values, list):
        return [settled(value) for value in values]
    return type(values).__name__, str(values)


@given(cases())
def test_the_text_means_what_the_edit_means(case: tuple[str, Fix]) -> None:
    text, given_fix = case
    result = applied(text.encode(), [given_fix])
    wanted = edited(tomllib.loads(text), given_fix)
    if wanted is None:
        assert (result.content.decode(), result.done) == (text, ())
    elif result.left:
        assert result.content.decode() == text
        assert not is_known(text), result.left
    else:
        assert settled(tomllib.loads(result.content.decode())) == settled(wanted)


@given(cases())
def test_no_other_line_is_touched(case: tuple[str, Fix]) -> None:
    text, given_fix = case
    result = applied(text.encode(), [given_fix])
    locator = Locator({FILE: text.encode()})
    named = [given_fix.key, *(where[:depth] for where, _ in given_fix.put for depth in range(1, len(where)))]
    above = given_fix.key
    while len(above) > 2 and len(_value(tomllib.loads(text), above := above[:-1])) == 1:
        named.append(above)  # a table that is left empty goes
    touched: set[int] = set()
    for key in named:
        for part in ("key", "value"):
            spot = locator.locate(Place(FILE, key, part))
            if spot.line is not None and spot.end_line is not None:
                touched |= set(range(spot.line, spot.end_line + 1))
    before = [line for number, line in enumerate(text.splitlines(), 1) if number not in touched and line]
    after = iter(result.content.decode().splitlines())
    if not isinstance(_value(tomllib.loads(text), given_fix.key), dict):  # else its lines are in several places
        assert all(line in after for line in before)


def _value(values: Any, key: KeyPath) -> Any:
    for part in key:
        values = values[part]
    return values
