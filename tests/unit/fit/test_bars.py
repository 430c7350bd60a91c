"""Sizes and bars as people read them."""

from hypothesis import given
from hypothesis import strategies as st

from stowplan.fit.bars import WIDTH, Bar, bars, gib, ranged
from stowplan.fit.span import Span

GIB = 1 << 30


def test_bars_are_plain_text_of_one_width() -> None:
    parts = [
        Bar("weights", Span.exact(int(6.5 * GIB))),
        Bar("KV cache", Span.exact(int(6.8 * GIB)), "128000 tokens x 56 KiB, 1 sequence"),
        Bar("other", Span(int(1.8 * GIB), int(2.2 * GIB), int(2.7 * GIB))),
    ]
    assert list(bars(parts)) == [
        "weights       6.5 GiB  ###############",
        "KV cache      6.8 GiB  ################  128000 tokens x 56 KiB, 1 sequence",
        "other     1.8-2.7 GiB  #####",
    ]


def test_small_sizes_are_not_nothing() -> None:
    assert [gib(size) for size in (0, 1 << 28, 1 << 30, 12 << 30)] == ["0.0", "0.25", "1.0", "12.0"]
    assert ranged(Span(GIB, GIB, GIB + 1)) == "1.0"


sizes = st.integers(0, 1 << 45)


@given(st.lists(st.tuples(sizes, sizes, sizes).map(lambda three: Span(*sorted(three))), max_size=6))
def test_every_part_that_is_something_has_a_bar(spans: list[Span]) -> None:
    lines = list(bars([Bar("part", span) for span in spans]))
    assert all(line.isascii() and line.isprintable() for line in lines)
    drawn = [line.count("#") for line in lines]
    assert [bool(count) for count in drawn] == [span.likely > 0 for span in spans]
    assert sum(drawn) <= WIDTH + len(spans)
