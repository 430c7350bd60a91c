"""Advisories are told where they matter, once, and not where someone accepted them."""

import pytest

from sources import BASE, FACTS, OVERLAY, PROFILE, PROFILE_TEXT, facts, merged
from stowplan.engines.advisories import affecting
from stowplan.engines.flags import versions
from stowplan.nouns.facts import Architecture, Weights
from stowplan.nouns.project import Subject
from stowplan.stages.check.advisories import check, check_engines
from stowplan.words.diagnostic import Diagnostic, Place, Severity

VERSION = Place(PROFILE, ("engine", "vllm", "version"))
TEXT = {"text": "config.json"}
VISION = {"text": "config.json", "vision": "config.json"}


def subject(version: str, overlay: str = "", *, allow: str = "", serving: str = "", **known: object) -> Subject:
    """The sound project's subject with `version` pinned and these facts of its model."""
    profile = allow + PROFILE_TEXT.replace("0.33.0", version) + serving
    assert version in profile
    return merged({PROFILE: profile, OVERLAY: overlay, BASE: "", FACTS: facts(**{"capabilities": TEXT, **known})})


def told(problems: list[Diagnostic], name: str) -> bool:
    """Whether the one problem there is speaks of `name`, were its list as long as it may be."""
    assert len(problems) < 2
    return any(name in problem.message for problem in problems)


def of(given: Subject) -> list[Diagnostic]:
    return list(check([given]))


def of_engines(given: Subject) -> list[Diagnostic]:
    return list(check_engines(given.profile))


def test_what_any_server_has_is_told_once_for_the_engine() -> None:
    (problem,) = of_engines(subject("0.11.0"))
    anywhere = [one for one in affecting("vllm", "0.11.0") if not one.needs]
    assert problem.severity is Severity.WARNING
    assert problem.at == VERSION
    assert f"vllm 0.11.0 has {len(anywhere)} known security advisories (" in problem.message
    assert all(one.id in problem.message for one in anywhere[:6])
    assert problem.message.endswith(f", and {len(anywhere) - 6} more")


def test_a_subject_that_has_nothing_of_it_is_told_nothing() -> None:
    assert of(subject("0.11.0")) == []


def test_a_version_without_advisories_is_told_nothing() -> None:
    newest = subject("0.33.0", "[vllm]\ntrust-remote-code = true\n", capabilities=VISION)
    assert affecting("vllm", "0.33.1") == ()
    assert of_engines(newest) == of(newest) == []


@pytest.mark.parametrize("version", ["latest", "0.33.1", "1.0.0"])
def test_a_version_nobody_knows_is_told_nothing(version: str) -> None:
    assert of_engines(subject(version, capabilities=VISION)) == of(subject(version, capabilities=VISION)) == []


def test_the_only_one_is_told_with_what_it_says_and_the_way_out() -> None:
    (problem,) = of(subject("0.32.0", capabilities=VISION))
    assert problem.message == (
        "vllm 0.32.0 has 1 known security advisory (1 high) that matters to `qwen/rtx` with vision: "
        "CVE-2026-130686 (One request may name any number of images, which are all fetched and decoded first)"
    )
    assert problem.hint == (
        "fixed in 0.33.0: `stowplan upgrade vllm 0.33.0`; to accept one, "
        f'add "advisory:CVE-2026-130686" to `allow` in {PROFILE}'
    )
    assert problem.at == VERSION
    assert problem.also == ()


