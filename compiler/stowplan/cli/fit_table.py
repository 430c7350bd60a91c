"""Tables of verdicts: contexts and requests, models and profiles, and what stands on a card together."""

from collections.abc import Iterator, Mapping, Sequence

from stowplan.fit.estimate import DOES_NOT_FIT, FITS, TIGHT, UNKNOWN
from stowplan.fit.solve import Grid

CELLS = {FITS: "fits", TIGHT: "tight", DOES_NOT_FIT: "no", UNKNOWN: "?"}


def grid_lines(grid: Grid) -> Iterator[str]:
    """Contexts down, requests of that length at once across; nothing where nothing is known."""
    verdicts = {verdict for row in grid.rows for verdict in row}
    if verdicts == {UNKNOWN}:
        return
    if verdicts == {DOES_NOT_FIT}:
        yield f"  so no context fits, from {grid.contexts[0]} to {grid.contexts[-1]} tokens"
        return
    yield "  max-model-len down, max-num-seqs across: whether that many requests of that length are held at once"
    head = ["", *map(str, grid.sequences)]
    rows = [[str(length), *(CELLS[v] for v in row)] for length, row in zip(grid.contexts, grid.rows, strict=True)]
    yield from (f"  {line}" for line in aligned([head, *rows], right=True))


def fleet_lines(cells: Mapping[tuple[str, str], str], profiles: Sequence[str]) -> Iterator[str]:
    """Models down, profiles across; `cells` by model and profile."""
    models = sorted({model for model, _ in cells})
    rows = [[model, *(cells.get((model, profile), "-") for profile in profiles)] for model in models]
    yield from aligned([["", *profiles], *rows])
    yield "the number is the longest context that surely fits; `-`: no overlay, `?`: not known"


def aligned(rows: Sequence[Sequence[str]], *, right: bool = False) -> Iterator[str]:
    """Rows of equal length as lines, in columns; the first row is the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:>{width}}" if right else f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
