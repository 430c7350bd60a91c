"""What is solved is what trying every value finds."""

from collections.abc import Callable
from dataclasses import replace

from fit_models import GIB, H100, MIB, RTX_4080, model, own
from hypothesis import given, settings
from hypothesis import strategies as st

from stowplan.fit.estimate import DOES_NOT_FIT, FITS, TIGHT, UNKNOWN
from stowplan.fit.settings import Settings
from stowplan.fit.solve import CTX, SEQS, UTILIZATION, grid, held, most_context, solve
from stowplan.fit.subject import Question
from stowplan.nouns.profile import Gpu

INCIDENT = Question(
    own("qwen2.5-vl-7b-instruct-awq"), Settings(gpu_memory_utilization=0.75, enforce_eager=True), RTX_4080, "0.11.0"
)


def small(
    memory: int,
    size: int = GIB,
    pattern: str = "ffff",
    context: int = 96,
    version: str = "0.32.0",
) -> Question:
    """A model so small in its context and blocks that every value can be tried, on a card of `memory` MiB."""
    facts = model(pattern, size, context, max_positions=context)
    asked = Settings(block_size=1, max_num_batched_tokens=64, enforce_eager=True)
    return Question(facts, asked, Gpu("a card", 1, memory * MIB, 100 * MIB, (8, 9)), version)


QUESTIONS = st.builds(
    small,
    memory=st.integers(1500, 12000),
    size=st.integers(GIB // 2, 3 * GIB),
    pattern=st.sampled_from(["ffff", "fsss", "ssss", "fccc", "eeee"]),
    context=st.integers(1, 96),
    version=st.sampled_from(["0.11.0", "0.17.1", "0.32.0"]),
)


def surely(question: Question, sequences: int = 1) -> bool:
    """Whether it fits, and that many requests of the whole context with it."""
    return held(question.answer(), sequences) == FITS


def tried(holds: Callable[[int], bool], most: int) -> int | None:
    """The greatest number up to `most` for which something holds."""
    return max(filter(holds, range(1, most + 1)), default=None)


@given(QUESTIONS, st.integers(1, 8))
@settings(max_examples=150, deadline=None)
def test_a_context_is_the_longest_of_all(question: Question, sequences: int) -> None:
    """Fails if halving begins one too low. Tried: `low + high + 1`."""
    best = tried(lambda n: surely(question.changed(max_model_len=n), sequences), most_context(question) or 0)
    found = solve(CTX, question, sequences)
    assert found.value == best
    assert (best is None) == bool(found.why)
    assert found.answer == found.question.answer()


@given(QUESTIONS)
@settings(max_examples=60, deadline=None)
def test_requests_are_the_most_of_all(question: Question) -> None:
    best = tried(lambda n: surely(question.changed(max_num_seqs=n), n), 64)
    found = solve(SEQS, question)
    if not question.answer().plan.empty:
        assert found.value == best
    else:
        assert found.value is None


@given(QUESTIONS, st.integers(1, 8))
@settings(max_examples=100, deadline=None)
def test_a_utilization_is_the_least_of_all(question: Question, sequences: int) -> None:
    shares = [n / 100 for n in range(1, 101)]
    fitting = [share for share in shares if surely(question.changed(gpu_memory_utilization=share), sequences)]
    assert solve(UTILIZATION, question, sequences).value == min(fitting, default=None)


def test_the_incident_is_solved_by_a_shorter_context() -> None:
    assert held(INCIDENT.answer(), 1) == DOES_NOT_FIT
    found = solve(CTX, INCIDENT)
    assert isinstance(found.value, int)
    assert 4096 < found.value < 128_000
    assert found.answer.verdict == FITS
    assert INCIDENT.changed(max_model_len=found.value + 16).answer().verdict == TIGHT
    assert found.value == INCIDENT.answer().longest, "check names the same length"


def test_many_requests_need_room_for_all_of_them() -> None:
    asked = INCIDENT.changed(max_model_len=4096)
    answer = asked.answer()
    low, _, high = answer.concurrent
    assert held(answer, int(low)) == FITS
    assert held(answer, int(low) + 1) == TIGHT
    assert held(answer, int(high) + 1) == DOES_NOT_FIT


def test_the_block_that_is_never_handed_out_holds_no_request() -> None:
    asked = small(12000).changed(max_model_len=10, gpu_memory_utilization=0.8)
    plan = asked.answer().plan
    assert plan.spare == 1
    enough = 3 * plan.blocks(10) + plan.spare
    assert held(asked.changed(num_gpu_blocks=enough).answer(), 3) == FITS
    assert held(asked.changed(num_gpu_blocks=enough - 1).answer(), 3) == DOES_NOT_FIT


def test_a_share_has_room_for_all_requests() -> None:
    asked = replace(INCIDENT, gpu=H100).changed(max_model_len=65536)
    for sequences in (1, 4, 12):
        shares = [n / 100 for n in range(1, 101)]
        fitting = [s for s in shares if surely(asked.changed(gpu_memory_utilization=s), sequences)]
        assert solve(UTILIZATION, asked, sequences).value == min(fitting)


def test_what_is_not_known_is_not_solved() -> None:
    asked = replace(INCIDENT, gpu=None)
    for what in (CTX, SEQS, UTILIZATION):
        found = solve(what, asked)
        assert found.value is None
        assert found.why == ("the profile has no GPU",)
    table = grid(asked)
    assert table is not None
    assert {verdict for row in table.rows for verdict in row} == {UNKNOWN}


def test_a_fixed_cache_has_no_utilization() -> None:
    found = solve(UTILIZATION, INCIDENT.changed(kv_cache_memory_bytes=GIB, max_model_len=4096))
    assert found.value is None
    assert "kv-cache-memory-bytes" in found.why[0]


def test_a_card_too_small_for_one_request_says_why() -> None:
    found = solve(CTX, replace(INCIDENT, gpu=Gpu("a card", 1, 4 * GIB, 0, (8, 9))))
    assert (found.value, found.why) == (None, ("even at the least it needs more than is granted",))


def test_the_grid_agrees_with_what_is_solved() -> None:
    found = grid(INCIDENT)
    assert found is not None
    assert found.contexts == (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 128_000)
    assert found.sequences[:4] == (1, 2, 4, 8)
    for row, length in zip(found.rows, found.contexts, strict=True):
        most = solve(SEQS, INCIDENT.changed(max_model_len=length)).value or 0
        assert [n for n, verdict in zip(found.sequences, row, strict=True) if verdict == FITS] == [
            n for n in found.sequences if n <= most
        ]


def test_a_grid_ends_where_nothing_fits() -> None:
    found = grid(replace(INCIDENT, gpu=Gpu("a card", 1, 4 * GIB, 0, (8, 9))))
    assert found is not None
    assert found.sequences == (1,)
    assert {verdict for row in found.rows for verdict in row} == {DOES_NOT_FIT}
