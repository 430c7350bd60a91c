"""Amounts that are not known exactly: a least, a likely and a greatest value, in bytes."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Span:
    """From `low` to `high` bytes, most likely `likely`; `low <= likely <= high`."""

    low: int
    likely: int
    high: int

    @classmethod
    def exact(cls, value: int) -> Self:
        """What is known to the byte."""
        return cls(value, value, value)

    def __add__(self, other: "Span") -> "Span":
        return Span(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def taken_from(self, whole: int) -> "Span":
        """What is left of `whole` bytes; less than nothing where they do not suffice."""
        return Span(whole - self.high, whole - self.likely, whole - self.low)


NOTHING = Span(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Factor:
    """A constant that is not known exactly, without a unit."""

    low: float
    likely: float
    high: float

    def times(self, amount: float) -> Span:
        """That many times `amount` bytes."""
        return Span(int(self.low * amount), int(self.likely * amount), int(self.high * amount))


def union(spans: "list[Factor]") -> Factor:
    """What covers all of them; the likely value is the middle one."""
    middle = sorted(span.likely for span in spans)[len(spans) // 2]
    return Factor(min(span.low for span in spans), middle, max(span.high for span in spans))
