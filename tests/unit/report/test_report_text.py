"""Diagnostics as people read them; the snapshots are the specification."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion
from unhurried import unhurried

from stowplan.report.locate import Locator
from stowplan.report.paint import ansi
from stowplan.report.text import WINDOW, render, summary
from stowplan.report.visible import width
from stowplan.words.diagnostic import Diagnostic, Label, Place, error, note, warning

OVERLAY, BASE, PROFILE = "models.d/qwen2.5-vl/rtx-4080.toml", "models.d/qwen2.5-vl/base.toml", "profiles/rtx-4080.toml"
SOURCES = {
    OVERLAY: """\
engine = "vllm"
port = 24999
unset = ["vllm.enforce-eager", "vllm.max-len"]

[vllm]
max_model_length = 4096
\tkv-cache-dtype\t=\t"fp7"\t# tabs
stop = [  # where to stop
  "a",
]
""",
    BASE: "\n" * 11 + "[vllm]\nenforce-eager = true\n",
    PROFILE: '[serving]\nports = "24001-24010"\n',
}


def shown(*problems: Diagnostic, sources: dict[str, str] = SOURCES) -> str:
    return render(problems, Locator({file: text.encode("utf-8", "surrogatepass") for file, text in sources.items()}))


def test_an_unknown_key(snapshot: SnapshotAssertion) -> None:
    message = "`max_model_length` is not a flag of `vllm serve` 0.11.0"
    place = Place(OVERLAY, ("vllm", "max_model_length"), "key")
    assert shown(error("unknown-flag", message, place, hint="did you mean `max-model-len`?")) == snapshot


def test_a_second_place_in_another_file(snapshot: SnapshotAssertion) -> None:
    label = Label(Place(PROFILE, ("serving", "ports")), "the profile's ports")
    problem = error(
        "port-outside-range", "port 24999 lies outside 24001-24010", Place(OVERLAY, ("port",)), also=[label]
    )
    assert shown(problem) == snapshot


def test_a_label_and_details_stand_below_the_place(snapshot: SnapshotAssertion) -> None:
    label = Label(Place(PROFILE, ("serving", "ports")), "the profile's ports")
    details = ("weights   6.5 GiB  ####", "KV cache  6.8 GiB  ####  a\x1b[31m")
    place = Place(OVERLAY, ("port",))
    problem = error("does-not-fit", "too much", place, also=[label], hint="less", label="12.0 GiB", details=details)
    assert shown(problem) == snapshot


def test_line_numbers_of_different_length_share_a_gutter(snapshot: SnapshotAssertion) -> None:
    labels = [
        Label(Place(BASE, ("vllm", "enforce-eager"), "key"), "set here"),
        Label(Place("models.d/qwen2.5-vl"), "taken here"),
    ]
    message = "`vllm.enforce-eager` is set and unset in one file"
    problem = error("set-and-unset", message, Place(OVERLAY, ("unset", 0)), also=labels, hint="keep one of the two")
    assert shown(problem) == snapshot


def test_an_item_of_a_list(snapshot: SnapshotAssertion) -> None:
    assert (
        shown(warning("unset-nothing", "unset `vllm.max-len` removes nothing", Place(OVERLAY, ("unset", 1))))
        == snapshot
    )


def test_a_value_of_several_lines_is_marked_on_its_first(snapshot: SnapshotAssertion) -> None:
    assert shown(error("bad-value", "`stop` wants a string", Place(OVERLAY, ("vllm", "stop")))) == snapshot


def test_carets_stay_below_their_text_behind_tabs(snapshot: SnapshotAssertion) -> None:
    assert (
        shown(error("bad-choice", "`kv-cache-dtype` wants ...", Place(OVERLAY, ("vllm", "kv-cache-dtype")))) == snapshot
    )


def test_carets_stay_below_their_text_behind_wide_characters(snapshot: SnapshotAssertion) -> None:
    problem = error("toml-syntax", "not TOML: expected newline", Place("a.toml", line=1, column=16))
    assert shown(problem, sources={"a.toml": 'served = "东京 \N{GRINNING FACE}"; x'}) == snapshot


def test_a_position_at_the_end_of_a_line(snapshot: SnapshotAssertion) -> None:
    assert shown(error("toml-syntax", "not TOML: expected `=`", Place(OVERLAY, line=2, column=13))) == snapshot


def test_a_file_whose_content_is_not_known(snapshot: SnapshotAssertion) -> None:
    place = Place("weights:Qwen/Qwen3-8B/model-00002-of-00005.safetensors")
    problem = error("weights-truncated", "it is cut short", place, hint="download the model again")
    assert shown(problem) == snapshot


def test_no_place_at_all(snapshot: SnapshotAssertion) -> None:
    assert shown(warning("no-models", "the root `weights` is not there", hint="mount it")) == snapshot


def test_what_is_hostile_is_written_out(snapshot: SnapshotAssertion) -> None:
    file = "profiles/\x1b]0;owned\x07.toml"
    text = 'a\u00a0= "\x1b[2J\u202eevil\u2066\x00" # \udc80\r\x1b[1A gone\n'
    label = Label(Place(file), "\x1b[8m hidden")
    problem = error("toml-syntax", "not\nTOML \x1b[31m", Place(file, line=1, column=9), also=[label], hint="\u202e no")
    assert shown(problem, sources={file: text}) == snapshot


@pytest.mark.parametrize("column", [1, 200, 399], ids=["start", "middle", "end"])
def test_a_long_line_is_cut_to_a_window(column: int, snapshot: SnapshotAssertion) -> None:
    text = "".join(f"{i:04}" for i in range(100))
    assert (
        shown(error("bad-value", "long", Place("a.toml", line=1, column=column)), sources={"a.toml": text}) == snapshot
    )


def test_a_long_value_is_marked_as_far_as_it_shows() -> None:
    sources = {"a.toml": f'key = "{"x" * 4000}"'}
    *_, source, carets = shown(error("bad-value", "long", Place("a.toml", ("key",))), sources=sources).splitlines()
    assert len(source) == len("1 | ") + WINDOW + len("…")
    assert carets == "  |       " + "^" * (WINDOW - len("key = "))


def test_order(snapshot: SnapshotAssertion) -> None:
    problems = [
        note("weights-absent", "nowhere"),
        warning("stub-unedited", "in a later file", Place(PROFILE, ("serving", "ports"))),
        error("bad-value", "in line 6", Place(OVERLAY, ("vllm", "max_model_length"))),
        error("bad-value", "in line 2", Place(OVERLAY, ("port",))),
        error("bad-value", "in line 2, told second", Place(OVERLAY, ("port",))),
        error("facts-missing", "about the file", Place(OVERLAY)),
    ]
    headings = [line for line in shown(*problems).splitlines() if "[" in line and "]: " in line]
    assert headings == snapshot


def test_nothing_is_nothing() -> None:
    assert shown() == ""


@pytest.mark.parametrize(
    ("problems", "text"),
    [
        ([], "no problems"),
        ([error("a", "")], "1 error"),
        ([note("a", ""), warning("a", ""), error("a", ""), warning("a", "")], "1 error, 2 warnings, 1 note"),
    ],
)
def test_summary(problems: list[Diagnostic], text: str) -> None:
    assert summary(problems) == text


def test_colours_change_nothing_but_colour() -> None:
    label = Label(Place(PROFILE, ("serving", "ports")), "the profile's ports")
    problems = [
        error("a", "b", Place(OVERLAY, ("port",)), also=[label], hint="c"),
        warning("a", "b", Place(OVERLAY, line=1, column=1)),
        note("a", "b"),
    ]
    locator = Locator({file: text.encode() for file, text in SOURCES.items()})
    coloured = render(problems, locator, ansi)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render(problems, locator)
    assert "\x1b[1;31merror[a]" in coloured
    assert all(line.count("\x1b[") % 2 == 0 for line in coloured.splitlines()), "no colour runs on"


@unhurried
@given(st.text(st.characters(exclude_characters="\n")), st.integers(1, 60), st.text(), st.text())
def test_whatever_a_file_holds_only_text_is_printed(line: str, column: int, message: str, name: str) -> None:
    sources = {name: line.encode("utf-8", "surrogatepass")}
    text = render([error("a", message, Place(name, line=1, column=column), hint=message)], Locator(sources))
    assert text.endswith("\n")
    lines = text.split("\n")[:-1]
    assert len(lines) == 6
    assert all(part.isprintable() for shown_line in lines for part in shown_line.split("\t"))


@unhurried
@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\n\t\ufeff")).filter(lambda line: len(line) < WINDOW),
    st.data(),
)
def test_carets_begin_where_their_text_begins(line: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(line)))
    sources = {"a.toml": line.encode("utf-8", "surrogatepass")}
    rendered = render([error("a", "b", Place("a.toml", line=1, column=start + 1))], Locator(sources)).split("\n")
    rest = render([error("a", "b", Place("a.toml", line=1, column=1))], Locator({"a.toml": line[start:].encode()}))
    shown_line, carets = rendered[3].ljust(4)[4:], rendered[4][4:]
    tail = rest.split("\n")[3].ljust(4)[4:]
    assert shown_line.endswith(tail)
    assert len(carets) - len(carets.lstrip()) == width(shown_line.removesuffix(tail) if tail else shown_line)


def test_what_may_be_a_secret_is_not_printed() -> None:
    place = Place("profiles/p.toml", ("env", "TOKEN"), hidden=True)
    printed = render(
        [error("secret-in-config", "`env.TOKEN` looks like a secret", place)],
        Locator({"profiles/p.toml": b'[env]\nTOKEN = "hunter2"\n'}),
    )
    assert "profiles/p.toml:2:9" in printed
    assert "hunter2" not in printed
