"""What a snapshot answers: names, roles, endpoints and launches; it equals json.loads, and nobody can change it."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reader_cases import LLAVA, QWEN, a_build, models, put

from fake_vllm import install, launchable
from stowplan.nouns.entry import Entry as Compiled
from stowplan.read import Entry, Launch, NoLaunchError, Registry, Snapshot, UnknownModelError, UnreadableBuildError
from stowplan.read.mapped import Mapped
from stowplan.stages.emit import emit
from stowplan.words.names import fold


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    build = tmp_path_factory.mktemp("lookup") / "build"
    put(build, a_build(7))
    return Registry(build, "rtx").snapshot()


def written(folder: Path, entries: tuple[Compiled, ...]) -> tuple[Mapped, Any]:
    """The registry of `entries` as a reader maps it, and as json.loads reads it."""
    profile, _ = models()
    for artifact in emit(profile, entries):
        if "/" not in artifact.path:
            (folder / artifact.path).write_bytes(artifact.content)
    return Mapped(folder), json.loads((folder / "model_registry.json").read_bytes())


# names


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (QWEN, QWEN),
        ("QWEN awq", QWEN),
        ("Qwen-VL", QWEN),
        ("qwen", QWEN),
        ("Qwen, quantised", QWEN),
        ("llava:7b", LLAVA),
        ("ｌｌａｖａ", LLAVA),
    ],
)
def test_a_model_answers_to_all_its_names(snapshot: Snapshot, name: str, found: str) -> None:
    assert snapshot.get(name).name == found
    assert snapshot.find(name) is snapshot.get(name)


def test_an_unknown_name_is_a_key_error_that_knows_close_ones(snapshot: Snapshot) -> None:
    with pytest.raises(KeyError) as caught:
        snapshot.get("qwen_(AWP)")
    assert isinstance(caught.value, UnknownModelError)
    assert str(caught.value) == (
        f"no model is called `qwen_(AWP)` in profile `rtx`, generation 1; did you mean `{QWEN}`?"
    )
    assert snapshot.find("qwen_(AWP)") is None


@pytest.mark.parametrize("name", ["", "\t", "\n", "\udc80", "-", "x" * 100_000, "qwen\tawq\n", "\0"])
def test_what_is_no_name_finds_nothing_or_what_it_folds_to(snapshot: Snapshot, name: str) -> None:
    found = snapshot.find(name)
    assert (found is not None) == (fold(name) == "qwenawq")


def test_a_long_spelling_is_found_and_not_remembered(snapshot: Snapshot) -> None:
    name = "-" * 10_000 + "qwen"
    before = snapshot._mapped._recall.cache_info()
    assert snapshot.get(name).name == QWEN
    assert snapshot._mapped._recall.cache_info() == before


_LETTERS = "aAbeEzZ09 ._-()/éÉßſ日本가ﬁ"
_names = st.text(_LETTERS, min_size=1, max_size=8)
_models = st.lists(
    st.tuples(_names, st.lists(_names, max_size=2), _names, _names, _names),
    max_size=12,
    unique_by=lambda names: names[0],
)
"""Name, aliases, folder, display name, served name; they may collide, which no check has looked into here."""


def spelled(names: tuple[str, list[str], str, str, str]) -> Compiled:
    """A model of these names."""
    name, aliases, folder, display, served = names
    first = next(entry for entry in models()[1] if entry.name == LLAVA)
    subject = replace(first.subject, model=folder)
    return replace(first, subject=subject, name=name, aliases=tuple(aliases), display_name=display, served_name=served)


def claims(row: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Every name of an entry, folded, and its rank: names that people gave before those that servers answer to."""
    ranked = [
        [row["name"]],
        row["model_aliases"],
        [row["metadata"]["model"]],
        [row["display_name"]],
        [row["served_model_id"]],
    ]
    return ((fold(name), rank) for rank, names in enumerate(ranked) for name in names)


