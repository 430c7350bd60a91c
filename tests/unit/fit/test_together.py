"""Which launches stand on a card at once: as trying every set in every order finds."""

from itertools import combinations, permutations

from fit_models import GIB, H100, model
from hypothesis import given, settings
from hypothesis import strategies as st

from stowplan.fit.settings import Settings
from stowplan.fit.subject import Question
from stowplan.fit.together import Resident, maximal, order, resident

RESIDENTS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=6).map(
    lambda sizes: [Resident(f"m{n}", asks, takes) for n, (asks, takes) in enumerate(sizes)]
)


def starts(ordered: tuple[Resident, ...], room: int) -> bool:
    """Whether they all start, one after the other: each finds free what it asks for, and then holds what it takes."""
    taken = 0
    for one in ordered:
        if taken + one.asks > room or taken + one.takes > room:
            return False
        taken += one.takes
    return True


@given(RESIDENTS, st.integers(0, 24))
@settings(max_examples=400, deadline=None)
def test_the_sets_are_those_of_brute_force(residents: list[Resident], room: int) -> None:
    """Fails if the order is another. Tried: by name; by what is asked for."""
    fitting = {
        frozenset(chosen)
        for count in range(len(residents) + 1)
        for chosen in combinations(residents, count)
        if any(starts(ordered, room) for ordered in permutations(chosen))
    }
    expected = {chosen for chosen in fitting if not any(chosen < other for other in fitting)}
    found = list(maximal(residents, room))
    assert {frozenset(one) for one in found} == expected
    assert len(found) == len(expected), "none twice"
    assert all(starts(ordered, room) for ordered in found)


def test_who_gives_back_the_most_starts_first() -> None:
    language, vectors = Resident("language", 50, 50), Resident("vectors", 90, 10)
    assert order([language, vectors], 100) == (vectors, language)
    assert order([language, vectors, Resident("more", 41, 41)], 100) is None


def test_twenty_equal_models_are_listed_soon() -> None:
    residents = [Resident(f"m{n:02}", 30, 30) for n in range(20)]
    assert sum(1 for _ in maximal(residents, 100)) == 1140


def test_a_cache_fills_its_share_and_an_encoder_gives_it_back() -> None:
    asked = Question(model(), Settings(gpu_memory_utilization=0.5), H100, "0.19.1")
    language = resident("language", asked, asked.answer())
    assert language is not None
    assert H100.memory is not None
    half = H100.memory / 2
    assert half <= language.takes < half + 3 * GIB
    asked = Question(model("e" * 32, 2 * GIB, 512), Settings(gpu_memory_utilization=0.5, pooling=True), H100, "0.19.1")
    vectors = resident("vectors", asked, asked.answer())
    assert vectors is not None
    assert vectors.asks >= half
    assert 2 * GIB < vectors.takes < half / 2


def test_a_fixed_cache_is_what_it_takes_beside_the_rest() -> None:
    asked = Question(model(size=GIB), Settings(kv_cache_memory_bytes=8 * GIB), H100, "0.19.1")
    found = resident("fixed", asked, asked.answer())
    assert found is not None
    assert 9 * GIB < found.takes < 16 * GIB


def test_a_card_of_unknown_size_holds_nobody() -> None:
    asked = Question(model(), Settings(), None, "0.19.1")
    assert resident("nobody", asked, asked.answer()) is None
