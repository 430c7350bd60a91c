"""What tomlkit takes a TOML text apart into, and where in that a key stands.

A body is a list of lines and sections, each with its key (comments and blank lines have none). A section
holds a body of its own; a table that is written in several places has several parts.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import tomlkit
from tomlkit.items import AoT, Item, Key, SingleKey, Table, Whitespace

from stowplan.words.keypath import KeyPath, format_key, format_keypath

Body = list[tuple[Key | None, Item]]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a key stands. `body[index]` is it, or the value it lies `inside`; `line` is that of the whole line,
    which is another where the key is dotted; `above` are the keys that the line leaves out."""

    body: Body
    index: int
    line: tuple[Body, int]
    above: KeyPath
    inside: KeyPath = ()

    @property
    def key(self) -> Key:
        """As it is spelled here."""
        key = self.body[self.index][0]
        assert key is not None
        return key

    @property
    def item(self) -> Item:
        """What stands here."""
        return self.body[self.index][1]


def spots_of(body: Body, path: KeyPath, above: KeyPath = (), line: tuple[Body, int] | None = None) -> Iterator[Spot]:
    """Every place where `path` stands: a table may be written in several."""
    for index, (key, item) in enumerate(body):
        if key is None or key.key != path[0]:
            continue
        whole = line or (body, index)
        if len(path) == 1:
            yield Spot(body, index, whole, above)
        elif isinstance(item, Table):
            dotted = key.is_dotted()
            yield from spots_of(
                item.value.body, path[1:], above if dotted else (*above, path[0]), whole if dotted else None
            )
        elif isinstance(item, AoT):
            if len(path) > 2 and isinstance(path[1], int):
                yield from spots_of(item.body[path[1]].value.body, path[2:], (*above, *path[:2]))
        else:
            yield Spot(body, index, whole, above, path[1:])


def is_section(spot: Spot) -> bool:
    """Whether it has a header of its own."""
    return isinstance(spot.item, Table) and not spot.item.is_super_table() and not spot.key.is_dotted()


def after_own_lines(body: Body) -> int:
    """Where another line of this section goes: after its last one, before sections below it."""
    lines = [i for i, (k, item) in enumerate(body) if k is not None and (k.is_dotted() or not has_header(item))]
    return lines[-1] + 1 if lines else 0


def after_line(body: Body, name: str) -> int:
    """Below the line of that key, if this section has one; else where another line goes."""
    lines = [i for i, (k, item) in enumerate(body) if k is not None and k.key == name and not has_header(item)]
    return lines[-1] + 1 if lines else after_own_lines(body)


def after_directives(body: Body) -> int:
    """Where the first line of a file goes: after what is said to editors (`#:schema ...`)."""
    index = 0
    while index < len(body) and body[index][1].as_string().startswith("#:"):
        index += 1
    return index


def end_of_section(body: Body) -> tuple[Body, int]:
    """Where what is said in `body` ends. Comments that follow after a blank line belong to what comes next."""
    index = next((i for i in range(len(body) - 1, -1, -1) if body[i][0] is not None), -1)
    if index >= 0:
        key, item = body[index]
        if isinstance(item, AoT):
            return end_of_section(item.body[-1].value.body)
        if isinstance(item, Table) and key is not None and not key.is_dotted():
            return end_of_section(item.value.body)
    blank = next((i for i in range(index + 1, len(body)) if _is_blank(body[i][1])), len(body) - 1)
    return body, blank + 1


def _is_blank(item: Item) -> bool:
    return isinstance(item, Whitespace) and "\n" in item.s


def call(item: Item, path: KeyPath) -> None:
    """Headers of a table that has moved to `path`, and of those below it, name that."""
    if isinstance(item, Table):
        item.display_name = format_keypath(path)
        for key, inner in item.value.body:
            if key is not None and not key.is_dotted():
                call(inner, (*path, key.key))


def has_header(item: Item) -> bool:
    """Whether it is a table, or a list of tables, that is not written in braces or brackets."""
    return isinstance(item, Table | AoT)


def key_called(old: Key, name: str) -> Key:
    """`old` under another name, the blanks around it kept."""
    if old.key == name:
        return old
    spelled = old.as_string()
    new = SingleKey(name, sep=old.sep, original=format_key(name) + spelled[len(spelled.rstrip()) :])
    new._dotted = old.is_dotted()
    return new


def line_with(old: Key, name: str, item: Item, text: str) -> tuple[Key, Item]:
    """A line with another key or value; its comment stays in its column if that can be."""
    key, new = key_called(old, name), tomlkit.value(text)
    trivia = item.trivia
    new.trivia.indent, new.trivia.trail, new.trivia.comment = trivia.indent, trivia.trail, trivia.comment
    new.trivia.comment_ws = blanks = trivia.comment_ws
    before, after = (
        k.as_string().split("\n")[-1] + v.split("\n")[-1] for k, v in ((old, item.as_string()), (key, text))
    )
    if trivia.comment and blanks == " " * len(blanks) and len(blanks) > 1:
        new.trivia.comment_ws = " " * max(2, len(blanks) + len(before) - len(after))
    return key, new
