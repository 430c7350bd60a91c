"""Where the keys and values of a TOML text stand (TOML 1.0.0).

tomllib says what a text means but not where; this says where, and leaves the meaning to tomllib. It
reads once from left to right, in linear time. Text that is no TOML ends the scan early: what was
found up to there is kept, nothing is raised.
"""

import re
from contextlib import suppress

from stowplan.report.node import MAX_DEPTH, Extent, Node
from stowplan.words.keypath import parse_keypath

_BASIC = r'"(?:[^"\\\n]++|\\[^\n])*+"'
_LITERAL = r"'[^'\n]*+'"
_KEY = rf"(?:[A-Za-z0-9_-]++|{_BASIC}|{_LITERAL})"
_DOTTED = rf"{_KEY}(?:[ \t]*+\.[ \t]*+{_KEY})*+"

_ONE_KEY = re.compile(_KEY)
_HEADER = re.compile(rf"(\[\[?)[ \t]*+({_DOTTED})[ \t]*+(\]\]?)")
_ASSIGN = re.compile(rf"({_DOTTED})[ \t]*+=[ \t]*+")
_GAP = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_SCALAR = re.compile(
    r'"""(?:[^"\\]++|\\.|"{1,2}(?!"))*+"""(?:"{0,2})'  # up to two quotes may stand before the closing three
    r"|'''(?:[^']++|'{1,2}(?!'))*+'''(?:'{0,2})"
    rf"|{_BASIC}|{_LITERAL}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9:.+Zz-]*+"  # a date and a time, a space between them
    r"""|[^ \t\r\n,=#"'\[\]{}]++""",
    re.DOTALL,
)


def scan_toml(text: str) -> Node:
    """The tree of `text`, as far as it is TOML. The root stands for the document: no key, no value."""
    scan = _Scan(text)
    with suppress(_MisreadError):
        scan.document()
    return scan.root


class _MisreadError(Exception):
    """This is no TOML; stay with what is known."""


class _Scan:
    """One pass over `text`; `at` is the next character to be read."""

    __slots__ = ("at", "root", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.root = Node()

    def document(self) -> None:
        table = self.root
        self._gap()
        while self.at < len(self.text):
            if self._next_is("["):
                table = self._header()
            else:
                self._pair(table, MAX_DEPTH)
            self._gap()

    def _header(self) -> Node:
        match = self._read(_HEADER)
        if len(match[1]) != len(match[3]):
            raise _MisreadError
        *above, (last, extent) = self._keys(match.span(2))
        table = self.root
        for part, where in above:
            table = table.inside.setdefault(part, Node(where))
            if table.tables:  # a header goes on in the newest of a list's tables
                table = table.inside[table.tables - 1]
        table = table.inside.setdefault(last, Node())
        if match[1] == "[[":
            if not table.tables:
                table.key, table.value = extent, match.span()
            table.inside[table.tables] = item = Node(extent, match.span())
            table.tables += 1
            return item
        table.key, table.value = extent, match.span()
        return table

    def _pair(self, table: Node, depth: int) -> None:
        match = self._read(_ASSIGN)
        for part, extent in self._keys(match.span(1)):
            table = table.inside.setdefault(part, Node(extent))
        self._value(table, depth)

    def _value(self, node: Node, depth: int) -> None:
        start = self.at
        if self._next_is("["):
            self._list(node, depth)
        elif self._next_is("{"):
            self._table(node, depth)
        else:
            self._read(_SCALAR)
        node.value = (start, self.at)

    def _list(self, node: Node, depth: int) -> None:
        self._open(depth)
        while not self._next_is("]"):
            node.inside[len(node.inside)] = item = Node()
            self._value(item, depth - 1)
            self._comma("]")
        self.at += 1

    def _table(self, node: Node, depth: int) -> None:
        self._open(depth)
        while not self._next_is("}"):
            self._pair(node, depth - 1)
            self._comma("}")
        self.at += 1

    def _open(self, depth: int) -> None:
        if not depth:
            raise _MisreadError
        self.at += 1
        self._gap()

    def _comma(self, closing: str) -> None:
        self._gap()
        if self._next_is(","):
            self.at += 1
            self._gap()
        elif not self._next_is(closing):
            raise _MisreadError

    def _keys(self, dotted: Extent) -> list[tuple[str, Extent]]:
        return [(self._key(match), match.span()) for match in _ONE_KEY.finditer(self.text, *dotted)]

    def _key(self, match: re.Match[str]) -> str:
        if match[0][0] not in "\"'":
            return match[0]
        try:
            return parse_keypath(match[0])[0]
        except ValueError:  # an escape that TOML does not know
            raise _MisreadError from None

    def _next_is(self, character: str) -> bool:
        return self.text.startswith(character, self.at)

    def _gap(self) -> None:
        match = _GAP.match(self.text, self.at)
        if match is not None:
            self.at = match.end()

    def _read(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise _MisreadError
        self.at = match.end()
        return match