MATTERS = [
    # flag: set to anything, to that, to more than that, to something that holds a word
    ("0.11.2", "[vllm]\nrevision = 'abc'\n", {}, "CVE-2026-47155", ("vllm", "revision")),
    ("0.23.0", "[vllm]\nenable-prompt-embeds = true\n", {}, "CVE-2026-55514", ("vllm", "enable-prompt-embeds")),
    ("0.20.0", "[vllm]\npipeline-parallel-size = 2\n", {}, "GHSA-v97p-wpxp-px84", ("vllm", "pipeline-parallel-size")),
    (
        "0.23.0",
        "[vllm.kv-transfer-config]\nkv_connector = 'P2pNcclConnector'\n",
        {},
        "CVE-2026-116176",
        ("vllm", "kv-transfer-config", "kv_connector"),
    ),
    (
        "0.23.0",
        """[vllm]\nkv-transfer-config = '{"kv_connector":"P2pNcclConnector"}'\n""",
        {},
        "CVE-2026-116176",
        ("vllm", "kv-transfer-config"),
    ),
    (
        "0.23.0",
        "[vllm.kv-transfer-config.kv_connector_extra_config]\nconnectors = [{kv_connector = 'P2pNcclConnector'}]\n",
        {},
        "CVE-2026-116176",
        ("vllm", "kv-transfer-config", "kv_connector_extra_config", "connectors"),
    ),
    # env
    ("0.21.0", "[env]\nPYTHONOPTIMIZE = '1'\n", {}, "CVE-2026-41523", ("env", "PYTHONOPTIMIZE")),
    # the model
    ("0.14.0", "", {"capabilities": VISION}, "CVE-2026-22778", None),
    ("0.27.0", "", {"capabilities": {"embedding": "x"}}, "CVE-2026-93592", None),
    ("0.30.0", "", {"architecture": Architecture(names=("MossAudioModel",))}, "CVE-2026-114052", None),
    ("0.23.0", "", {"weights": Weights(format="gguf", bytes=1, headers_sha256="b" * 64)}, "CVE-2026-53923", None),
    # a flag and the model
    (
        "0.30.0",
        "[vllm]\ntrust-remote-code = true\n",
        {"capabilities": VISION},
        "CVE-2026-114053",
        ("vllm", "trust-remote-code"),
    ),
]


@pytest.mark.parametrize(("version", "overlay", "known", "name", "setting"), MATTERS, ids=lambda value: str(value)[:40])
def test_it_is_told_where_it_matters(
    version: str, overlay: str, known: dict[str, object], name: str, setting: tuple[str, ...] | None
) -> None:
    given = subject(version, overlay, **known)
    assert told(of(given), name)
    assert not told(of_engines(given), name)
    (problem,) = of(given)
    assert problem.at == VERSION
    places = {label.at: label.text for label in problem.also}
    if setting is None:
        assert places == {}
    else:
        assert name in places[Place(OVERLAY, setting)]


ELSEWHERE = [
    ("0.11.2", "[vllm]\nmax-model-len = 4096\n", {}, "CVE-2026-47155"),
    ("0.11.2", "[vllm]\nrevision = false\n", {}, "CVE-2026-47155"),
    ("0.23.0", "[vllm]\nenable-prompt-embeds = false\n", {}, "CVE-2026-55514"),
    ("0.31.0", "[vllm]\nmm-processor-cache-type = 'lru'\n", {}, "CVE-2026-115912"),
    ("0.20.0", "[vllm]\npipeline-parallel-size = 1\n", {}, "GHSA-v97p-wpxp-px84"),
    ("0.20.0", "[vllm]\npipeline-parallel-size = '2'\n", {}, "GHSA-v97p-wpxp-px84"),
    ("0.20.0", "[vllm.pipeline-parallel-size]\nx = 'y'\n", {}, "GHSA-v97p-wpxp-px84"),
    ("0.21.0", "[env.PYTHONOPTIMIZE]\nx = '1'\n", {}, "CVE-2026-41523"),
    ("0.21.0", "vllm = 1\nenv = 1\n", {}, "CVE-2026-41523"),
    ("0.23.0", "[vllm.kv-transfer-config]\nkv_connector = 'MyP2pNcclConnector'\n", {}, "CVE-2026-116176"),
    ("0.23.0", "[vllm.kv-transfer-config]\nkv_connector = 'P2pNcclConnectorV2'\n", {}, "CVE-2026-116176"),
    ("0.21.0", "[env]\nPYTHONOPTIMIZE = '0'\n", {}, "CVE-2026-41523"),
    ("0.21.0", "[env]\nPYTHONOPTIMIZE = ''\n", {}, "CVE-2026-41523"),
    ("0.30.0", "", {"architecture": Architecture(names=("Qwen3ForCausalLM",))}, "CVE-2026-114052"),
    # one of the two it takes
    ("0.30.0", "[vllm]\ntrust-remote-code = true\n", {}, "CVE-2026-114053"),
    ("0.30.0", "[vllm]\ntrust-remote-code = false\n", {"capabilities": VISION}, "CVE-2026-114053"),
    ("0.30.0", "", {"capabilities": VISION}, "CVE-2026-114053"),
    # another program
    ("0.18.0", "", {"capabilities": VISION}, "CVE-2026-34753"),
    # fixed
    ("0.14.1", "", {"capabilities": VISION}, "CVE-2026-22778"),
]


