"""The data: cards, and what is known of each version, as the files hold them."""

import json

import pytest
from fit_models import GIB, MIB, REPOSITORY, RTX_4080, known

from stowplan.engines.flags import flag_table, version_key, versions
from stowplan.fit import cards
from stowplan.fit.cards import visible
from stowplan.fit.constants import FORMAT, constants, decoded, document, knows
from stowplan.fit.span import Factor, Span
from stowplan.nouns.profile import Gpu


def test_cards_are_found_however_they_are_written() -> None:
    names = ["NVIDIA GeForce RTX 4080", "RTX 4080", "rtx-4080", "geforce rtx 4080"]
    assert {found.name for name in names for found in cards.find(name)} == {"NVIDIA GeForce RTX 4080"}
    assert len(cards.find("a100")) == 2
    assert cards.find("GTX 970") == cards.find("") == ()


def test_a_card_is_a_profiles_gpu() -> None:
    (card,) = cards.find("RTX 4080")
    assert card.gpu(reserved=1500 * MIB) == RTX_4080


def test_every_card_says_where_it_is_from() -> None:
    table = cards.cards()
    assert len(table) >= 12
    for card in table.values():
        assert card.source
        assert 4 * GIB < card.memory < 300 * GIB
        assert card.seen is None or card.memory * 0.95 <= card.seen[0] <= card.seen[1] <= card.memory


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        (RTX_4080, Span(16_076 * MIB, 16_225 * MIB, 16_376 * MIB)),
        # what CUDA sees was written into the profile
        (Gpu("NVIDIA GeForce RTX 4080", 1, 16_200 * MIB, 0, (8, 9)), Span.exact(16_200 * MIB)),
        # of this one nobody looked, and of the last nobody heard
        (Gpu("NVIDIA L4", 1, 23_034 * MIB, 0, (8, 9)), None),
        (Gpu("Some card", 1, 23_034 * MIB, 0, None), None),
    ],
)
def test_what_cuda_sees_of_a_card(gpu: Gpu, expected: Span | None) -> None:
    found = visible(gpu, 0.03)
    if expected is not None:
        assert found == expected
    else:
        assert (found.low, found.high) == (int(23_034 * MIB * 0.97), 23_034 * MIB)


def test_memory_is_looked_at_for_every_version_that_has_a_table() -> None:
    known_versions = document("vllm")["looked-at"]
    assert document("vllm")["format"] == FORMAT
    assert tuple(known_versions) == versions("vllm")
    for version in known_versions:
        assert known(version).exact


def test_the_utilization_is_the_flags_own_default() -> None:
    for version in versions("vllm"):
        table = flag_table("vllm", version)
        assert table is not None
        assert known(version).utilization == table.flags["gpu-memory-utilization"].default


def test_every_rule_but_the_first_says_where_it_is_from() -> None:
    for name, rows in document("vllm")["rules"].items():
        assert [version_key(row["since"]) for row in rows] == sorted(version_key(row["since"]) for row in rows)
        assert any("source" in row for row in rows), name


def test_what_is_known_is_known_of_vllm_alone() -> None:
    assert knows("vllm")
    assert not knows("ollama")
    assert not knows("../vllm")


def test_an_unknown_version_has_every_era() -> None:
    eras = constants("vllm", None)
    assert [era.version for era in eras] == ["0.16.0", "0.19.1", "0.33.0"]
    assert len({era.sampler for era in eras}) == 2


def test_outside_of_what_was_looked_at_all_is_wider() -> None:
    inside, outside = (decoded(document("vllm"), version) for version in ("0.33.0", "0.34.0"))
    assert not outside.exact
    for family, spread in inside.spread.items():
        assert outside.spread[family].low < spread.low
        assert outside.spread[family].high > spread.high
    assert decoded(document("vllm"), "0.33.5").exact


def test_spans_add_up_and_are_taken_away() -> None:
    assert Span(1, 2, 3) + Span(10, 20, 30) == Span(11, 22, 33)
    assert Span(1, 2, 3).taken_from(10) == Span(7, 8, 9)
    assert Factor(0.5, 1, 2).times(100) == Span(50, 100, 200)


def test_the_file_is_one_row_a_line() -> None:
    lines = (REPOSITORY / "compiler/stowplan/engines/vllm/memory.json").read_text("utf-8").splitlines()
    assert max(len(line) for line in lines) <= 240
    assert json.loads("\n".join(lines)) == document("vllm")
