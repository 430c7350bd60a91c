"""Each check raised by the smallest project that deserves it: that one problem, at its place, and no other."""

from dataclasses import replace

import pytest

from sources import BASE, FACTS, OVERLAY, PROFILE, PROFILE_TEXT, TEMPLATE, brief, examined, facts, found, sources
from stowplan.words.diagnostic import Place, Severity, has_errors

Files = dict[str, str | bytes | None]
Expected = tuple[str, str, tuple[str | int, ...]]

OTHER = "models.d/other/rtx.toml"
OTHER_FACTS = "models.d/other/discovered.json"
OTHER_BASE = "models.d/other/base.toml"
CHILD = "profiles/host2.toml"


def profile(old: str, new: str) -> Files:
    """The sound project with one change to its profile."""
    assert old in PROFILE_TEXT
    return {PROFILE: PROFILE_TEXT.replace(old, new)}


def two(files: Files) -> Files:
    """The sound project with a second model."""
    return {OTHER: "", OTHER_FACTS: facts("Other/model"), **files}


TOGETHER = PROFILE_TEXT + 'mode = "together"\n[defaults.vllm]\ngpu-memory-utilization = 0.4\n'
EXTERNAL = 'engine = "external"\nport = 11434\n[external]\nbackend = "ollama"\nmodel = "qwen3:8b"\n'
VLLM = "[engine.vllm]\n"
REQUIRES = "requires-stowplan"
WRAPPER = replace(TEMPLATE, file="chat_template.json", kind="wrapper", sha256="c" * 64)