@given(_models, st.lists(_names, max_size=20))
@example([("a", [], "m", "b", "b"), ("b", ["a"], "m", "x", "a")], ["A", "b", "M"])
def test_get_is_json_loads_and_the_rule_of_precedence(
    tmp_path_factory: pytest.TempPathFactory, given_models: list[Any], asked: list[str]
) -> None:
    mapped, rows = written(tmp_path_factory.mktemp("law"), tuple(map(spelled, given_models)))
    best: dict[str, tuple[int, str]] = {}
    for row in rows:
        for name, rank in claims(row):
            best[name] = min(best.get(name, (rank, row["name"])), (rank, row["name"]))
    by_name = {row["name"]: row for row in rows}
    spellings = [name for row in rows for name in (row["name"], *row["model_aliases"], row["served_model_id"])]
    for name in (*asked, *spellings):
        found = mapped.find(name)
        assert (found and found.plain()) == (by_name[best[fold(name)][1]] if fold(name) in best else None)


@given(_models)
def test_entries_are_json_loads_of_the_file(tmp_path_factory: pytest.TempPathFactory, given_models: list[Any]) -> None:
    mapped, rows = written(tmp_path_factory.mktemp("law"), tuple(map(spelled, given_models)))
    assert [entry.plain() for entry in mapped.entries()] == rows


def test_a_large_index_finds_every_name_and_no_other(tmp_path: Path) -> None:
    """Large enough to be halved: names of many lengths, one of them longer than what is searched at once."""
    long = "w" * 20_000
    many = [
        spelled((f"{number}-{'n' * (number % 50)}", [f"alias {number}"], f"m{number}", "", "")) for number in range(600)
    ]
    mapped, rows = written(tmp_path, (*many, spelled((long, [], "w", "", ""))))
    assert (tmp_path / "names.idx").stat().st_size > 40_000
    for row in rows:
        for name in (row["name"], *row["model_aliases"], row["metadata"]["model"]):
            found = mapped.find(name)
            assert found is not None
            assert found.plain() == row
    unknown = ("600", "alias", "alias 600", "m", "zzz", "!", "w" * 19_999)
    assert [name for name in unknown if mapped.find(name) is not None] == []
    assert mapped.near("alias 59x")[0].startswith("5")


# entries


def test_an_entry_says_what_it_is(snapshot: Snapshot) -> None:
    qwen, llava = snapshot.get(QWEN), snapshot.get(LLAVA)
    assert (qwen.display_name, qwen.aliases, qwen.model) == ("Qwen, quantised", ("Qwen-VL",), "qwen")
    assert (qwen.backend, qwen.host, qwen.port, qwen.served_name) == ("vllm", "127.0.0.1", 24001, QWEN)
    assert qwen.model_path == "/srv/weights/Qwen/Qwen3-8B"
    assert qwen.roles == ("keywords", "caption", "mark-7")
    assert qwen.capabilities == {"text", "vision"}
    assert qwen.sampling == {"mark": 7}
    assert qwen.argv[:3] == ("/opt/vllm/bin/vllm", "serve", "/srv/weights/Qwen/Qwen3-8B")
    assert qwen.launch_digest == qwen.raw["metadata"]["launch_digest"]
    assert (llava.argv, llava.launch_digest, llava.capabilities, llava.vram) == ((), None, frozenset(), None)


def test_nobody_can_change_what_another_sees(snapshot: Snapshot) -> None:
    entry = snapshot.get(QWEN)
    before = deepcopy(entry.plain())
    with pytest.raises(TypeError):
        entry.raw["name"] = "x"  # type: ignore[index]
    with pytest.raises(TypeError):
        entry.raw["backend_config"]["port"] = 1
    with pytest.raises(TypeError):
        entry.sampling["mark"] = 1  # type: ignore[index]
    assert isinstance(entry.raw["backend_config"]["extra_args"], tuple)
    entry.plain()["backend_config"]["extra_args"].append("--x")
    for thing, attribute in ((entry, "name"), (snapshot, "generation"), (snapshot.launch(QWEN), "argv")):
        with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
            setattr(thing, attribute, "x")
    assert snapshot.get(QWEN).plain() == next(e for e in snapshot.entries() if e.name == QWEN).plain() == before


