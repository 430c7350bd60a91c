"""Writing `profiles/measured/<profile>.toml`: as a whole, rows sorted, so that the same logs give the same bytes."""

from collections.abc import Iterable, Mapping
from typing import Any

from stowplan.edit.written import written
from stowplan.nouns.measured import FORMAT, NAMES, NUMBERS, ROWS, TERMS, Start
from stowplan.words.digest import canonical_json
from stowplan.words.keypath import format_key

_HEAD = """\
# What starts on this profile's card were seen to take: written by `stowplan fit --calibrate`, which keeps no comments.
# A row holds for its engine's version and this card; one that no longer does can go.
"""


def content(gpu: str, memory: int | None, starts: Iterable[Start]) -> bytes:
    """The file: the card's name and memory (bytes), and a row for each start."""
    card = {"name": gpu} if memory is None else {"memory": _size(memory), "name": gpu}
    parts = [f"{_HEAD}format = {FORMAT}\n", _table("[gpu]", card)]
    for start in sorted(starts, key=order):
        about: dict[str, Any] = {name: getattr(start, name) for name in NAMES}
        if start.kv_tokens is not None:
            about["kv-tokens"] = start.kv_tokens
        others = {name: value for name, value in sorted(start.launch.items()) if name not in NUMBERS}
        launch = {name: start.launch[name] for name in NUMBERS} | others
        terms = {name: start.mib[name] for name in TERMS if name in start.mib}
        parts += [_table(f"[[{ROWS}]]", about), _table(f"[{ROWS}.launch]", launch), _table(f"[{ROWS}.mib]", terms)]
    return "\n".join(parts).encode()


def order(start: Start) -> tuple[str, str, str, bytes]:
    """What rows are sorted by, and what no two of them have in common."""
    return start.model, start.engine, start.version, canonical_json(start.launch)


def _table(header: str, values: Mapping[str, Any]) -> str:
    lines = [f"{format_key(name)} = {written(value)}\n" for name, value in values.items()]
    return "".join([f"{header}\n", *lines])


def _size(memory: int) -> str:
    mib, rest = divmod(memory, 1 << 20)
    return f"{memory} B" if rest else f"{mib} MiB"
