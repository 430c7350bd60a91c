"""Subjects: which layers they are made of, and what may be said in them."""

import pytest

from sources import BASE, FACTS, OVERLAY, PROFILE, PROFILE_TEXT, brief, examined, facts, found, merged, sources
from stowplan.nouns.facts import Architecture
from stowplan.nouns.project import State
from stowplan.words.diagnostic import Diagnostic, Place, Severity
from stowplan.words.layered import Layer, Origin, plain

CHILD = "profiles/host2.toml"
CHILD_OVERLAY = "models.d/qwen/host2.toml"
DEFAULTS = PROFILE_TEXT + "[defaults.vllm]\ngpu-memory-utilization = 0.75\nenforce-eager = true\n"


def ids(problems: list[Diagnostic]) -> list[str]:
    return [problem.id for problem in problems]


# order


def test_each_layer_covers_the_one_below() -> None:
    subject = merged(
        {
            PROFILE: PROFILE_TEXT + "[defaults.vllm]\nseed = 1\n",
            BASE: "[vllm]\nseed = 2\n",
            OVERLAY: "[vllm]\nseed = 3\n",
        }
    )
    seed = subject.leaf("vllm", "seed")
    assert seed is not None
    assert [(leaf.value, leaf.layer, leaf.origin) for leaf in seed.chain()] == [
        (3, Layer.OVERLAY, Origin(OVERLAY, ("vllm", "seed"))),
        (2, Layer.BASE, Origin(BASE, ("vllm", "seed"))),
        (1, Layer.PROFILE, Origin(PROFILE, ("defaults", "vllm", "seed"))),
    ]


def test_a_subject_exists_where_an_overlay_is() -> None:
    files = {"profiles/a100.toml": PROFILE_TEXT, "models.d/other/base.toml": ""}
    assert [subject.name for subject in examined(sources(files))[1].subjects] == ["qwen/rtx"]


def test_a_freshly_scanned_models_empty_lists_cover_nothing() -> None:
    """Facts and settings share no key, so `discover` cannot take a setting away."""
    subject = merged({OVERLAY: '[vllm]\nmiddleware = ["a.B"]\n'})
    assert subject.value("vllm", "middleware") == ["a.B"]
    assert not subject.settings.keys() & subject.facts_tree.keys()


def test_a_clash_names_the_place_in_both_files() -> None:
    lower = "[vllm.hf-overrides.rope]\n[vllm.hf-overrides]\nx.y.z = 1\n"
    (problem,) = found({BASE: lower, OVERLAY: "[vllm]\nhf-overrides = 1\n"})
    assert (problem.id, problem.at) == ("type-clash", Place(OVERLAY, ("vllm", "hf-overrides"), "key"))
    assert [label.at for label in problem.also] == [Place(BASE, ("vllm", "hf-overrides"), "key")]


def test_a_table_over_a_value_is_placed_at_the_table() -> None:
    problems = found({BASE: '[vllm]\nhf-overrides = "x"\n', OVERLAY: "[vllm.hf-overrides.a.b]\nc = 1\n"})
    assert brief(problems) == [("type-clash", OVERLAY, ("vllm", "hf-overrides"))]
    assert "is a table here and a value in the layer below" in problems[0].message


def test_a_clash_with_something_half_unset_is_placed_at_what_is_left() -> None:
    files: dict[str, str | bytes | None] = {
        PROFILE: PROFILE_TEXT + "[defaults.vllm.hf-overrides]\na = 1\nb = 2\n",
        BASE: 'unset = ["vllm.hf-overrides.a"]\n',
        OVERLAY: '[vllm]\nhf-overrides = "x"\n',
    }
    (problem,) = found(files)
    assert problem.id == "type-clash"
    assert [label.at for label in problem.also] == [Place(PROFILE, ("defaults", "vllm", "hf-overrides"), "key")]


def test_the_advice_to_unset_is_toml_whatever_the_key() -> None:
    (problem,) = found({BASE: '[vllm.hf-overrides."a.b"]\nc = 1\n', OVERLAY: '[vllm.hf-overrides]\n"a.b" = 1\n'})
    assert problem.hint is not None
    assert """`unset = ['vllm.hf-overrides."a.b"']`""" in problem.hint


# extends


def child(text: str = "", **files: str) -> dict[str, str | bytes | None]:
    return {CHILD: 'extends = "rtx"\n' + text, **files}


def test_a_child_has_its_parents_tables_with_its_own_over_them() -> None:
    profile = examined(sources(child('[roots]\nweights = "/mnt/nas"\n[serving]\nbind = "::1"\n')))[1].profiles["host2"]
    assert profile.roots == {"weights": "/mnt/nas"}
    assert (profile.value("serving", "bind"), profile.ports) == ("::1", (24001, 24010))
    assert profile.names == ("host2", "rtx")
    assert "extends" not in profile.tree


def test_a_childs_value_covers_its_parents() -> None:
    profile = examined(sources(child('[roots]\nweights = "/mnt/nas"\n')))[1].profiles["host2"]
    root = profile.leaf("roots", "weights")
    assert root is not None
    assert [leaf.origin.file for leaf in root.chain()] == [CHILD, PROFILE]