def test_equal_entries_are_equal(snapshot: Snapshot) -> None:
    again = {entry for entry in snapshot.entries()} | {snapshot.get("qwen"), snapshot.get("Qwen-VL")}  # noqa: C416
    assert len(again) == 2
    assert snapshot.get("qwen") != snapshot.get("llava")


def test_a_line_that_is_damaged_says_so(tmp_path: Path) -> None:
    written(tmp_path, models()[1])
    file = tmp_path / "model_registry.json"
    file.write_bytes(file.read_bytes().replace(b'{"name"', b'{"name', 2))
    with pytest.raises(UnreadableBuildError, match=r"model_registry.json.*`stowplan compile` makes it anew"):
        Mapped(tmp_path).find(QWEN)


@pytest.mark.parametrize("kept", [0, 1, -1])
def test_an_index_that_is_empty_or_cut_says_so(tmp_path: Path, kept: int) -> None:
    written(tmp_path, models()[1])
    file = tmp_path / "names.idx"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(UnreadableBuildError, match=r"names.idx.*`stowplan compile` makes it anew"):
        Mapped(tmp_path)


@pytest.mark.parametrize("line", [b"qwen\n", b"qwen\t\n", b"qwen\t2\n", b"qwen\tx\t9\n", b"qwen\t2\t9\t9\n"])
def test_an_index_whose_line_is_damaged_says_so(snapshot: Snapshot, tmp_path: Path, line: bytes) -> None:
    written(tmp_path, models()[1])
    (tmp_path / "names.idx").write_bytes(line)
    damaged = replace(snapshot, _mapped=Mapped(tmp_path))
    with pytest.raises(UnreadableBuildError, match=r"names.idx.*`stowplan compile` makes it anew"):
        damaged.get("qwen")


def test_an_index_of_other_bytes_says_so(snapshot: Snapshot, tmp_path: Path) -> None:
    """Also where the names in it are only looked through for close ones."""
    written(tmp_path, models()[1])
    (tmp_path / "names.idx").write_bytes(b"\xff\xfe\t2\t9\n" * 9)
    damaged = replace(snapshot, _mapped=Mapped(tmp_path))
    with pytest.raises(UnreadableBuildError, match=r"names.idx.*`stowplan compile` makes it anew"):
        damaged.get("qwen")


@pytest.mark.parametrize("content", ["", "{", "[1]", '["ab"]', "null"])
def test_roles_that_are_damaged_say_so(snapshot: Snapshot, tmp_path: Path, content: str) -> None:
    written(tmp_path, models()[1])
    (tmp_path / "roles.json").write_text(content)
    damaged = replace(snapshot, _mapped=Mapped(tmp_path))
    with pytest.raises(UnreadableBuildError, match=r"roles.json.*`stowplan compile` makes it anew"):
        damaged.by_role("caption")


def test_a_profile_of_nothing(tmp_path: Path) -> None:
    mapped, rows = written(tmp_path, ())
    assert rows == list(mapped.entries()) == []
    assert mapped.find("x") is None
    assert mapped.near("x") == []


# roles


def test_roles_come_as_they_were_compiled(snapshot: Snapshot) -> None:
    assert [entry.name for entry in snapshot.by_role("caption")] == [LLAVA, QWEN]
    assert [entry.name for entry in snapshot.by_role("keywords")] == [QWEN]
    assert snapshot.by_role("nobody's") == ()


def test_a_role_with_capabilities_goes_to_those_that_are_known_to_have_them(snapshot: Snapshot) -> None:
    assert [entry.name for entry in snapshot.by_role("caption", capabilities=("vision",))] == [QWEN]
    assert snapshot.by_role("caption", capabilities=("vision", "audio")) == ()


def test_a_limit_of_memory_leaves_out_who_is_over_it_or_not_estimated(snapshot: Snapshot, tmp_path: Path) -> None:
    mapped, rows = written(tmp_path, models()[1])
    estimated = [{**row, "vram_estimate_mb": 9000} if row["name"] == QWEN else row for row in rows]
    names = [[entry.name, Entry(row)] for entry, row in zip(mapped.entries(), estimated, strict=True)]
    with_estimates = replace(snapshot, _mapped=_Given(dict(names), {"caption": [LLAVA, QWEN]}))  # type: ignore[arg-type]
    assert [entry.name for entry in with_estimates.by_role("caption", max_vram=9000)] == [QWEN]
    assert with_estimates.by_role("caption", max_vram=8999) == ()
    assert snapshot.by_role("caption", max_vram=1_000_000) == ()


