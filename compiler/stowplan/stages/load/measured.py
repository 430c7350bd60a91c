"""`profiles/measured/<profile>.toml`: its form, held against by hand, since Stowplan alone writes it.

A file that is not whole says nothing: figures that lack their other half would mislead.
"""

from typing import Any

from stowplan.nouns.measured import (
    ACTIVATIONS,
    CACHE,
    FORMAT,
    NAMES,
    NON_TORCH,
    NUMBERS,
    OTHERS,
    ROWS,
    TERMS,
    WEIGHTS,
    Measured,
    Start,
)
from stowplan.nouns.profile import parse_size
from stowplan.stages.load.syntax import parse
from stowplan.stages.load.tidy import tidy
from stowplan.words.diagnostic import Diagnostic, Place, error
from stowplan.words.keypath import KeyPath, format_keypath
from stowplan.words.shown import shown

MOST = 1 << 24
"""MiB, and more than any card has; so many tokens of a batch there are not, either."""
_KEYS = {"format", "gpu", ROWS}
_ROW_KEYS = {*NAMES, "kv-tokens", "launch", "mib"}
_AGAIN = "make it anew with `stowplan fit --calibrate`, or remove it"


class _MisshapenError(ValueError):
    """What does not fit, and where."""

    def __init__(self, key: KeyPath, reason: str) -> None:
        super().__init__(reason)
        self.key = key


def measured(file: str, content: bytes, problems: list[Diagnostic]) -> Measured | None:
    """What the file holds. None, and a problem, where its form is another."""
    table = parse(file, content)
    if isinstance(table, Diagnostic):
        problems.append(table)
        return None
    form = table.get("format")
    if type(form) is int and form > FORMAT:
        message = f"format {form} is newer than this Stowplan reads (format {FORMAT})"
        problems.append(error("newer-format", message, Place(file, ("format",)), hint="install a newer Stowplan"))
        return None
    _, untidy = tidy(table, file)
    problems += untidy
    if untidy:
        return None
    try:
        return _measured(file, table)
    except _MisshapenError as problem:
        where = f"`{format_keypath(problem.key)}` " if problem.key else ""
        place = Place(file, problem.key)
        problems.append(error("measured-unreadable", f"{where}{problem}", place, hint=_AGAIN))
        return None


def _measured(file: str, table: dict[str, Any]) -> Measured:
    _only(table, _KEYS, ())
    if type(table.get("format")) is not int or table["format"] != FORMAT:
        raise _MisshapenError(("format",) if "format" in table else (), f"wants `format = {FORMAT}`")
    gpu = _table(table, "gpu", ())
    _only(gpu, {"name", "memory"}, ("gpu",))
    memory = None
    if "memory" in gpu and (memory := parse_size(_text(gpu, "memory", ("gpu",)))) is None:
        raise _MisshapenError(("gpu", "memory"), 'wants a size with its unit, as "16376 MiB"')
    rows = table.get(ROWS, [])
    if not isinstance(rows, list):
        raise _MisshapenError((ROWS,), f"wants tables `[[{ROWS}]]`, not {shown(rows)}")
    starts = tuple(_start(file, number, row) for number, row in enumerate(rows))
    return Measured(file, _text(gpu, "name", ("gpu",)), memory, starts)


def _start(file: str, number: int, row: Any) -> Start:
    at: KeyPath = (ROWS, number)
    if not isinstance(row, dict):
        raise _MisshapenError(at, f"wants a table, not {shown(row)}")
    _only(row, _ROW_KEYS, at)
    launch, mib = _table(row, "launch", at), _table(row, "mib", at)
    for flag in NUMBERS:
        _amount(launch, flag, (*at, "launch"), int)
    _only(mib, set(TERMS), (*at, "mib"))
    beside = (OTHERS,) if OTHERS in mib else (ACTIVATIONS, NON_TORCH)
    for term in sorted({*mib, WEIGHTS, CACHE, *beside}):
        _amount(mib, term, (*at, "mib"), float)
    tokens = _amount(row, "kv-tokens", at, int) if "kv-tokens" in row else None
    model, engine, kind, version = (_text(row, name, at) for name in NAMES)
    return Start(
        file=file,
        number=number,
        model=model,
        engine=engine,
        kind=kind,
        version=version,
        launch=launch,
        mib={term: float(value) for term, value in mib.items()},
        kv_tokens=None if tokens is None else int(tokens),
    )


def _only(table: dict[str, Any], known: set[str], at: KeyPath) -> None:
    for key in table:
        if key not in known:
            raise _MisshapenError((*at, key), f"is none of its keys, which are {', '.join(sorted(known))}")


def _table(table: dict[str, Any], key: str, at: KeyPath) -> dict[str, Any]:
    found = table.get(key)
    if not isinstance(found, dict):
        raise _MisshapenError((*at, key) if key in table else at, f"wants a table `{key}`, not {shown(found)}")
    return found


def _text(table: dict[str, Any], key: str, at: KeyPath) -> str:
    found = table.get(key)
    if not isinstance(found, str) or not found:
        raise _MisshapenError((*at, key) if key in table else at, f"wants a string `{key}`, not {shown(found)}")
    return found


def _amount(table: dict[str, Any], key: str, at: KeyPath, kind: type[int] | type[float]) -> float:
    """A number from 0 on; a count from 1."""
    found = table.get(key)
    is_count = kind is int
    fits = type(found) is int or (not is_count and type(found) is float)
    most = 1 << 40 if is_count else MOST
    if not fits or not is_count <= found <= most:  # type: ignore[operator]
        wanted = "a whole number from 1" if is_count else "a number of MiB from 0"
        raise _MisshapenError((*at, key) if key in table else at, f"wants {wanted} as `{key}`, not {shown(found)}")
    return found  # type: ignore[return-value]
