"""Places: where a key or value stands, whatever else the file holds."""

import pytest

from stowplan.report.locate import Locator, Spot
from stowplan.words.diagnostic import Place
from stowplan.words.keypath import KeyPath
from stowplan.words.layered import Origin

FILE = "models.d/m/p.toml"
TOML = """\
engine = "vllm"

[vllm]  # flags
max-model-len = 4096
stop = ["a", "b"]
chat = '''
one
two'''
hf.rope = { kind = "yarn", factor = 2 }
"""


def at(content: str | bytes, *key: str | int, part: str = "value", file: str = FILE) -> Spot:
    source = content.encode() if isinstance(content, str) else content
    return Locator({file: source}).locate(Place(file, key, part))  # type: ignore[arg-type]


def marked(spot: Spot) -> str | None:
    """The text a one-line spot means."""
    assert spot.line == spot.end_line
    assert spot.text is not None
    assert spot.column is not None
    assert spot.end_column is not None
    return spot.text[spot.column - 1 : spot.end_column - 1]


@pytest.mark.parametrize(
    ("key", "key_text", "value_text"),
    [
        (("engine",), "engine", '"vllm"'),
        (("vllm",), "vllm", "[vllm]"),
        (("vllm", "max-model-len"), "max-model-len", "4096"),
        (("vllm", "stop", 1), '"b"', '"b"'),
        (("vllm", "hf"), "hf", "hf"),
        (("vllm", "hf", "rope", "factor"), "factor", "2"),
    ],
)
def test_a_key_and_its_value(key: KeyPath, key_text: str, value_text: str) -> None:
    assert marked(at(TOML, *key, part="key")) == key_text
    assert marked(at(TOML, *key)) == value_text


def test_lines_and_columns_count_from_one() -> None:
    assert at(TOML, "vllm", "max-model-len") == Spot(FILE, 4, 17, 4, 21, "max-model-len = 4096")


def test_a_value_of_several_lines_ends_where_it_ends() -> None:
    assert at(TOML, "vllm", "chat") == Spot(FILE, 6, 8, 8, 7, "chat = '''")


@pytest.mark.parametrize(
    ("key", "value_text"),
    [
        (("vllm", "none"), "[vllm]"),
        (("vllm", "max-model-len", "deeper"), "4096"),
        (("vllm", "hf", "rope", "none"), '{ kind = "yarn", factor = 2 }'),
        (("vllm", "stop", 7), '["a", "b"]'),
        (("vllm", "stop", "b"), '["a", "b"]'),
    ],
)
def test_a_key_that_is_not_there_leads_to_what_should_hold_it(key: KeyPath, value_text: str) -> None:
    assert marked(at(TOML, *key)) == value_text


def test_what_a_mistake_left_unread_leads_to_what_holds_it() -> None:
    assert marked(at("a = [1, =", "a", 1)) == "a"
    assert marked(at("a = [1, [2, ]", "a", 1)) == "[2, ]"


@pytest.mark.parametrize("place", [Place(FILE), Place(FILE, ("none",)), Place("no/such.toml", ("engine",))])
def test_where_nothing_is_known_there_is_the_file(place: Place) -> None:
    assert Locator({FILE: TOML.encode()}).locate(place) == Spot(place.file)


def test_only_toml_and_json_are_looked_into() -> None:
    assert at("engine = 1", "engine", file="README.md") == Spot("README.md")


def test_a_position_is_taken_as_it_is() -> None:
    locator = Locator({FILE: TOML.encode()})
    assert locator.locate(Place(FILE, line=3, column=2)) == Spot(FILE, 3, 2, 3, 3, "[vllm]  # flags")
    assert locator.locate(Place(FILE, line=99, column=1)).text is None
    assert locator.locate(Place("gone.toml", line=3, column=2)) == Spot("gone.toml", 3, 2, 3, 3, None)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("'é' = 1\r\n# \u2028 \x85 no ends of lines\r\nport = 24001\r\n", id="crlf"),
        pytest.param(b"\xef\xbb\xbf# mark\n\nport = 24001\n", id="byte order mark"),
        pytest.param("a = '\N{GRINNING FACE}'\n\nport = 24001", id="wide, and no end of line"),
        pytest.param(b"# \xff\xfe\n\nport = 24001\n", id="no utf-8"),
    ],
)
def test_odd_files_count_lines_and_characters_as_others_do(content: str | bytes) -> None:
    assert at(content, "port") == Spot(FILE, 3, 8, 3, 13, "port = 24001")


def test_a_byte_order_mark_takes_no_column() -> None:
    assert at(b"\xef\xbb\xbfport = 24001\n", "port", part="key") == Spot(FILE, 1, 1, 1, 5, "port = 24001")


def test_json() -> None:
    text = '{"context": {\n  "tokens": 128\n}}'
    assert marked(at(text, "context", "tokens", file="m/discovered.json")) == "128"
    assert str(at(text, "context", file="m/discovered.json")) == "m/discovered.json:1:13"


def test_where_an_origin_stands() -> None:
    locator = Locator({FILE: TOML.encode()})
    assert locator.where(Origin(FILE, ("vllm", "chat"))) == f"{FILE}:6"
    assert locator.where(Origin(FILE, ("vllm", "stop", 1))) == f"{FILE}:5"
    assert locator.where(Origin(FILE)) == FILE
    assert locator.where(Origin("elsewhere.toml", ("a",))) == "elsewhere.toml"


def test_a_file_is_read_once_and_only_when_asked_for() -> None:
    class Counted(dict[str, bytes]):
        reads = 0

        def get(self, key: str, default: bytes | None = None) -> bytes | None:  # type: ignore[override]
            self.reads += 1
            return super().get(key, default)

    sources = Counted({FILE: TOML.encode()})
    locator = Locator(sources)
    assert sources.reads == 0
    for key in ("engine", "vllm", "none"):
        locator.locate(Place(FILE, (key,)))
    assert sources.reads == 1
