"""plan: what consumers see of a subject, and what its launch says."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources import (
    BASE,
    FACTS,
    OVERLAY,
    PROFILE,
    PROFILE_TEXT,
    TEMPLATE,
    examined,
    facts,
    planned,
    sources,
    toml,
)
from stowplan.nouns.entry import Entry
from stowplan.nouns.facts import Weights
from stowplan.nouns.launch import Launch
from stowplan.stages.plan import plan
from stowplan.words.layered import Origin

Files = dict[str, str | bytes | None]

OTHER: Files = {"models.d/other/rtx.toml": "", "models.d/other/discovered.json": facts("Other/model")}
EXTERNAL = 'engine = "external"\nport = 11434\n[external]\nbackend = "ollama"\nmodel = "qwen3:8b"\n'


def only(files: Files) -> Entry:
    (entry,) = planned(files)
    return entry


def launch(files: Files) -> Launch:
    made = only(files).launch
    assert made is not None
    return made


# the command line


def test_a_command_line_is_the_program_the_address_and_the_flags_by_name() -> None:
    overlay = "port = 24002\nserved-name = 'q'\n[vllm]\nseed = 1\nenforce-eager = true\nmax-model-len = 4096\n"
    assert launch({OVERLAY: overlay}).argv == [
        *("/opt/vllm/bin/vllm", "serve", "/srv/weights/Qwen/Qwen3-8B"),
        *("--host", "127.0.0.1", "--port", "24002", "--served-model-name", "q"),
        "--enforce-eager",
        *("--gpu-memory-utilization", "0.92", "--max-model-len", "4096", "--seed", "1"),
    ]


def test_extra_args_are_what_is_left_without_the_reserved_part() -> None:
    made = launch({})
    assert made.extra_args == ["--gpu-memory-utilization", "0.92", "--max-model-len", "4096"]
    assert made.argv[-4:] == made.extra_args


def test_every_token_comes_from_somewhere() -> None:
    made = launch(
        {OVERLAY: "[vllm]\nseed = 1\n[vllm.hf-overrides]\na.b = 1\nc = 2\n", FACTS: facts(templates=(TEMPLATE,))}
    )
    assert all(token.origins for token in made.tokens)


def test_the_first_tokens_come_from_the_profile_and_the_facts() -> None:
    executable, _, model = launch({}).command
    assert [leaf.origin for leaf in executable.origins] == [Origin(PROFILE, ("engine", "vllm", "executable"))]
    assert [leaf.origin for leaf in model.origins] == [
        Origin(FACTS, ("location", "path")),
        Origin(PROFILE, ("roots", "weights")),
    ]


def test_a_table_becomes_json_made_from_all_its_leaves() -> None:
    files: Files = {BASE: "[vllm.hf-overrides]\nb = 1\n", OVERLAY: "[vllm.hf-overrides]\na = [true]\n"}
    (option,) = (option for option in launch(files).options if option[0].text == "--hf-overrides")
    assert option[1].text == '{"a":[true],"b":1}'
    assert {leaf.origin.file for leaf in option[1].origins} == {BASE, OVERLAY}


def test_a_served_name_that_begins_with_a_dash_is_joined_to_its_flag() -> None:
    assert "--served-model-name=-q" in launch({OVERLAY: "served-name = '-q'\n"}).argv


def test_an_engine_label_stands_for_its_kind_and_version() -> None:
    profile = PROFILE_TEXT + '[engine.newer]\nkind = "vllm"\nversion = "0.32.0"\nexecutable = "/opt/new/vllm"\n'
    entry = only({PROFILE: profile, OVERLAY: 'engine = "newer"\n'})
    assert entry.launch is not None
    assert (entry.backend, entry.launch.version, entry.launch.executable) == ("vllm", "0.32.0", "/opt/new/vllm")
    assert entry.launch.extra_args == ["--gpu-memory-utilization", "0.92"]


# paths below roots


def test_a_rooted_path_is_made_absolute_also_inside_json_and_env() -> None:
    text = """\
