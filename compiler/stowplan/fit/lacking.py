"""Numbers that memory follows from and that no config.json holds: a processor decides on them.

A caller that knows them hands them over; without them what depends on them is a range.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """What a caller knows beside the facts; None where it does not know: the tokens of the largest image
    (`encoder_item`), and how many patches of it make a token (`encoder_patches`)."""

    encoder_item: int | None = None
    encoder_patches: int | None = None


NOTHING_MORE = Lacking()