@pytest.mark.parametrize(("version", "overlay", "known", "name"), ELSEWHERE, ids=lambda value: str(value)[:40])
def test_it_is_not_told_elsewhere(version: str, overlay: str, known: dict[str, object], name: str) -> None:
    others = [one.id for one in affecting("vllm", version) if one.id != name]
    given = subject(version, overlay, allow=_allow(*others), **known)
    assert of(given) == []
    assert not told(of_engines(given), name)


def test_a_key_that_servers_get_makes_its_advisories_matter_to_all() -> None:
    others = [one.id for one in affecting("vllm", "0.21.0") if one.id != "CVE-2026-48746"]
    without = subject("0.21.0", allow=_allow(*others))
    key = 'pass-env = ["VLLM_API_KEY"]\n'
    given = subject("0.21.0", allow=_allow(*others), serving=key, capabilities=VISION)
    assert of_engines(without) == []
    assert told(of_engines(given), "CVE-2026-48746")
    assert of(given) == []


@pytest.mark.parametrize("name", ["CVE-2026-130686", "GHSA-5r3c-5x4v-8gjh"])
def test_an_accepted_one_is_not_told(name: str) -> None:
    assert of(subject("0.32.0", capabilities=VISION, allow=_allow(name))) == []
    assert len(of(subject("0.32.0", capabilities=VISION, allow='allow = ["advisory:CVE-1", "open-bind"]\n'))) == 1


def test_accepting_one_leaves_the_others() -> None:
    (before,) = of_engines(subject("0.11.0"))
    (after,) = of_engines(subject("0.11.0", allow=_allow("CVE-2026-55574")))
    assert "CVE-2026-55574" in before.message
    assert "CVE-2026-55574" not in after.message


def test_the_way_out_is_a_version_that_has_a_table() -> None:
    others = [one.id for one in affecting("vllm", "0.14.0") if one.id != "CVE-2026-22778"]
    (problem,) = of(subject("0.14.0", capabilities=VISION, allow=_allow(*others)))
    assert problem.hint is not None
    target = problem.hint.removeprefix("fixed in 0.14.1: `stowplan upgrade vllm ").partition("`")[0]
    assert target in versions("vllm")
    assert not any(one.id == "CVE-2026-22778" for one in affecting("vllm", target))


def test_what_no_version_fixes_is_said_so() -> None:
    connector = "[vllm.kv-transfer-config]\nkv_connector = 'NixlConnector'\n"
    (problem,) = of(subject("0.29.0", connector))
    assert problem.hint is not None
    assert problem.hint.startswith(
        "fixed in 0.31.0 (no fix is named for CVE-2026-94622, CVE-2026-94623, CVE-2026-94626): `stowplan upgrade vllm"
    )
    (alone,) = of(subject("0.29.0", connector, allow=_allow("CVE-2026-116180")))
    assert alone.hint is not None
    assert alone.hint.startswith("no fix is named for them; to accept one, add ")


def test_every_engine_is_looked_at_and_each_subject_by_its_own() -> None:
    second = '[engine.old]\nkind = "vllm"\nversion = "0.11.0"\nexecutable = "/old/vllm"\n'
    given = subject("0.33.0", 'engine = "old"\n', serving=second, capabilities=VISION)
    assert [problem.at for problem in of_engines(given)] == [Place(PROFILE, ("engine", "old", "version"))]
    assert [problem.at for problem in of(given)] == [Place(PROFILE, ("engine", "old", "version"))]
    other = subject("0.33.0", 'engine = "vllm"\n', serving=second, capabilities=VISION)
    assert of(other) == []


def test_an_external_server_and_a_model_without_facts_are_told_nothing() -> None:
    external = 'engine = "external"\nport = 1\n[external]\nbackend = "ollama"\nmodel = "q"\n'
    assert of(subject("0.11.0", external, capabilities=VISION)) == []
    assert of(merged({FACTS: None})) == []


def _allow(*names: str) -> str:
    return "allow = [" + ", ".join(f'"advisory:{name}"' for name in names) + "]\n"


def test_subjects_of_one_engine_are_told_together() -> None:
    vision = subject("0.32.0", capabilities=VISION)
    (problem,) = check([vision, vision, subject("0.32.0")])
    assert "that matters to 2 models with vision: CVE-2026-130686" in problem.message
