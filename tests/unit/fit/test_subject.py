"""A subject as a question of memory: every layer counts, and a draft is the project's own model."""

from collections.abc import Mapping

import pytest

from sources import BASE, FACTS, OVERLAY, PROFILE, PROFILE_TEXT, examined, facts, sources
from stowplan.fit.subject import of, question
from stowplan.nouns.project import Subject

DRAFT = "models.d/draft/discovered.json"
EXTERNAL = 'engine = "external"\nport = 9\nexternal = {backend = "ollama", model = "x"}\n'


def merged(files: Mapping[str, str | bytes | None]) -> Subject:
    """The subject qwen/rtx."""
    fleet = examined(sources(files))[1]
    return next(subject for subject in fleet.subjects if subject.name == "qwen/rtx")


def test_every_layer_counts() -> None:
    profile = f"{PROFILE_TEXT}[defaults.vllm]\ngpu-memory-utilization = 0.5\n[defaults.env]\n"
    profile += 'VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS = "0"\n'
    overlay = "[vllm]\nmax-model-len = 4096\n"
    subject = merged({PROFILE: profile, BASE: "[vllm]\nmax-num-seqs = 7\n", OVERLAY: overlay})
    found = question(subject)
    assert found is not None
    assert (found.kind, found.version) == ("vllm", "0.33.0")
    assert found.settings.gpu_memory_utilization == 0.5
    assert found.settings.max_num_seqs == 7
    assert found.settings.max_model_len == 4096
    assert found.settings.graphs_counted is False
    assert found.gpu is subject.profile.gpu
    assert of(subject) == found.answer()
    assert found.changed(max_num_seqs=8).settings.max_num_seqs == 8


def test_a_corrected_fact_is_what_counts() -> None:
    subject = merged({BASE: '[correct]\nbecause = "measured"\ncontext.tokens = 1000\n', OVERLAY: ""})
    found = question(subject)
    assert found is not None
    assert found.answer().tokens == 1000


@pytest.mark.parametrize(
    "files",
    [
        {OVERLAY: EXTERNAL},
        {FACTS: None},
        {OVERLAY: 'engine = "other"\n'},
        {PROFILE: PROFILE_TEXT.replace("[engine.vllm]", '[engine.vllm]\nkind = "else"')},
    ],
    ids=["external", "no facts", "no engine", "an unknown kind"],
)
def test_there_may_be_nothing_to_ask(files: dict[str, str | bytes | None]) -> None:
    subject = merged(files)
    assert question(subject) is None
    assert of(subject) is None


@pytest.mark.parametrize(
    "flags",
    [
        'speculative-config = {model = "weights:draft/tiny", num_speculative_tokens = 3}',
        'speculative-config = {model = "/srv/weights/draft/tiny/", num-speculative-tokens = 3}',
        'spec-model = "weights:draft/tiny"\nspec-tokens = 3',
        'spec-model = "/srv/weights/draft/tiny"\nspeculative-config = {num_speculative_tokens = 3}',
    ],
)
@pytest.mark.parametrize("overlay", [None, "", "enabled = false\n"])
def test_a_draft_is_a_model_of_the_project(overlay: str | None, flags: str) -> None:
    """Fails if a flag of its own is not heard. Tried: without `_SHORT`; without roots resolved."""
    draft: dict[str, str | bytes | None] = {DRAFT: facts("draft/tiny")}
    if overlay is not None:
        draft["models.d/draft/rtx.toml"] = overlay
    subject = merged({OVERLAY: f"[vllm]\n{flags}\n", **draft})
    found = question(subject)
    assert found is not None
    assert found.settings.draft is not None
    assert found.settings.draft.location.path == "draft/tiny"
    assert found.settings.draft_tokens == 3
    assert found.settings.unknown == ()


def test_a_draft_from_elsewhere_is_not_known() -> None:
    flags = '[vllm]\nspeculative-config = {model = "org/draft", num_speculative_tokens = 3}\n'
    subject = merged({OVERLAY: flags})
    found = question(subject)
    assert found is not None
    assert found.settings.unknown == ("speculative-config.model",)