def test_an_overlay_for_the_parent_counts_for_the_child() -> None:
    assert merged(child(), "qwen/host2").value("vllm", "max-model-len") == 4096


def test_an_overlay_for_the_child_lies_over_the_parents() -> None:
    files = child() | {
        CHILD_OVERLAY: "[vllm]\nmax-model-len = 2048\n",
        OVERLAY: "[vllm]\nseed = 1\nmax-model-len = 1\n",
    }
    subject = merged(files, "qwen/host2")
    assert plain(subject.table("vllm")) == {"max-model-len": 2048, "seed": 1}


def test_an_overlay_for_the_child_says_nothing_to_the_parent() -> None:
    files = child() | {CHILD_OVERLAY: "[vllm]\nmax-model-len = 2048\n"}
    assert merged(files).value("vllm", "max-model-len") == 4096


def test_a_child_may_unset_what_its_parent_says() -> None:
    files = {PROFILE: DEFAULTS, CHILD: 'extends = "rtx"\nunset = ["defaults.vllm.enforce-eager"]\n'}
    assert merged(files, "qwen/host2").value("vllm", "enforce-eager") is None
    assert merged(files).value("vllm", "enforce-eager") is True


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({CHILD: 'extends = "nothing"\n'}, ("unknown-profile", CHILD, ("extends",))),
        ({CHILD: 'extends = "host2"\n'}, ("extends-chain", CHILD, ("extends",))),
        (
            {CHILD: 'extends = "rtx"\n', "profiles/host3.toml": 'extends = "host2"\n'},
            ("extends-chain", "profiles/host3.toml", ("extends",)),
        ),
    ],
)
def test_one_level_is_all_there_is(files: dict[str, str], expected: object) -> None:
    assert brief(found({**files})) == [expected]


def test_what_extends_an_unreadable_profile_stays_quiet() -> None:
    assert ids(found({PROFILE: "[[", CHILD: 'extends = "rtx"\n'})) == ["toml-syntax"]


# unset


def test_unset_removes_what_lies_below() -> None:
    subject = merged({PROFILE: DEFAULTS, OVERLAY: 'unset = ["vllm.enforce-eager"]\n'})
    assert plain(subject.table("vllm")) == {"gpu-memory-utilization": 0.75}


def test_a_removal_says_what_went_and_by_whose_word() -> None:
    (removal,) = merged({PROFILE: DEFAULTS, OVERLAY: 'unset = ["vllm.enforce-eager"]\n'}).removed
    assert removal.path == ("vllm", "enforce-eager")
    assert removal.by.origin == Origin(OVERLAY, ("unset", 0))
    assert removal.took.origin == Origin(PROFILE, ("defaults", "vllm", "enforce-eager"))


def test_absent_empty_and_unset_differ() -> None:
    base = "[vllm.hf-overrides]\na = 1\n"
    assert plain(merged({BASE: base, OVERLAY: ""}).table("vllm")) == {"hf-overrides": {"a": 1}}
    assert plain(merged({BASE: "", OVERLAY: "[vllm]\nhf-overrides = {}\n"}).table("vllm")) == {"hf-overrides": {}}
    assert plain(merged({BASE: base, OVERLAY: 'unset = ["vllm.hf-overrides"]\n'}).table("vllm")) == {}


def test_an_unset_path_is_quoted_as_a_toml_key_is() -> None:
    files = {BASE: '[env]\n"A.B" = "1"\n', OVERLAY: "unset = ['env.\"A.B\"']\n"}
    assert plain(merged(files).settings) == {}


def test_an_unset_that_removes_nothing_is_a_warning() -> None:
    (problem,) = found({OVERLAY: 'unset = ["vllm.seed"]\n'})
    assert (problem.severity, brief([problem])) == (
        Severity.WARNING,
        [("unset-nothing", OVERLAY, ("unset", 0))],
    )


@pytest.mark.parametrize(("both", "expected"), [(True, []), (False, ["unset-nothing"])])
def test_in_base_toml_an_unset_is_idle_only_if_it_is_so_in_every_subject(both: bool, expected: list[str]) -> None:
    files = {
        "profiles/a100.toml": DEFAULTS if both else PROFILE_TEXT,
        "models.d/qwen/a100.toml": "",
        BASE: 'unset = ["vllm.enforce-eager"]\n',
    }
    assert ids(found(files)) == expected


def test_setting_and_unsetting_one_key_in_a_file_is_an_error_at_both_places() -> None:
    (problem,) = found({OVERLAY: 'unset = ["vllm.seed"]\n[vllm]\nseed = 1\n'})
    assert brief([problem]) == [("set-and-unset", OVERLAY, ("unset", 0))]
    assert [label.at for label in problem.also] == [Place(OVERLAY, ("vllm", "seed"), "key")]