[vllm]
generation-config = "weights:Qwen/gen"
lora-modules = ["a=weights:x", { name = "b", path = "weights:lora/b" }]
enable-lora = true
[vllm.hf-overrides]
model = "weights:Qwen/draft"
nested = [{ x = "weights:a" }, "http://example.org", "other:x"]
[env]
CACHE = "weights:.cache"
"""
    made = launch({OVERLAY: text})
    values = {option[0].text: [token.text for token in option[1:]] for option in made.options}
    assert values["--generation-config"] == ["/srv/weights/Qwen/gen"]
    assert values["--lora-modules"] == ["a=weights:x", '{"name":"b","path":"/srv/weights/lora/b"}']
    assert values["--hf-overrides"] == [
        '{"model":"/srv/weights/Qwen/draft","nested":[{"x":"/srv/weights/a"},"http://example.org","other:x"]}'
    ]
    assert [(variable.name, variable.value) for variable in made.env] == [("CACHE", "/srv/weights/.cache")]


def test_another_hosts_profile_moves_the_weights_and_nothing_else() -> None:
    files: Files = {"profiles/host2.toml": 'extends = "rtx"\n[roots]\nweights = "/mnt/nas"\n'}
    here, there = planned(files)[0].launch, planned(files, "host2")[0].launch
    assert here is not None
    assert there is not None
    assert [token.replace("/srv/weights", "/mnt/nas") for token in here.argv] == there.argv


# names, ports, hosts


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ("qwen", "qwen", "qwen")),
        ({BASE: "name = 'Qwen_(AWQ)'\n"}, ("Qwen_(AWQ)", "Qwen_(AWQ)", "Qwen_(AWQ)")),
        ({BASE: "name = 'q'\ndisplay-name = 'Q 3'\nserved-name = 'org/q'\n"}, ("q", "Q 3", "org/q")),
        ({OVERLAY: EXTERNAL}, ("qwen", "qwen", "qwen3:8b")),
        ({OVERLAY: "served-name = 'mine'\n" + EXTERNAL}, ("qwen", "qwen", "mine")),
    ],
)
def test_names_that_were_not_written_follow_from_those_that_were(files: Files, expected: tuple[str, ...]) -> None:
    entry = only(files)
    assert (entry.name, entry.display_name, entry.served_name) == expected


def test_the_port_is_ones_own_or_the_first_of_the_profiles() -> None:
    assert only({}).port == 24001
    assert only({OVERLAY: "port = 24005\n"}).port == 24005


def test_one_at_a_time_all_share_the_first_port() -> None:
    assert [entry.port for entry in planned({**OTHER})] == [24001, 24001]


def test_together_each_has_its_own() -> None:
    profile = PROFILE_TEXT + 'mode = "together"\n'
    files: Files = {**OTHER, PROFILE: profile, OVERLAY: "port = 24002\n", "models.d/other/rtx.toml": "port = 24003\n"}
    assert [(entry.name, entry.port) for entry in planned(files)] == [("other", 24003), ("qwen", 24002)]


@pytest.mark.parametrize(
    ("serving", "host"),
    [
        ('bind = "127.0.0.1"', "127.0.0.1"),
        ('bind = "127.0.0.1"\nconnect = "host.docker.internal"', "host.docker.internal"),
        ('bind = "0.0.0.0"', "127.0.0.1"),
        ('bind = "::"', "127.0.0.1"),
        ('bind = "10.0.0.5"', "10.0.0.5"),
        ('bind = "0.0.0.0"\nconnect = "gpu.lan"', "gpu.lan"),
    ],
)
def test_consumers_are_sent_where_they_can_connect(serving: str, host: str) -> None:
    profile = 'allow = ["open-bind"]\n' + PROFILE_TEXT.replace('bind = "127.0.0.1"', serving)
    assert only({PROFILE: profile}).host == host
    assert only({PROFILE: profile, OVERLAY: EXTERNAL}).host == host
    assert only({PROFILE: profile, OVERLAY: EXTERNAL + 'host = "nas"\n'}).host == "nas"


def test_an_external_server_has_an_entry_and_no_launch() -> None:
    entry = only({OVERLAY: EXTERNAL + "[sampling]\ntemperature = 0.2\n", FACTS: None})
    assert entry.launch is None
    assert (entry.backend, entry.model_path, entry.port) == ("ollama", "qwen3:8b", 11434)
    assert entry.sampling == {"temperature": 0.2}


# what is in the build


@pytest.mark.parametrize("overlay", ["status = 'stub'\n", "enabled = false\n", "enabled = false\n[vllm]\nx = 1\n"])
def test_stubs_and_disabled_subjects_have_no_entry(overlay: str) -> None:
    assert planned({OVERLAY: overlay}) == ()


def test_a_profile_without_subjects_has_no_entries() -> None:
    assert planned({"profiles/empty.toml": PROFILE_TEXT}, "empty") == ()


# templates


def test_a_jinja_file_of_the_models_own_is_named() -> None:
    entry = only({FACTS: facts(templates=(TEMPLATE,))})
    path = "/srv/weights/Qwen/Qwen3-8B/chat_template.jinja"
    assert (entry.template.source, entry.template.path, entry.template.sha256) == ("external", path, TEMPLATE.sha256)
    assert entry.launch is not None
    assert ["--chat-template", path] == entry.launch.extra_args[:2]


def test_a_template_inside_the_tokenizer_is_left_to_the_engine() -> None:
    inside = replace(TEMPLATE, file="tokenizer_config.json", kind="tokenizer")
    entry = only({FACTS: facts(templates=(inside,))})
    assert (entry.template.source, entry.template.path, entry.template.sha256) == ("embedded", None, inside.sha256)
    assert entry.launch is not None
    assert "--chat-template" not in entry.launch.argv


def test_a_template_from_elsewhere_has_no_digest_of_the_models_own() -> None:
    """Even where the file is called the same."""
    files: Files = {
        FACTS: facts(templates=(TEMPLATE,)),
        OVERLAY: "[vllm]\nchat-template = 'weights:templates/chat_template.jinja'\n",
    }
    template = only(files).template
    assert (template.path, template.sha256) == ("/srv/weights/templates/chat_template.jinja", None)


def test_a_model_without_a_template_has_none() -> None:
    assert only({}).template.source == "none"


# the digest: what needs a restart


def digest(files: Files) -> str:
    return launch(files).digest


@pytest.mark.parametrize(
    "files",
    [
        {OVERLAY: "[vllm]\nmax-model-len = 4097\n"},
        {OVERLAY: "[vllm]\nmax-model-len = 4096\nseed = 0\n"},
        {OVERLAY: "port = 24002\n[vllm]\nmax-model-len = 4096\n"},
        {OVERLAY: "[vllm]\nmax-model-len = 4096\n[env]\nA = '1'\n"},
        {PROFILE: PROFILE_TEXT.replace("127.0.0.1", "::1")},
        {PROFILE: PROFILE_TEXT.replace("0.33.0", "0.19.1")},
        {PROFILE: PROFILE_TEXT.replace("/opt/vllm/", "/opt/vllm2/")},
        {PROFILE: PROFILE_TEXT.replace("/srv/weights", "/mnt/weights")},
        {PROFILE: PROFILE_TEXT + 'pass-env = ["HF_TOKEN"]\n'},
        {FACTS: facts(weights=Weights(format="safetensors", bytes=1000, headers_sha256="c" * 64))},
        {FACTS: facts(templates=(TEMPLATE,))},
        {BASE: "name = 'other name'\n"},
        {OVERLAY: "served-name = 'other'\n[vllm]\nmax-model-len = 4096\n"},
    ],
)
def test_what_needs_a_restart_changes_the_digest(files: Files) -> None:
    assert digest(files) != digest({})


@pytest.mark.parametrize(
    "files",
    [
        {BASE: "roles = { caption = 90 }\n"},
        {BASE: "display-name = 'Another'\n"},
        {BASE: "aliases = ['a', 'b']\n"},
        {BASE: "deprecated = true\n"},
        {BASE: "[sampling]\ntemperature = 0.1\n"},
        {BASE: "[vllm]\nmax-model-len = 1\n"},
        {BASE: "[correct]\nbecause = 'b'\nlicense = 'mit'\n"},
        {PROFILE: PROFILE_TEXT + 'connect = "host.docker.internal"\n'},
        {PROFILE: PROFILE_TEXT.replace("16376 MiB", "24 GiB")},
        {FACTS: facts(license="mit", family="qwen")},
        {**OTHER},
    ],
)
def test_what_needs_none_leaves_it(files: Files) -> None:
    made = next(entry.launch for entry in planned(files) if entry.name == "qwen")
    assert made is not None
    assert made.digest == digest({})


def test_a_changed_template_changes_it_though_no_argument_does() -> None:
    one, two = (facts(templates=(replace(TEMPLATE, sha256=letter * 64),)) for letter in "ac")
    assert launch({FACTS: one}).argv == launch({FACTS: two}).argv
    assert digest({FACTS: one}) != digest({FACTS: two})


# the order of things


OVERLAY_TABLE: dict[str, Any] = {
    "port": 24003,
    "roles": {"caption": 1, "keywords": 2},
    "vllm": {
        "seed": 1,
        "max-model-len": 4096,
        "hf-overrides": {"b": 1, "a": {"d": [1], "c": 2}},
        "middleware": ["b", "a"],
        "enforce-eager": True,
    },
    "sampling": {"top_p": 0.9, "temperature": 0.5},
    "env": {"B": "1", "A": "2"},
}
PROFILE_TABLE: dict[str, Any] = {
    "engine": {"vllm": {"version": "0.33.0", "executable": "/opt/vllm/bin/vllm"}},
    "roots": {"weights": "/srv/weights", "more": "/srv/more"},
    "serving": {"bind": "127.0.0.1", "ports": "24001-24010", "pass-env": ["B", "A"]},
    "defaults": {"vllm": {"block-size": 16, "max-num-seqs": 2}, "env": {"C": "3"}},
}


def shuffled(table: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    keys = data.draw(st.permutations(sorted(table)))
    return {k: shuffled(table[k], data) if isinstance(table[k], dict) else table[k] for k in keys}


def seen(entry: Entry) -> object:
    """All of an entry that could reach an output."""
    made = entry.launch
    return (
        replace(entry, subject=None, origins={}),  # type: ignore[arg-type]
        entry.origins,
        made and (made.argv, [token.origins for token in made.tokens], made.env, made.digest),
    )


@given(st.data())
def test_the_order_of_files_and_keys_changes_no_entry(data: st.DataObject) -> None:
    tables = {OVERLAY: OVERLAY_TABLE, PROFILE: PROFILE_TABLE}
    plainly = sources({**OTHER, **{file: toml(table) for file, table in tables.items()}})
    mixed = sources({**OTHER, **{file: toml(shuffled(table, data)) for file, table in tables.items()}})
    mixed = {file: mixed[file] for file in data.draw(st.permutations(sorted(mixed)))}
    ours, theirs = (plan(examined(given)[1])["rtx"] for given in (plainly, mixed))
    assert [entry.name for entry in ours] == ["other", "qwen"]
    assert list(map(seen, ours)) == list(map(seen, theirs))
