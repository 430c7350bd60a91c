"""From a place in an input file to its line and column.

A `Place` names a value by its key path; where that stands in the text is looked up only when someone
prints it. Columns count characters (code points) from 1; a byte order mark counts for nothing. Lines
end as TOML and JSON end them, with LF or CRLF; no other character ends one.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stowplan.report.node import Extent, Node
from stowplan.report.scan_json import scan_json
from stowplan.report.scan_toml import scan_toml
from stowplan.words.diagnostic import Place
from stowplan.words.layered import Origin

_SCANNERS: Mapping[str, Callable[[str], Node]] = {"toml": scan_toml, "json": scan_json}


@dataclass(frozen=True, slots=True)
class Spot:
    """A place, as far as it could be found.

    `line` and `column` are where it begins, `end_line` and `end_column` where it ends (that column is
    the first one after it); all four are None if only the file is known. `text` is the line where it
    begins, None if the file's content is not known or not to be shown.
    """

    file: str
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    text: str | None = None

    def __str__(self) -> str:
        """`file:line:column`, or the file alone."""
        return self.file if self.line is None else f"{self.file}:{self.line}:{self.column}"


class Locator:
    """Finds places in `sources` (content by path relative to the project). Reads a file once, if asked for it."""

    __slots__ = ("_documents", "_sources")

    def __init__(self, sources: Mapping[str, bytes]) -> None:
        self._sources = sources
        self._documents: dict[str, _Document | None] = {}

    def locate(self, place: Place) -> Spot:
        """Where `place` is. A key that is not in the file leads to the table that should hold it."""
        document = self._document(place.file)
        if place.line is not None:
            column = place.column or 1
            text = None if document is None else document.line(place.line)
            return Spot(place.file, place.line, column, place.line, column + 1, text)
        extent = None if document is None else document.extent(place)
        if document is None or extent is None:
            return Spot(place.file)
        (line, column), (end_line, end_column) = map(document.position, extent)
        text = None if place.hidden else document.line(line)
        return Spot(place.file, line, column, end_line, end_column, text)

    def where(self, origin: Origin) -> str:
        """`file:line` of the key an origin names; the file alone if that cannot be found."""
        spot = self.locate(Place(origin.file, origin.key, "key"))
        return spot.file if spot.line is None else f"{spot.file}:{spot.line}"

    def _document(self, file: str) -> "_Document | None":
        if file not in self._documents:
            content = self._sources.get(file)
            self._documents[file] = None if content is None else _Document(file, content)
        return self._documents[file]


class _Document:
    """One file: its text, where its lines begin, and (once a key is asked for) its tree."""

    __slots__ = ("_kind", "_starts", "_text", "_tree")

    def __init__(self, file: str, content: bytes) -> None:
        self._kind = file.rpartition(".")[2]
        self._text = content.decode("utf-8-sig", errors="replace")
        self._starts = [0]
        for line in self._text.split("\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._tree: Node | None = None

    def line(self, number: int) -> str | None:
        """A line without its end; None if the file has no such line."""
        if not 1 <= number < len(self._starts):
            return None
        return self._text[self._starts[number - 1] : self._starts[number] - 1].removesuffix("\r")

    def position(self, offset: int) -> tuple[int, int]:
        """The line and column of a character."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def extent(self, place: Place) -> Extent | None:
        """What `place` means, or the nearest table or list above it that has a place of its own."""
        if self._tree is None:
            scan = _SCANNERS.get(self._kind)
            self._tree = Node() if scan is None else scan(self._text)
        node, found = self._tree, None
        for part in place.key:
            if part not in node.inside:
                break
            node = node.inside[part]
            found = (node.key or node.value if place.part == "key" else node.value or node.key) or found
        return found
