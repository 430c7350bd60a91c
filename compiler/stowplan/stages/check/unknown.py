"""A flag that the pinned version does not have: what became of it, or what was meant."""

import difflib
from typing import Any

from stowplan.engines.history import came_in, gone_in
from stowplan.engines.spelling import misfit
from stowplan.engines.successors import successor
from stowplan.nouns.flags import Flag, FlagTable
from stowplan.stages.check.heirs import became, fix
from stowplan.words.diagnostic import Diagnostic, Fix, Place, error
from stowplan.words.slip import is_slip

LIKELY = 0.75
"""How alike (difflib's ratio) a flag must be to be suggested."""


def unknown(name: str, value: Any, table: FlagTable, at: Place) -> Diagnostic:
    """What to say of key `name`, which holds `value` at `at` and is no flag of `table`."""
    canonical = table.canonical(name)
    if canonical is not None:
        return _spelled_otherwise(name, canonical, value, table, at)
    dashed = name.lstrip("-").replace("_", "-")
    pinned = f"the profile pins {table.pinned}"
    gone = gone_in(table.engine, dashed, table.version)
    heir = successor(table.engine, dashed, table.version)
    if gone is not None and heir is not None:
        kind = "removed-flag" if heir.to is None else "renamed-flag"
        return error(kind, became(name, heir, table), at, hint=heir.why, fix=fix(heir, value, at, table))
    if gone is not None:
        message = f"`{name}` was removed in {table.engine} {gone}; {pinned}"
        return error("removed-flag", message, at)
    came = came_in(table.engine, dashed, table.version)
    close = difflib.get_close_matches(dashed, table.flags, n=2, cutoff=LIKELY)
    if came is not None:
        message = f"`{name}` came with {table.engine} {came}; {pinned}"
        hint = f"did you mean `{close[0]}`?" if close else f"pin {came} or newer, or leave it out"
        return error("unknown-flag", message, at, hint=hint)
    message = f"`{name}` is not a flag of `{table.engine} serve` {table.version}"
    if not close:
        hint = f"`stowplan engine flags {table.version}` lists what it takes"
        return error("unknown-flag", message, at, hint=hint)
    meant = table.flags[close[0]]
    is_sure = len(close) == 1 and is_slip(dashed, meant.name) and misfit(meant, value) is None
    hint = f"did you mean `{meant.name}`?"
    return error("unknown-flag", message, at, hint=hint, fix=_renamed(meant, value, at) if is_sure else None)


def _spelled_otherwise(name: str, canonical: str, value: Any, table: FlagTable, at: Place) -> Diagnostic:
    """The flag is there, under one name: an alias, a negation or underscores are no second one."""
    flag = table.flags[canonical]
    message = f"`{name}` is not a flag of `{table.engine} serve` {table.version}"
    if table.negates(name):
        if not isinstance(value, bool):
            hint = f"one name for each flag: write `{canonical}`, with the opposite value"
            return error("unknown-flag", message, at, hint=hint)
        value = not value
        hint = f"one name for each flag: write `{canonical} = {str(value).lower()}`"
    else:
        hint = f"one name for each flag: write `{canonical}`"
    return error("unknown-flag", message, at, hint=hint, fix=_renamed(flag, value, at))


def _renamed(flag: Flag, value: Any, at: Place) -> Fix:
    """The key under the flag's own name."""
    return Fix(at.file, at.key, (((*at.key[:-1], flag.name), value),))