ALONE: list[tuple[Files, Expected]] = [
    # flags
    ({OVERLAY: "[vllm]\nmax-model-length = 1\n"}, ("unknown-flag", OVERLAY, ("vllm", "max-model-length"))),
    ({OVERLAY: "[vllm]\nmax_model_len = 1\n"}, ("unknown-flag", OVERLAY, ("vllm", "max_model_len"))),
    ({OVERLAY: "[vllm]\ntp = 1\n"}, ("unknown-flag", OVERLAY, ("vllm", "tp"))),
    ({OVERLAY: "[vllm]\nno-enforce-eager = true\n"}, ("unknown-flag", OVERLAY, ("vllm", "no-enforce-eager"))),
    ({OVERLAY: "[vllm.nonsense.deep]\nx = 1\n"}, ("unknown-flag", OVERLAY, ("vllm", "nonsense"))),
    ({BASE: "[vllm]\nseed = '8'\n"}, ("bad-value", BASE, ("vllm", "seed"))),
    ({OVERLAY: "[vllm.seed]\nx = 1\n"}, ("bad-value", OVERLAY, ("vllm", "seed"))),
    ({OVERLAY: "[vllm]\ndtype = 'int3'\n"}, ("bad-choice", OVERLAY, ("vllm", "dtype"))),
    ({OVERLAY: "[vllm]\nport = 8000\n"}, ("reserved-flag", OVERLAY, ("vllm", "port"))),
    ({OVERLAY: "[vllm]\nserved_model_name = ['x']\n"}, ("reserved-flag", OVERLAY, ("vllm", "served_model_name"))),
    ({OVERLAY: "[vllm]\nconfig = '/etc/vllm.yaml'\n"}, ("reserved-flag", OVERLAY, ("vllm", "config"))),
    ({OVERLAY: "[vllm]\ntask = 'generate'\n"}, ("renamed-flag", OVERLAY, ("vllm", "task"))),
    ({PROFILE: PROFILE_TEXT + "[defaults.vllm]\nseed = '8'\n"}, ("bad-value", PROFILE, ("defaults", "vllm", "seed"))),
    (
        {PROFILE: PROFILE_TEXT + "[defaults.vllm.hf-overrides]\nx = 1\n[defaults.vllm.nonsense]\nx = 1\n"},
        ("unknown-flag", PROFILE, ("defaults", "vllm", "nonsense")),
    ),
    # engines
    ({OVERLAY: "engine = 'sglang'\n"}, ("unknown-engine", OVERLAY, ("engine",))),
    (
        {PROFILE: PROFILE_TEXT + '[engine.b]\nkind = "vllm"\nversion = "0.32.0"\nexecutable = "/b"\n'},
        ("engine-not-chosen", OVERLAY, ()),
    ),
    (
        profile('version = "0.33.0"', 'version = "0.99.9"'),
        ("engine-version-unknown", PROFILE, ("engine", "vllm", "version")),
    ),
    (profile('version = "0.33.0"', ""), ("missing-key", PROFILE, ("engine", "vllm"))),
    (profile('executable = "/opt/vllm/bin/vllm"', ""), ("missing-key", PROFILE, ("engine", "vllm"))),
    (profile(VLLM, VLLM + 'kind = "sglang"\n'), ("unknown-engine", PROFILE, ("engine", "vllm"))),
    (profile(VLLM, VLLM + f'kind = "{"x" * 5000}"\n'), ("unknown-engine", PROFILE, ("engine", "vllm"))),
    (profile("/opt/vllm/bin/vllm", "vllm"), ("unsafe-path", PROFILE, ("engine", "vllm", "executable"))),
    # external
    ({BASE: "engine = 'external'\nport = 1\n", OVERLAY: ""}, ("missing-key", BASE, ("engine",))),
    ({BASE: "[external]\nbackend = 'ollama'\nmodel = 'q'\n"}, ("misplaced-key", BASE, ("external",))),
    ({OVERLAY: EXTERNAL + "[vllm]\nseed = 1\n"}, ("misplaced-key", OVERLAY, ("vllm", "seed"))),
    ({OVERLAY: EXTERNAL.replace('"ollama"', '"Ollama"')}, ("bad-value", OVERLAY, ("external", "backend"))),
    # context
    ({OVERLAY: "[vllm]\nmax-model-len = 40961\n"}, ("context-too-long", OVERLAY, ("vllm", "max-model-len"))),
    # templates
    ({FACTS: facts(templates=(TEMPLATE, WRAPPER))}, ("template-conflict", OVERLAY, ())),
    ({OVERLAY: f"chat-template-sha256 = '{'a' * 64}'\n"}, ("template-stale", OVERLAY, ("chat-template-sha256",))),
    (
        {FACTS: facts(templates=(TEMPLATE,)), BASE: f"chat-template-sha256 = '{'0' * 64}'\n"},
        ("template-stale", BASE, ("chat-template-sha256",)),
    ),
    (
        {OVERLAY: "[vllm]\nchat-template = 'weights:Qwen/Qwen3-8B/chat_template.json'\n"},
        ("template-not-jinja", OVERLAY, ("vllm", "chat-template")),
    ),
    # policy
    ({OVERLAY: "[vllm]\ntrust-remote-code = true\n"}, ("remote-code", OVERLAY, ("vllm", "trust-remote-code"))),
    (profile('"127.0.0.1"', '"0.0.0.0"'), ("open-bind", PROFILE, ("serving", "bind"))),
    ({OVERLAY: "[env]\nHF_TOKEN = 'x'\n"}, ("secret-in-config", OVERLAY, ("env", "HF_TOKEN"))),
    ({OVERLAY: f"[vllm]\nrevision = 'hf_{'a' * 34}'\n"}, ("secret-in-config", OVERLAY, ("vllm", "revision"))),
    ({OVERLAY: "[vllm]\nhf-token = 'short'\n"}, ("secret-in-config", OVERLAY, ("vllm", "hf-token"))),
    ({OVERLAY: "[env]\n'A B' = 'x'\n"}, ("unsafe-name", OVERLAY, ("env", "A B"))),
    ({BASE: "name = 'a/b'\n"}, ("unsafe-name", BASE, ("name",))),
    ({BASE: "display-name = ' x'\n"}, ("unsafe-name", BASE, ("display-name",))),
    ({OVERLAY: f"served-name = '{'x' * 257}'\n"}, ("unsafe-name", OVERLAY, ("served-name",))),
    (
        {OVERLAY: "[vllm]\nchat-template = 'weights:../x.jinja'\n"},
        ("unsafe-path", OVERLAY, ("vllm", "chat-template")),
    ),
    ({OVERLAY: "[env]\nX = 'weight:a'\n"}, ("unknown-root", OVERLAY, ("env", "X"))),
    (profile('weights = "/srv/weights"', 'disks = "/srv"'), ("unknown-root", PROFILE, ("roots",))),
    ({FACTS: facts("../etc")}, ("unsafe-path", FACTS, ("location", "path"))),
    # profiles
    (profile("16376 MiB", "16376"), ("bad-value", PROFILE, ("gpu", "memory"))),
    (profile('"8.9"', '"sm_89"'), ("bad-value", PROFILE, ("gpu", "capability"))),
    (profile("24001-24010", "24010-24001"), ("bad-value", PROFILE, ("serving", "ports"))),
    (profile('bind = "127.0.0.1"', ""), ("missing-key", PROFILE, ("serving",))),
    (profile('ports = "24001-24010"', ""), ("missing-key", PROFILE, ("serving",))),
    (profile("/srv/weights", "srv"), ("unsafe-path", PROFILE, ("roots", "weights"))),
    (profile("/srv/weights", "/srv/../etc"), ("unsafe-path", PROFILE, ("roots", "weights"))),
    (profile("[roots]", '[roots]\n2tb = "/mnt"'), ("unsafe-name", PROFILE, ("roots", "2tb"))),
    (
        {PROFILE: 'requires-stowplan = ">=99"\n' + PROFILE_TEXT},
        ("requires-newer-stowplan", PROFILE, ("requires-stowplan",)),
    ),
    ({PROFILE: 'requires-stowplan = "soon"\n' + PROFILE_TEXT}, ("bad-value", PROFILE, ("requires-stowplan",))),
    # layers
    ({FACTS: None}, ("facts-missing", OVERLAY, ())),
    ({"models.d/qwen/rtz.toml": ""}, ("orphan-overlay", "models.d/qwen/rtz.toml", ())),
    ({OVERLAY: "status = 'stub'\n"}, ("stub-unedited", OVERLAY, ("status",))),
    ({BASE: "alias-of = 'nobody'\n"}, ("unknown-alias-target", BASE, ("alias-of",))),
    ({BASE: "alias-of = 'qwen'\n"}, ("unknown-alias-target", BASE, ("alias-of",))),
    # fleet
    (two({OTHER_BASE: "name = 'Q.W.E.N'\n"}), ("name-taken", OTHER_BASE, ("name",))),
    (two({OTHER_BASE: "aliases = ['ok', 'QWEN']\n"}), ("name-taken", OTHER_BASE, ("aliases", 1))),
    (two({OTHER: "served-name = 'qwen'\n"}), ("name-taken", OTHER, ("served-name",))),
    (two({OTHER_FACTS: facts()}), ("weights-shared", FACTS, ("location", "path"))),
    (two({PROFILE: TOGETHER, OTHER: "port = 24001\n"}), ("port-missing", OVERLAY, ())),
    (
        two({PROFILE: TOGETHER, OTHER: "port = 24001\n", OVERLAY: "port = 24001\n"}),
        ("port-taken", OVERLAY, ("port",)),
    ),
    ({OVERLAY: "port = 24011\n"}, ("port-outside-range", OVERLAY, ("port",))),
    ({OVERLAY: EXTERNAL.replace("11434", "65536")}, ("port-outside-range", OVERLAY, ("port",))),
    ({OVERLAY: EXTERNAL.replace("port = 11434", "")}, ("port-missing", OVERLAY, ())),
]


