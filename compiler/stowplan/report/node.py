"""What a scanner finds: the keys and values of a document, as a tree of extents in its text."""

from dataclasses import dataclass, field

Extent = tuple[int, int]
"""Where something stands in a text: offsets in characters, the end not included."""

MAX_DEPTH = 100
"""How deep scanners follow lists and tables inside each other; no file that loads goes deeper."""


@dataclass(slots=True)
class Node:
    """A table, list or scalar of a document.

    `key` is the key as written, its own part of a dotted one; None in a list. `value` is the value as
    written; for a table or list made by headers, its header with the brackets; None where nothing but
    keys below it made the table. `inside` holds what is below, by key or by position. `tables` counts
    the tables that `[[headers]]` put into a list.
    """

    key: Extent | None = None
    value: Extent | None = None
    inside: "dict[str | int, Node]" = field(default_factory=dict)
    tables: int = 0