def test_one_layer_may_unset_and_the_next_set_again() -> None:
    files = {PROFILE: DEFAULTS, BASE: 'unset = ["vllm.enforce-eager"]\n', OVERLAY: "[vllm]\nenforce-eager = false\n"}
    assert merged(files).value("vllm", "enforce-eager") is False
    assert found(files) == []


@pytest.mark.parametrize("path", ["", "vllm.", "a b", "name", "aliases", "correct.family", "status"])
def test_what_is_no_path_or_no_setting_cannot_be_unset(path: str) -> None:
    problems = found({BASE: 'name = "Qwen"\naliases = ["q"]\n', OVERLAY: f"unset = ['{path}']\n"})
    assert brief(problems) == [("bad-unset", OVERLAY, ("unset", 0))]


# correct


def test_a_correction_lies_over_the_fact_and_keeps_it_in_sight() -> None:
    subject = merged({BASE: '[correct]\nbecause = "the card is wrong"\nlicense = "mit"\n'})
    licence = subject.fact("license")
    assert subject.facts is not None
    assert subject.facts.license == "mit"
    assert licence is not None
    assert [(leaf.value, leaf.origin) for leaf in licence.chain()] == [
        ("mit", Origin(BASE, ("correct", "license"))),
        ("apache-2.0", Origin(FACTS, ("license",))),
    ]


def test_a_correction_may_add_what_no_scan_found() -> None:
    base = '[correct]\nbecause = "config.json omits it"\n[correct.architecture]\nlayers = 36\n'
    known = merged({FACTS: facts(architecture=Architecture(heads=32)), BASE: base}).facts
    assert known is not None
    assert (known.architecture.layers, known.architecture.heads) == (36, 32)


@pytest.mark.parametrize("because", ["", 'because = ""\n', "because = ' '\n", "because = 5\n"])
def test_a_correction_without_a_reason_is_refused(because: str) -> None:
    problems = found({BASE: f'[correct]\n{because}license = "mit"\n'})
    assert brief(problems) == [("correction-without-reason", BASE, ("correct",))]


@pytest.mark.parametrize("key", ["location", "weights", "templates", "files", "format", "seal", "nonsense"])
def test_what_a_scan_alone_can_know_cannot_be_corrected(key: str) -> None:
    files = {BASE: f'[correct]\nbecause = "I say so"\n{key} = {{ path = "/etc" }}\n'}
    assert brief(found(files)) == [("bad-correction", BASE, ("correct", key))]
    assert merged(files).facts == merged({}).facts


def test_a_correction_of_another_type_is_refused_and_has_no_effect() -> None:
    files = {BASE: '[correct]\nbecause = "b"\nlicense = "mit"\n[correct.context]\ntokens = "8k"\n'}
    problems = found(files)
    assert brief(problems) == [("bad-correction", BASE, ("correct", "context", "tokens"))]
    assert problems[0].message == '`correct.context.tokens` wants an integer, not the string "8k"'
    assert merged(files).facts == merged({}).facts


def test_a_correction_that_is_a_value_where_the_fact_is_a_table_names_both() -> None:
    (problem,) = found({BASE: '[correct]\nbecause = "b"\ncontext = 5\n'})
    assert brief([problem]) == [("bad-correction", BASE, ("correct", "context"))]
    assert [label.at for label in problem.also] == [Place(FACTS, ("context",), "key")]


# states


def test_a_stub_is_a_stub_until_its_status_goes() -> None:
    assert merged({OVERLAY: 'status = "stub"\n'}).state is State.STUB
    assert merged({OVERLAY: ""}).state is State.ACTIVE


def test_a_stub_for_the_child_does_not_hide_what_the_parent_says() -> None:
    files = child() | {CHILD_OVERLAY: 'status = "stub"\n'}
    assert merged(files, "qwen/host2").state is State.ACTIVE


@pytest.mark.parametrize("file", [BASE, OVERLAY])
def test_enabled_false_disables_wherever_it_stands(file: str) -> None:
    assert merged({OVERLAY: "", file: "enabled = false\n"}).state is State.DISABLED


def test_an_overlay_may_enable_what_base_toml_disables() -> None:
    assert merged({BASE: "enabled = false\n", OVERLAY: "enabled = true\n"}).state is State.ACTIVE


# engines


def test_an_overlay_names_an_engines_label_and_gets_its_kind() -> None:
    profile = PROFILE_TEXT + '[engine.newer]\nkind = "vllm"\nversion = "0.32.0"\nexecutable = "/opt/new/vllm"\n'
    engine = merged({PROFILE: profile, OVERLAY: 'engine = "newer"\n'}).engine
    assert engine is not None
    assert (engine.label, engine.kind, engine.version.value) == ("newer", "vllm", "0.32.0")


def test_the_only_engine_need_not_be_named() -> None:
    engine = merged({OVERLAY: ""}).engine
    assert engine is not None
    assert engine.label == "vllm"


def test_a_subject_of_an_unreadable_file_is_left_alone() -> None:
    assert ids(found({BASE: "[["})) == ["toml-syntax"]
    assert ids(found({OVERLAY: "[["})) == ["toml-syntax"]