@pytest.mark.parametrize(("files", "expected"), ALONE, ids=[f"{i}-{e[0]}" for i, (_, e) in enumerate(ALONE)])
def test_one_fault_is_one_problem_at_its_place(files: Files, expected: Expected) -> None:
    assert brief(found(files)) == [expected]


def test_the_sound_project_is_sound() -> None:
    assert found({}) == []
    assert found(two({})) == []
    assert found({OVERLAY: EXTERNAL, FACTS: None}) == []


def test_a_size_beyond_all_numbers_is_no_size() -> None:
    problems = found(profile("16376 MiB", "9" * 400 + " GiB"))
    assert brief(problems) == [("bad-value", PROFILE, ("gpu", "memory"))]


# advice


def hint(files: Files) -> str:
    (problem,) = found(files)
    return problem.hint or ""


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("max-model-length = 1", "did you mean `max-model-len`?"),
        ("max_model_len = 1", "one name for each flag: write `max-model-len`"),
        ("no-enforce-eager = true", "one name for each flag: write `enforce-eager = false`"),
        ("no-enforce-eager = false", "one name for each flag: write `enforce-eager = true`"),
        ("tp = 1", "one name for each flag: write `tensor-parallel-size`"),
        ("xyzzy = 1", "`stowplan engine flags 0.33.0` lists what it takes"),
    ],
)
def test_an_unknown_flag_comes_with_advice(flag: str, expected: str) -> None:
    assert hint({OVERLAY: f"[vllm]\n{flag}\n"}) == expected


def test_two_spellings_of_one_flag_are_named_together() -> None:
    problems = [p for p in found({OVERLAY: "[vllm]\nseed = 1\n--seed = 2\n"}) if p.id == "duplicate-flag"]
    assert brief(problems) == [("duplicate-flag", OVERLAY, ("vllm", "--seed"))]
    assert [label.at for label in problems[0].also] == [Place(OVERLAY, ("vllm", "seed"), "key")]


def test_a_misspelled_root_is_guessed() -> None:
    assert hint({OVERLAY: "[env]\nX = 'weight:a/b'\n"}) == "did you mean `weights:a/b`?"


def test_a_stub_with_settings_would_be_left_out_quietly() -> None:
    problems = found({OVERLAY: "status = 'stub'\nport = 24001\n"})
    assert [(p.id, p.severity) for p in problems] == [("stub-with-settings", Severity.ERROR)]


# what is let through, on purpose


