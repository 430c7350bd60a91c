"""What differs between two builds: values, arguments, and what that asks of the servers."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from typing import Any, Literal, get_args

from stowplan.read.registry import Row, Rows

_ARGUMENTS = ("backend_config.argv", "backend_config.extra_args")
_DIGESTS = ("metadata.launch_digest",)
_ESTIMATE = "metadata.fit."
"""What follows from the rest; its verdict alone is told."""


Asked = Literal["restart", "stop", "start"]


@dataclass(frozen=True, slots=True)
class Value:
    """One value that differs: its path in the registry's entry, as JSON before and after, None where absent."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One subject that differs. `removed` and `added` are options of its command line.

    `server` is what its server must do to run as `after` says; None where nothing of ours starts one, and
    where the one that runs may go on.
    """

    subject: str
    name: str
    what: Literal["added", "removed", "changed"]
    server: Asked | None
    values: tuple[Value, ...] = ()
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


def diff(before: Rows, after: Rows) -> tuple[Change, ...]:
    """Every subject that is not the same in both, sorted."""
    one, other = _by_subject(before), _by_subject(after)
    return tuple(
        change
        for subject in sorted(one.keys() | other.keys())
        if (change := _change(subject, one.get(subject), other.get(subject))) is not None
    )


def text(changes: tuple[Change, ...]) -> str:
    """The changes for a person, one subject after the other, and a line that counts them."""
    blocks = ["\n".join(_block(change)) for change in changes]
    if not changes:
        return "no difference\n"
    count = f"{len(changes)} subject{'s' if len(changes) != 1 else ''} differ{'s' if len(changes) == 1 else ''}"
    asked = ", ".join(f"{len(subjects)} to {what}" for what, subjects in servers(changes).items() if subjects)
    return "\n\n".join([*blocks, f"{count}; {asked or 'no running server needs a restart'}"]) + "\n"


def as_json(changes: tuple[Change, ...]) -> str:
    """The changes for a program."""
    return json.dumps(document(changes), indent=2, ensure_ascii=False) + "\n"


def document(changes: tuple[Change, ...]) -> dict[str, Any]:
    """The changes, and which subjects' servers are to restart, to stop and to start."""
    return {"changes": [asdict(change) for change in changes], **servers(changes)}


def servers(changes: tuple[Change, ...]) -> dict[str, list[str]]:
    """What is asked of servers, and of whose."""
    return {asked: [change.subject for change in changes if change.server == asked] for asked in get_args(Asked)}


def _block(change: Change) -> Iterator[str]:
    asked = {None: "no restart", "restart": "needs a restart"}.get(change.server, f"to {change.server}")
    note = {"added": "new", "removed": "gone"}.get(change.what, asked)
    yield f"{change.subject}  {note}"
    yield from (f"  - {option}" for option in change.removed)
    yield from (f"  + {option}" for option in change.added)
    for value in change.values:
        yield f"  {value.path}: {value.before or '(absent)'} → {value.after or '(absent)'}"


def _by_subject(registries: Rows) -> dict[str, Row]:
    return {f"{row['metadata']['model']}/{profile}": row for profile, entries in registries.items() for row in entries}


def _change(subject: str, before: Row | None, after: Row | None) -> Change | None:
    if before == after:
        return None
    asked = _asked(_digest(before), _digest(after))
    if before is None or after is None:
        row = after if before is None else before
        assert row is not None
        return Change(subject, row["name"], "added" if before is None else "removed", asked)
    one, other = dict(_flat(before)), dict(_flat(after))
    paths = [path for path in sorted(one.keys() | other.keys()) if path not in (*_ARGUMENTS, *_DIGESTS)]
    paths = [path for path in paths if not path.startswith(_ESTIMATE) or path == f"{_ESTIMATE}verdict"]
    values = tuple(Value(path, one.get(path), other.get(path)) for path in paths if one.get(path) != other.get(path))
    removed, added = _arguments(_argv(before), _argv(after))
    return Change(subject, after["name"], "changed", asked, values, removed, added)


def _asked(before: str | None, after: str | None) -> Asked | None:
    """What the launch digests before and after ask of the server; None is that of no launch."""
    if before == after:
        return None
    if before is None:
        return "start"
    return "stop" if after is None else "restart"


def _arguments(before: list[str], after: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The options that went and came; an option is a flag with what follows it."""
    one, other = _options(before), _options(after)
    removed: list[str] = []
    added: list[str] = []
    for tag, i, j, k, m in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if tag != "equal":
            removed += one[i:j]
            added += other[k:m]
    return tuple(removed), tuple(added)


def _options(argv: list[str]) -> list[str]:
    options: list[str] = []
    for token in argv:
        if token.startswith("--") or not options or len(options) < 3:
            options.append(shlex.quote(token))
        else:
            options[-1] += f" {shlex.quote(token)}"
    return options


def _argv(row: Row) -> list[str]:
    config = row["backend_config"]
    return list(config.get("argv") or config["extra_args"])


def _digest(row: Row | None) -> str | None:
    found: str | None = None if row is None else row["metadata"].get("launch_digest")
    return found


def _flat(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Every value that is no table, with its dotted path, as JSON."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{at}.{key}" if at else str(key))
    else:
        yield at, json.dumps(value, ensure_ascii=False, sort_keys=True)
