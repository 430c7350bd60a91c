"""load: files become a project; what cannot be read is named with its place, and the rest goes on."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources import BASE, FACTS, OVERLAY, PROFILE, PROFILE_TEXT, brief, facts, found, sources
from stowplan.nouns.facts import seal
from stowplan.stages.check import check
from stowplan.stages.load import load
from stowplan.stages.merge import merge
from stowplan.words.diagnostic import Diagnostic, Place


def problems(file: str, content: str | bytes) -> list[Diagnostic]:
    return load(sources({file: content}))[1]


def sealed(content: dict[str, Any]) -> bytes:
    return json.dumps({**content, "seal": seal(content)}).encode()


def known(**changes: Any) -> bytes:
    """Facts of any content, sealed as `discover` seals them."""
    content = {key: value for key, value in json.loads(facts()).items() if key != "seal"}
    return sealed({**content, **changes})


# a project


def test_files_are_sorted_into_profiles_and_models() -> None:
    project, found = load(sources())
    assert found == []
    assert list(project.profiles) == ["rtx"]
    model = project.models["qwen"]
    assert (model.base is not None, list(model.overlays), model.facts is not None) == (True, ["rtx"], True)


def test_the_facts_come_without_their_seal() -> None:
    document = load(sources())[0].models["qwen"].facts
    assert document is not None
    assert document.content["location"] == {"root": "weights", "path": "Qwen/Qwen3-8B"}
    assert "seal" not in document.content


def test_nothing_is_a_project_without_problems() -> None:
    assert load({})[1] == []


@given(st.permutations(sorted(sources({"models.d/other/rtx.toml": "", "profiles/a100.toml": ""}))))
def test_the_order_of_the_files_means_nothing(names: list[str]) -> None:
    given = sources({"models.d/other/rtx.toml": "", "profiles/a100.toml": ""})
    assert load({name: given[name] for name in names})[0] == load(given)[0]


# not TOML


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a = 1\nb = = 2\n", 2, 5),
        ("a", 1, 2),
        ("a = 1\nb = [1,\n", 2, 8),
        ("a = 1\r\nb = [1,\r\n", 2, 8),
        ("# \u2028 \x85\na = '", 2, 6),
        ("a = 1\na = 2\n", 2, 1),
        ("[x]\n  [x]\n", 2, 3),
        ("\ufeffa = = 1\n", 1, 5),
        ("a = " + "[" * 5000, None, None),
        ("\n" + "a." * 5000 + "b = 1", 2, 1),
        ("a." * 100 + "b = 1", 1, 1),
        ('x = {"a" . ' + "b . " * 5000 + "b = 1}", 1, 5),
    ],
)
def test_what_is_no_toml_is_placed(text: str, line: int | None, column: int | None) -> None:
    (problem,) = problems(PROFILE, text)
    assert (problem.id, problem.at) == ("toml-syntax", Place(PROFILE, line=line, column=column))


@pytest.mark.parametrize("text", ["a = " + "9" * 5000, "a = 2024-02-30", "a = 25:00:00"])
def test_a_value_that_python_cannot_hold_is_named(text: str) -> None:
    assert [p.id for p in problems(PROFILE, text)] == ["toml-syntax"]


def test_a_file_of_another_encoding_is_named_by_line_and_byte() -> None:
    (problem,) = problems(PROFILE, b"a = 1\nb = '\xff'\n")
    assert (problem.at, problem.message) == (
        Place(PROFILE, line=2, column=6),
        "byte 0xff is no UTF-8; TOML files are UTF-8",
    )


def test_long_texts_and_long_files_are_read() -> None:
    text = "a. " * 2000 + "a." * 2000
    given = {OVERLAY: f"[env]\nX = '{text}'\n" + "".join(f"V{i} = 'x'\n" for i in range(5000))}
    assert load(sources({**given}))[1] == []


# shapes


@pytest.mark.parametrize(
    ("file", "text", "expected", "hint"),
    [
        (OVERLAY, "prot = 1", ("unknown-key", OVERLAY, ("prot",)), "did you mean `port`?"),
        (OVERLAY, "served_name = 'x'", ("unknown-key", OVERLAY, ("served_name",)), "did you mean `served-name`?"),
        (
            OVERLAY,
            "max_model_len = 1",
            ("unknown-key", OVERLAY, ("max_model_len",)),
            "flags of vllm stand in its table: `[vllm]`, then `max-model-len = ...`",
        ),
        (OVERLAY, "[external]\nx = 1", None, None),
        (PROFILE, "[gpu]\nmemroy = '1 GiB'", ("unknown-key", PROFILE, ("gpu", "memroy")), "did you mean `memory`?"),
        (
            PROFILE,
            "[engine.vllm]\nx = 1",
            ("unknown-key", PROFILE, ("engine", "vllm", "x")),
            "known here: executable, kind, version",
        ),
        (OVERLAY, "name = 'x'", ("misplaced-key", OVERLAY, ("name",)), "move it to base.toml beside this file"),
        (OVERLAY, "[correct]\nbecause = 'x'", ("misplaced-key", OVERLAY, ("correct",)), None),
        (BASE, "status = 'stub'", ("misplaced-key", BASE, ("status",)), "a stub is one profile's file; remove it here"),
        (OVERLAY, "port = '1'", ("wrong-type", OVERLAY, ("port",)), None),
        (OVERLAY, "port = true", ("wrong-type", OVERLAY, ("port",)), None),
        (OVERLAY, "port = 1.0", ("wrong-type", OVERLAY, ("port",)), None),
        (OVERLAY, "enabled = 1", ("wrong-type", OVERLAY, ("enabled",)), None),
        (OVERLAY, "vllm = 1", ("wrong-type", OVERLAY, ("vllm",)), None),
        (OVERLAY, "roles = { caption = true }", ("wrong-type", OVERLAY, ("roles", "caption")), None),
        (OVERLAY, "unset = ['a', 1]", ("wrong-type", OVERLAY, ("unset", 1)), None),
        (OVERLAY, "[env]\nX = 1", ("wrong-type", OVERLAY, ("env", "X")), None),
        (OVERLAY, "status = 'draft'", ("bad-choice", OVERLAY, ("status",)), None),
        (PROFILE, "[serving]\nmode = 'all'", ("bad-choice", PROFILE, ("serving", "mode")), None),
        (OVERLAY, "external = { model = 'x' }", ("missing-key", OVERLAY, ("external",)), "add `backend = ...`"),
    ],
)
def test_what_does_not_fit_its_file_is_named(file: str, text: str, expected: Any, hint: str | None) -> None:
    seen = problems(file, text)
    if expected is not None:
        assert brief(seen) == [expected]
    else:
        assert sorted(p.id for p in seen) == ["missing-key", "missing-key", "unknown-key"]
    assert hint is None or seen[0].hint == hint


def test_a_message_says_what_was_seen_and_what_is_wanted() -> None:
    assert problems(OVERLAY, "port = '8000'")[0].message == '`port` wants an integer, not the string "8000"'
    assert problems(OVERLAY, "env = []")[0].message == "`env` wants a table, not the list []"
    assert 'may be "one-at-a-time" or "together"' in problems(PROFILE, "[serving]\nmode = 'all'")[0].message


def test_what_does_not_fit_is_left_out_and_the_rest_is_kept() -> None:
    text = "port = '1'\nunset = ['a', 1]\nx = 1\n[env]\nA = 'a'\nB = 1\n[vllm]\nx.y = [1, {z = 2}]\n"
    document = load(sources({OVERLAY: text}))[0].models["qwen"].overlays["rtx"]
    assert document.table == {"env": {"A": "a"}, "vllm": {"x": {"y": [1, {"z": 2}]}}}
    assert document.broken


def test_all_problems_of_all_files_are_told_at_once() -> None:
    files: dict[str, str | bytes | None] = {PROFILE: "x = 1\ny = 2\n", BASE: "z = 1\n", OVERLAY: "[[", FACTS: b"{"}
    ids = sorted(p.id for p in load(sources(files))[1])
    assert ids == ["facts-unreadable", "toml-syntax", "unknown-key", "unknown-key", "unknown-key"]


# values that have no place


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[vllm]\nx = 2024-01-01", ("wrong-type", ("vllm", "x"))),
        ("[vllm]\nx = [07:00:00]", ("wrong-type", ("vllm", "x", 0))),
        ("[vllm]\nx = nan", ("bad-value", ("vllm", "x"))),
        ("[sampling]\nx.y = -inf", ("bad-value", ("sampling", "x", "y"))),
        ("[vllm]\nx = 9223372036854775808", ("bad-value", ("vllm", "x"))),
        ("[vllm]\nx = [{y = -9223372036854775809}]", ("bad-value", ("vllm", "x", 0, "y"))),
        ("[vllm]\nx = 'a\u202eb'", ("hidden-characters", ("vllm", "x"))),
        ("[vllm]\nx = ['a\u200bb']", ("hidden-characters", ("vllm", "x", 0))),
        ("[vllm]\nx = [{'a\u200b' = 1}]", ("hidden-characters", ("vllm", "x", 0))),
        ('[vllm]\nx = "a\\u0000"', ("hidden-characters", ("vllm", "x"))),
        ('[vllm]\nx = "\\u001b[31m"', ("hidden-characters", ("vllm", "x"))),
        ("served-name = 'a\tb'", ("hidden-characters", ("served-name",))),
        ('served-name = "a\\nb"', ("hidden-characters", ("served-name",))),
        ('[env]\n"A\\u2066" = "x"', ("hidden-characters", ("env", "A\u2066"))),
        ("[vllm]\n" + ".".join("abcdefghijklmnopqrstuvwxyz") + " = 1", ("wrong-type", ("vllm", "a", "b"))),
        ("[vllm]\nx = " + "[" * 30 + "]" * 30, ("wrong-type", ("vllm", "x", 0))),
    ],
)
def test_a_value_that_no_launch_can_hold_is_named_and_left_out(text: str, expected: tuple[str, Any]) -> None:
    project, seen = load(sources({OVERLAY: text}))
    assert [(p.id, p.at and p.at.key) for p in seen] == [expected]
    table = project.models["qwen"].overlays["rtx"].table
    assert "x" not in table.get("vllm", {})


@pytest.mark.parametrize("text", ['"""a\n\tb"""', "'👩\u200d💻'", "'ﬁ ü 漢字'", "'نص'", "9223372036854775807", "1e308"])
def test_what_can_be_seen_is_let_through(text: str) -> None:
    assert problems(OVERLAY, f"[sampling]\nx = {text}\n") == []


# names


@pytest.mark.parametrize("name", [" ", "a b", ".hidden", "-x", "ü", "a\nb", "a" * 129, "a;b", "x.tmp", "\udcff"])
def test_a_name_that_is_not_plain_is_refused(name: str) -> None:
    files = {f"profiles/{name}.toml": "", f"models.d/{name}x{name}/rtx.toml": ""}
    for file, content in files.items():
        assert [(p.id, p.at) for p in problems(file, content)] == [("unsafe-name", Place(file))]


def test_a_folder_of_a_bad_name_is_told_once() -> None:
    files: dict[str, str | bytes | None] = {"models.d/a b/rtx.toml": "", "models.d/a b/base.toml": "[["}
    assert [p.id for p in load(sources(files))[1]] == ["unsafe-name"]


@pytest.mark.parametrize("name", ["base", "manifest.json"])
def test_a_profile_may_not_take_a_name_that_means_something_else(name: str) -> None:
    assert brief(found({f"profiles/{name}.toml": PROFILE_TEXT})) == [("unsafe-name", f"profiles/{name}.toml", ())]


def test_what_hangs_on_a_profile_of_a_bad_name_stays_quiet() -> None:
    files: dict[str, str | bytes | None] = {"profiles/a b.toml": PROFILE_TEXT, "models.d/qwen/a b.toml": ""}
    assert [p.id for p in found(files)] == ["unsafe-name"]


@pytest.mark.parametrize("unread", [PROFILE, "profiles"])
def test_what_hangs_on_a_profile_that_cannot_be_read_stays_quiet(unread: str) -> None:
    project, malformed = load(sources({PROFILE: None}), [unread])
    fleet, unmerged = merge(project)
    assert [*malformed, *unmerged, *check(project, fleet)] == []


@pytest.mark.parametrize("unread", [BASE, FACTS])
def test_what_hangs_on_a_file_that_cannot_be_read_stays_quiet(unread: str) -> None:
    files: dict[str, str | bytes | None] = {OVERLAY: 'unset = ["env.X"]\n', unread: None}
    told = {p.id for p in found(files)} & {"facts-missing", "unset-nothing"}
    project, malformed = load(sources(files), [unread])
    fleet, unmerged = merge(project)
    assert told > {p.id for p in [*malformed, *unmerged, *check(project, fleet)]}


def test_a_file_beside_the_models_belongs_to_none() -> None:
    (problem,) = problems("models.d/rtx.toml", "")
    assert brief([problem]) == [("orphan-overlay", "models.d/rtx.toml", ())]
    assert problem.hint == "move it to models.d/<model>/rtx.toml, named after a profile"


# facts


@pytest.mark.parametrize(
    ("content", "id_"),
    [
        (b"", "facts-unreadable"),
        (b"{", "facts-unreadable"),
        (b"\xff", "facts-unreadable"),
        (b"[]", "facts-unreadable"),
        (b"[" * 100_000, "facts-unreadable"),
        (b'{"a": ' + b"9" * 5000 + b"}", "facts-unreadable"),
        (b'{"a": NaN}', "facts-unreadable"),
        (b'{"a": 1e999}', "facts-unreadable"),
        (b'{"a": "\\ud800"}', "facts-unreadable"),
        (b"{}", "facts-edited"),
        (facts().replace(b"apache-2.0", b"mit"), "facts-edited"),
        (facts().replace(b"sha256:", b"sha256-"), "facts-edited"),
        (known(format=2), "newer-format"),
        (known(weights=None), "facts-unreadable"),
        (known(location={"root": "weights"}), "facts-unreadable"),
        (known(architecture={"layers": True}), "facts-unreadable"),
        (known(generation={"x": json.loads("[" * 300 + "]" * 300)}), "facts-unreadable"),
    ],
)
def test_facts_that_no_scan_wrote_are_refused(content: bytes, id_: str) -> None:
    seen = problems(FACTS, content)
    assert [p.id for p in seen] == [id_]
    assert all(p.at is not None and p.at.file == FACTS and "``" not in p.message for p in seen)


@pytest.mark.parametrize("form", [0, -1, True, 1.0, "1", None])
def test_facts_of_no_format_there_ever_was_are_refused(form: Any) -> None:
    (problem,) = problems(FACTS, known(format=form))
    assert (problem.id, problem.at) == ("facts-unreadable", Place(FACTS, ("format",)))
    assert problem.message.startswith("`format` wants 1, not ")


def test_facts_nested_too_deeply_are_told_so_in_plain_words() -> None:
    assert [p.message for p in problems(FACTS, b"[" * 100_000)] == ["not JSON: nested too deeply"]


def test_facts_of_a_newer_stowplan_of_the_same_format_are_read() -> None:
    assert problems(FACTS, known(novelty={"x": 1})) == []


def test_a_fact_that_does_not_fit_is_named_by_its_key() -> None:
    (problem,) = problems(FACTS, known(context={"tokens": "8k", "evidence": "x"}))
    assert (problem.at, problem.message) == (
        Place(FACTS, ("context", "tokens")),
        '`context.tokens` wants an integer, not the string "8k"',
    )


def test_unreadable_facts_are_not_missing_facts() -> None:
    assert [p.id for p in found({FACTS: b"{"})] == ["facts-unreadable"]