@pytest.mark.parametrize(
    "files",
    [
        {OVERLAY: "[vllm]\nmax-model-len = 40960\n"},
        {OVERLAY: "[vllm]\nmax-model-len = 99999\n[vllm.hf-overrides]\nrope_scaling = {}\n"},
        {OVERLAY: "[vllm]\nmax-model-len = 99999\n[env]\nVLLM_ALLOW_LONG_MAX_MODEL_LEN = '1'\n"},
        {PROFILE: 'allow = ["remote-code:qwen"]\n' + PROFILE_TEXT, OVERLAY: "[vllm]\ntrust-remote-code = true\n"},
        {PROFILE: 'allow = ["open-bind"]\n' + PROFILE_TEXT.replace("127.0.0.1", "0.0.0.0")},
        {PROFILE: PROFILE_TEXT.replace("127.0.0.1", "0.0.0.0") + 'pass-env = ["VLLM_API_KEY"]\n'},
        profile("127.0.0.1", "::1"),
        profile("127.0.0.1", "localhost"),
        {OVERLAY: "[env]\nHF_TOKEN = ''\n"},
        {OVERLAY: "[vllm]\nhf-token = true\n"},
        {OVERLAY: "[vllm]\nchat-template = 'https://example.org/x'\n"},
        {FACTS: facts(templates=(TEMPLATE, replace(WRAPPER, sha256=TEMPLATE.sha256)))},
        {FACTS: facts(templates=(TEMPLATE,)), OVERLAY: f"chat-template-sha256 = '{'a' * 64}'\n"},
        two({OTHER_FACTS: facts(), OTHER_BASE: "alias-of = 'qwen'\n"}),
        two({OTHER: "port = 24001\n", OVERLAY: "port = 24001\n"}),
        two({OTHER: "served-name = 'other'\n"}),
        two({OTHER: "enabled = false\nserved-name = 'qwen'\n"}),
        {OVERLAY: "served-name = 'Qwen/Qwen3-8B'\n"},
    ],
)
def test_what_is_meant_is_let_through(files: Files) -> None:
    assert found(files) == []


def test_an_empty_override_does_not_stretch_the_context() -> None:
    files: Files = {OVERLAY: "[vllm]\nmax-model-len = 99999\nhf-overrides = {}\n"}
    assert [p.id for p in found(files)] == ["context-too-long"]


# disabled subjects


@pytest.mark.parametrize(
    "files",
    [
        {OVERLAY: "enabled = false\n[vllm]\nnonsense = 1\n"},
        {OVERLAY: "enabled = false\nengine = 'sglang'\n"},
        {OVERLAY: "enabled = false\n[vllm]\nmax-model-len = 99999\n"},
        {OVERLAY: "enabled = false\n[vllm]\ntrust-remote-code = true\n"},
        {OVERLAY: "enabled = false\n", FACTS: None},
    ],
)
def test_what_is_wrong_with_a_disabled_subject_is_a_warning(files: Files) -> None:
    assert [p.severity for p in found(files)] == [Severity.WARNING]


def test_a_profile_without_models_is_checked_all_the_same() -> None:
    files: Files = {"profiles/empty.toml": "[engine.vllm]\nversion = '0.33.0'\n"}
    assert {p.id for p in found(files)} == {"missing-key"}


# places in another file than one would think


def test_what_a_child_inherits_is_placed_in_the_parent() -> None:
    files: Files = {**profile(VLLM, VLLM + 'kind = "sglang"\n'), CHILD: 'extends = "rtx"\n'}
    assert {(id_, file) for id_, file, _ in brief(found(files))} == {("unknown-engine", PROFILE)}


def test_every_place_names_a_file_of_the_project_or_a_folder_in_it() -> None:
    for files, _ in ALONE:
        given = sources(files)
        for problem in examined(given)[2]:
            for place in [problem.at, *(label.at for label in problem.also)]:
                assert place is not None
                assert place.file in given or any(file.startswith(place.file + "/") for file in given)


def test_no_message_shows_a_secret() -> None:
    secret = "hf_" + "s" * 34
    for problem in found({OVERLAY: f"[env]\nHF_TOKEN = '{secret}'\n[vllm]\nrevision = '{secret}'\n"}):
        assert secret not in f"{problem.message} {problem.hint}"


def test_the_order_of_the_sources_changes_no_problem() -> None:
    given = sources({**two({OTHER_BASE: "name = 'Q-W-E-N'\n[vllm]\nx = 1\n"}), CHILD: 'extends = "nothing"\n'})
    turned = dict(reversed(given.items()))
    assert has_errors(examined(given)[2])
    assert {p.id for p in examined(given)[2]} == {p.id for p in examined(turned)[2]}