def test_a_role_may_be_asked_for_what_fits(snapshot: Snapshot, tmp_path: Path) -> None:
    mapped, rows = written(tmp_path, models()[1])
    said = {QWEN: {"verdict": "tight"}, LLAVA: {"verdict": "fits"}}
    told = [
        {**row, "metadata": {**row["metadata"], "fit": said[row["name"]]} if row["name"] in said else row["metadata"]}
        for row in rows
    ]
    names = [[entry.name, Entry(row)] for entry, row in zip(mapped.entries(), told, strict=True)]
    judged = replace(snapshot, _mapped=_Given(dict(names), {"caption": [LLAVA, QWEN]}))  # type: ignore[arg-type]
    assert [entry.name for entry in judged.by_role("caption", fit=("fits",))] == [LLAVA]
    assert [entry.fit for entry in judged.by_role("caption", fit=("fits", "tight"))] == ["fits", "tight"]
    assert judged.by_role("caption", fit=()) == ()
    external = Entry({**dict(rows[0]), "metadata": {}})
    assert external.fit is None


class _Given:
    """Entries that no compiler makes yet: it does not estimate memory."""

    def __init__(self, entries: dict[str, Entry], takers: dict[str, list[str]]) -> None:
        self.find = entries.get
        self.roles = lambda: takers


# endpoints and launches


@pytest.mark.parametrize(
    ("name", "host", "url"),
    [
        ("qwen", None, "http://127.0.0.1:24001/v1"),
        ("qwen", "gpu-box", "http://gpu-box:24001/v1"),
        ("llava", None, "http://[fd00::1]:11434/v1"),
        ("llava", "[::1]", "http://[::1]:11434/v1"),
        ("llava", "fe80::1%eth0", "http://[fe80::1%25eth0]:11434/v1"),
    ],
)
def test_where_a_model_is_found(snapshot: Snapshot, name: str, host: str | None, url: str) -> None:
    assert snapshot.endpoint(name, host) == url


def test_a_launch_is_what_was_compiled(snapshot: Snapshot) -> None:
    launch = snapshot.launch("Qwen-VL")
    compiled = next(entry.launch for entry in models()[1] if entry.name == QWEN)
    assert compiled is not None
    assert (list(launch.argv), launch.digest, launch.pass_env) == (compiled.argv, compiled.digest, compiled.pass_env)
    assert launch.env == {"VLLM_LOGGING_LEVEL": "DEBUG"}
    assert launch.script.is_absolute()
    assert launch.script.resolve() == launch.script
    assert launch.digest in launch.script.read_text("utf-8")


def test_what_something_else_serves_has_no_launch(snapshot: Snapshot) -> None:
    with pytest.raises(NoLaunchError, match=r"served by ollama at http://\[fd00::1\]:11434/v1"):
        snapshot.launch("llava")
    with pytest.raises(UnknownModelError):
        snapshot.launch("nobody")


def test_the_environment_is_the_one_the_script_gives(tmp_path: Path) -> None:
    """Fails if a variable passes that the script drops, or the other way round."""
    overlay = '[env]\nHOME = "/compiled"\nA = ""\n'
    started = launchable(tmp_path, install(tmp_path / "vllm"), port=1, overlay=overlay, pass_env=["HF_TOKEN"])
    surroundings = {"PATH": "/usr/bin:/bin", "HOME": "/shell", "HF_TOKEN": "secret", "VLLM_USE_V1": "0"}
    assert started.run(environment=surroundings).returncode == 0
    call = started.fake.call()
    assert call is not None
    passed = ("PATH", "HOME", "HF_TOKEN", "LANG")
    launch = Launch(tuple(started.argv), {"HOME": "/compiled", "A": ""}, passed, started.script, started.digest)
    assert launch.environment(surroundings) == call.environment
