"""The estimate against real starts of vLLM: as near as docs/memory.md says, and as the constants were fitted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median

import fit_memory
import pytest
from memory_points import Start
from published_models import MODELS, facts, weights

import accuracy
from accuracy import Judged
from stowplan.fit.estimate import DOES_NOT_FIT, FITS
from stowplan.fit.verdict import estimate

PAGE = Path(__file__).resolve().parents[2] / "docs/memory.md"

FAR_WEIGHTS = {("openai/gpt-oss-20b", 31), ("moonshotai/Kimi-VL-A3B-Instruct", 63)}
"""Points whose weights are more than 1 % off; docs/memory.md says why."""


@pytest.fixture(scope="module")
def found(starts: Sequence[Start]) -> list[Judged]:
    return accuracy.judged(starts)


@pytest.mark.parametrize("name", sorted(name for name, model in MODELS.items() if model.stated))
def test_shapes_give_what_the_checkpoints_index_states(name: str) -> None:
    model = MODELS[name]
    assert weights(model).bytes == pytest.approx(model.stated, rel=0.002)


def test_gpt_oss_is_as_its_headers_say() -> None:
    headers = json.loads((PAGE.parents[1] / "models.d/gpt-oss-20b/discovered.json").read_bytes())
    counted = facts(MODELS["openai/gpt-oss-20b"]).weights
    assert counted.groups["experts"] == headers["weights"]["groups"]["experts"]
    assert counted.bytes == pytest.approx(headers["weights"]["bytes"], rel=0.001)


def test_enough_points_can_be_estimated(starts: Sequence[Start], found: Sequence[Judged]) -> None:
    assert len(starts) >= 45
    assert len(accuracy.measured(found)) >= 35


def test_tokens_are_what_vllm_counts(starts: Sequence[Start]) -> None:
    pairs = [both for start in starts if (both := accuracy.tokens(start)) is not None]
    assert len(pairs) >= 35
    assert max(abs(ours / logged - 1) for ours, logged in pairs) <= 0.01


def test_weights_are_what_vllm_logs(starts: Sequence[Start]) -> None:
    pairs = accuracy.weights_off(starts)
    assert len(pairs) >= 45
    assert {(start.model, start.index) for start, off in pairs if abs(off) > 0.01} == FAR_WEIGHTS
    assert max(abs(off) for _, off in pairs) <= 0.02


def test_kv_memory_is_near_and_its_range_holds(found: Sequence[Judged]) -> None:
    comparable = accuracy.measured(found)
    assert mean(abs(one.error) for one in comparable) <= 0.05
    assert sum(one.inside for one in comparable) >= 0.9 * len(comparable)
    assert median(one.width for one in comparable) <= 0.15


def test_kv_memory_is_near_without_the_models_own_family(starts: Sequence[Start]) -> None:
    without = [one for part in accuracy.left_out(starts).values() for one in part]
    assert mean(abs(one.error) for one in without) <= 0.05
    assert sum(one.inside for one in without) >= 0.9 * len(without)


def test_what_started_is_not_called_too_large(found: Sequence[Judged]) -> None:
    started = [one for one in found if one.start.point["outcome"] == "started"]
    assert len(started) >= 40
    assert [one.start.model for one in started if one.estimate.verdict == DOES_NOT_FIT] == []


def test_what_failed_for_memory_is_not_called_fitting(found: Sequence[Judged]) -> None:
    failed = [one for one in found if accuracy.memory_failure(one.start)]
    assert len(failed) >= 4
    assert [one.start.model for one in failed if one.estimate.verdict == FITS] == []


def test_the_constants_are_what_the_points_give(starts: Sequence[Start]) -> None:
    document = json.loads(fit_memory.MEMORY.read_bytes())
    fitted = {**document, "eras": fit_memory.fitted(document, starts)}
    assert fit_memory.rendered(fitted) == fit_memory.MEMORY.read_text("utf-8"), "fit_memory.py POINTS --write"


def test_the_page_has_the_table(starts: Sequence[Start]) -> None:
    page = PAGE.read_text("utf-8")
    for part in (accuracy.table(starts), accuracy.weights_table(starts), accuracy.verdicts(starts)):
        assert part in page, "accuracy.py POINTS prints the tables of docs/memory.md"


def test_a_point_is_compared_with_itself(starts: Sequence[Start]) -> None:
    """What a comparison measures: an estimate with a gibibyte less is that much off."""
    start = next(s for s in starts if s.measured and s.point["outcome"] == "started")
    one = Judged(start, estimate(start.facts, start.settings, start.gpu, start.version))
    assert one.inside
    less = Start(
        **{**{n: getattr(start, n) for n in start.__dataclass_fields__}, "point": {**start.point, "kv_gib": 1.0}}
    )
    assert not Judged(less, one.estimate).inside
