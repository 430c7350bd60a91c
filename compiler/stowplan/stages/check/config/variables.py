"""Environment variables of the engine that this version does not know.

vLLM reads its variables by name (vllm/envs.py), so one that is misspelt or gone does nothing.
"""

import difflib
from collections.abc import Iterator

from stowplan.engines.flags import flag_table, version_key, versions
from stowplan.engines.successors import gone_variable
from stowplan.nouns.flags import FlagTable
from stowplan.stages.check.config.view import View
from stowplan.stages.check.heirs import became, fix
from stowplan.words.diagnostic import Diagnostic, Place, error, warning
from stowplan.words.layered import Leaf

LIKELY = 0.75
"""How alike (difflib's ratio) a variable must be to be suggested."""


def check(view: View) -> Iterator[Diagnostic]:
    """Every variable under [env] that begins as the engine's do and is none of them."""
    variables, table = view.subject.settings.get("env"), view.table
    if not isinstance(variables, dict) or not table.variables or variables.keys() <= table.variables:
        return
    known = view.known("variables")
    prefix = known.get("prefix")
    if prefix is None:
        return
    for name, leaf in variables.items():
        if isinstance(leaf, Leaf) and name.startswith(prefix) and name not in table.variables:
            graded = error if view.is_on(known["refused_with"]) else warning
            at = Place(leaf.origin.file, leaf.origin.key, "key")
            if (heir := gone_variable(table.engine, name, table.version)) is not None:
                mend = fix(heir, leaf.value, at, table)
                yield graded("unknown-variable", became(name, heir, table), at, hint=heir.why, fix=mend)
                continue
            yield graded("unknown-variable", f"{view.version} knows no variable `{name}`", at, hint=_hint(name, table))


def _hint(name: str, table: FlagTable) -> str | None:
    here = version_key(table.version)
    tables = [(v, found) for v in versions(table.engine) if (found := flag_table(table.engine, v)) is not None]
    having = [v for v, found in tables if name in found.variables]
    older, newer = [[v for v in having if (version_key(v) < here) is is_older] for is_older in (True, False)]
    close = difflib.get_close_matches(name, table.variables, n=1, cutoff=LIKELY)
    hints = [f"{table.engine} had it up to {older[-1]}"] if older else []
    if newer and not older:
        hints.append(f"it came with {table.engine} {newer[0]}")
    if close:
        hints.append(f"did you mean `{close[0]}`?")
    return "; ".join(hints) or None
