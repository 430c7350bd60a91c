"""A TOML text in which keys are renamed, set, added and taken away, and nothing else changes by a byte.

tomlkit takes the text apart and puts it together again, and all edits are made on what it has in between
(`parts.py`). Its own way of setting keys cannot rename, and moves lines where a table is written in several
places.
"""

import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import tomlkit
from tomlkit.items import Table, Whitespace

from stowplan.edit.parts import (
    Body,
    Spot,
    after_directives,
    after_line,
    after_own_lines,
    call,
    end_of_section,
    has_header,
    is_section,
    key_called,
    line_with,
    spots_of,
)
from stowplan.edit.plain import at, put, renamed, without
from stowplan.edit.written import rewritten, same, written
from stowplan.words.keypath import KeyPath, format_key, format_keypath

_HERE = "\0\n"  # stands where new text goes, until that is put in; TOML knows no NUL


class NotInPlaceError(Exception):
    """This edit cannot be made without writing other lines anew."""


class Document:
    """The text, before and after each edit. Paths must be as each method says; they are not checked again."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def values(self) -> dict[str, Any]:
        """All values, plain."""
        return tomllib.loads(self.text)

    @property
    def is_kept(self) -> bool:
        """Whether tomlkit gives the text back as it was; after a date in braces it drops a blank (0.15)."""
        return tomlkit.dumps(tomlkit.parse(self.text)) == self.text

    def is_section(self, key: KeyPath) -> bool:
        """Whether `key` is a table with headers, its own or of tables below it."""
        spots = spots_of(tomlkit.parse(self.text).body, key)
        return any(has_header(spot.item) and not spot.key.is_dotted() and not spot.inside for spot in spots)

    def replace(self, key: KeyPath, path: KeyPath, value: Any) -> None:
        """The key at `key`, which is there, becomes `path` and holds `value`: in its place, with its comments.

        The table above `path` is the one above `key`, or `key` has a section. Raises NotInPlaceError.
        """
        document, spots = self._find(key)
        depth = len(key) - 1
        if any(has_header(spot.item) or spot.key.is_dotted() for spot in spots) and not spots[0].inside:
            self._replace_section(document, spots, key, path, value)
            return
        name, inner = path[depth], put({}, path[depth + 1 :], value)
        if spots[0].inside:
            self._within(document, spots[0], lambda plain, inside: renamed(plain, inside, name, inner))
            return
        spot = spots[0]
        spot.body[spot.index] = line_with(spot.key, str(name), spot.item, rewritten(spot.item, inner))
        self.text = tomlkit.dumps(document)

    def remove(self, key: KeyPath) -> str:
        """The key at `key`, which is there, goes, with its line or section. Out: the comment of that line.

        Raises NotInPlaceError.
        """
        document, spots = self._find(key)
        if spots[0].inside:
            self._within(document, spots[0], without)
            return ""
        comment = ""
        for spot in reversed(spots):
            comment = "" if has_header(spot.item) else spot.item.trivia.comment
            body, index = spot.line
            inner, start = end_of_section([body[index]])
            if all(name is None for name, _ in inner):
                start = 0  # nothing but comments; they are no part of what goes
            kept = "".join(item.as_string() for _, item in inner[start:])
            body[index] = (None, Whitespace(kept))  # a comment would make tomlkit write a header for the table above
        text, line_end = tomlkit.dumps(document), self._line_end
        while text.endswith(line_end * 2) and not self.text.endswith(line_end * 2):
            text = text.removesuffix(line_end)
        self.text = text
        return comment

    def add(self, path: KeyPath, value: Any, comment: str = "", beside: KeyPath = ()) -> None:
        """`path`, which is not there, is set to `value`; tables that it needs are made. Raises NotInPlaceError.

        It stands below `beside`, if that is a line of the same section, else at the end of its own.
        """
        values = self.values
        depth = next(n for n in range(len(path) - 1, -1, -1) if isinstance(at(values, path[:n]), Mapping))
        home, rest = path[:depth], path[depth:]
        document = tomlkit.parse(self.text)
        spots = list(spots_of(document.body, home)) if home else []
        if home and not spots:
            raise NotInPlaceError("it stands in a list of tables")
        if any(spot.inside or not isinstance(spot.item, Table) for spot in spots):
            self._within(document, spots[0], lambda plain, inside: put(plain, (*inside, *rest), value), comment)
            return
        table = next((s.item for s in spots if is_section(s)), None)
        dotted = [spot for spot in spots if spot.key.is_dotted()]
        if isinstance(table, Table):
            body = table.value.body
            self._mark(body, after_line(body, str(beside[-1])) if beside[:-1] == home else after_own_lines(body))
            self._put_line(document, rest, value, comment)
        elif dotted:
            body, index = dotted[-1].line
            self._mark(body, index + 1)
            line = path[len(dotted[-1].above) :]
            self._put_line(document, line, value, comment, dotted=len(line) - len(rest) + 1)
        elif not home and len(rest) == 1 and not isinstance(value, Mapping):
            start = after_own_lines(document.body)
            self._mark(document.body, start or after_directives(document.body))
            self._put_line(document, rest, value, comment, is_first=not start)
        elif len(rest) == 1 and not isinstance(value, Mapping):
            self._mark(*spots[0].line)
            self._put_section(document, home, {rest[0]: value}, comment)
        else:
            section, lines = (path, value) if isinstance(value, Mapping) else (path[:-1], {path[-1]: value})
            last = spots[-1].line[0][spots[-1].line[1]] if spots else None
            self._mark(*end_of_section(document.body if last is None else [last]))
            self._put_section(document, section, lines, comment)

    @property
    def _line_end(self) -> str:
        return "\r\n" if self.text.partition("\n")[0].endswith("\r") else "\n"

    def _find(self, key: KeyPath) -> tuple[tomlkit.TOMLDocument, list[Spot]]:
        document = tomlkit.parse(self.text)
        spots = list(spots_of(document.body, key))
        if not spots:
            raise NotInPlaceError("it stands in a list of tables")
        return document, spots

    def _within(
        self, document: tomlkit.TOMLDocument, spot: Spot, change: Callable[[Any, KeyPath], Any], comment: str = ""
    ) -> None:
        """Changes a value that braces or brackets hold; `comment` gets a line above it."""
        changed = change({"": spot.item.unwrap()}, ("", *spot.inside))[""]
        spot.body[spot.index] = line_with(spot.key, spot.key.key, spot.item, rewritten(spot.item, changed))
        if comment:
            body, index = spot.line
            body.insert(index, (None, Whitespace(comment + self._line_end)))
        self.text = tomlkit.dumps(document)

    def _mark(self, body: Body, index: int) -> None:
        body.insert(index, (None, Whitespace(_HERE)))

    def _replace_section(
        self, document: tomlkit.TOMLDocument, spots: list[Spot], key: KeyPath, path: KeyPath, value: Any
    ) -> None:
        """Moves a table that has lines of its own, and then changes those; else it is written anew in braces."""
        before, old = self.text, at(self.values, key)
        wanted = put(without(self.values, key), path, old)
        for spot in spots:
            spot.body[spot.index] = (key_called(spot.key, str(path[-1])), spot.item)
            if not spot.key.is_dotted():
                call(spot.item, path)
        self.text = tomlkit.dumps(document)
        with suppress(tomllib.TOMLDecodeError, NotInPlaceError):
            if isinstance(value, Mapping) and same(self.values, wanted):
                self._reconcile(path, old, value)
                if same(at(self.values, path), value):
                    return
        self.text = before
        self.remove(key)
        self.add(path, value)

    def _reconcile(self, path: KeyPath, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Makes the table at `path`, which is `old`, `new`. What only changed its name keeps its line."""
        came = [name for name in new if name not in old]
        for name, value in old.items():
            if name in new:
                if not same(value, new[name]):
                    self.replace((*path, name), (*path, name), new[name])
                continue
            heir = next((other for other in came if same(new[other], value)), None)
            if heir is None:
                self.remove((*path, name))
            else:
                came.remove(heir)
                self.replace((*path, name), (*path, heir), value)
        for name in came:
            self.add((*path, name), new[name])

    def _put_line(
        self,
        document: tomlkit.TOMLDocument,
        key: KeyPath,
        value: Any,
        comment: str,
        *,
        dotted: int = 1,
        is_first: bool = False,
    ) -> None:
        """A line in place of the mark. `dotted` parts of `key` are written so; what is deeper, in braces."""
        before, after = tomlkit.dumps(document).split(_HERE)
        if before and not before.endswith("\n"):
            before += self._line_end
        line = f"{format_keypath(key[:dotted])} = {written(put({}, key[dotted:], value))}"
        line += (f"  {comment}" if comment else "") + self._line_end
        if is_first and after.strip() and not after.startswith(("\n", "\r\n")):
            line += self._line_end
        self.text = before + line + after

    def _put_section(
        self, document: tomlkit.TOMLDocument, path: KeyPath, lines: Mapping[Any, Any], comment: str
    ) -> None:
        """A section in place of the mark, blank lines around it."""
        before, after = tomlkit.dumps(document).split(_HERE)
        end = self._line_end
        while before.strip() and not before.endswith(end * 2):
            before += end
        text = f"[{format_keypath(path)}]{end}"
        for key, value in lines.items():
            text += f"{format_key(key)} = {written(value)}" + (f"  {comment}" if comment else "") + end
        self.text = before + text + (end + after if after.strip() else after)
