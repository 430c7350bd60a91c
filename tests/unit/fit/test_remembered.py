"""What is remembered is what would be worked out again."""

from dataclasses import replace
from typing import Any

import pytest

from sources import merged
from stowplan.fit import remembered, subject
from stowplan.fit.remembered import Memory

OVERLAY, FACTS = "models.d/qwen/rtx.toml", "models.d/qwen/discovered.json"
VARIANTS: list[dict[str, str]] = [
    {OVERLAY: "[vllm]\nmax-model-len = 4096\n"},
    {OVERLAY: "[vllm]\nmax-model-len = 8192\n"},
    {OVERLAY: "[vllm]\nmax-model-len = true\n"},
    {OVERLAY: "[vllm]\nmax-model-len = 1\n"},
    {OVERLAY: "[vllm]\nenforce-eager = true\n"},
    {OVERLAY: "[vllm]\nenforce-eager = 1\n"},
    {OVERLAY: "[vllm.limit-mm-per-prompt]\nimage = 1\n"},
    {OVERLAY: "[vllm.limit-mm-per-prompt]\nimage = 0\nvideo = 0\n"},
    {OVERLAY: '[env]\nVLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS = "1"\n'},
    {OVERLAY: '[env]\nVLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS = "0"\n'},
    {OVERLAY: '[vllm]\nspeculative-config = { method = "ngram", num_speculative_tokens = 3 }\n'},
    {OVERLAY: "[vllm]\nhf-overrides = { a = [1] }\n"},
]


@pytest.fixture(scope="module")
def subjects() -> list[Any]:
    return [merged(files) for files in VARIANTS]


def test_it_is_the_same_asked_twice_and_in_any_order(subjects: list[Any]) -> None:
    plain = [subject.of(one) for one in subjects]
    memory = Memory()
    assert [memory.of(one) for one in subjects] == plain
    assert [memory.of(one) for one in reversed(subjects)] == plain[::-1]
    assert memory.of(subjects[0]) is memory.of(subjects[0])


def test_it_forgets_rather_than_grow(subjects: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "LIMIT", 3)
    memory = Memory()
    assert [memory.of(one) for one in subjects] == [subject.of(one) for one in subjects]
    assert len(memory._models) <= 3
    alike = [replace(one, facts=subjects[0].facts) for one in subjects]
    assert [memory.of(one) for one in alike] == [subject.of(one) for one in alike]
    assert len(memory._found) <= 3
