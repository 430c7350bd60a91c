"""Flags that need another, exclude another, or say what a key of an object says."""

from collections.abc import Callable, Iterator

from stowplan.stages.check.config.knowledge import holds, known
from stowplan.stages.check.config.view import Rule, View, rule
from stowplan.words.diagnostic import Diagnostic, error, warning

ENGINE = "vllm"


def _needs(flag: str, other: str, why: str) -> Callable[[View], Iterator[Diagnostic]]:
    def look(view: View) -> Iterator[Diagnostic]:
        if view.is_on(flag) and not view.is_on(other) and other in view.table.flags:
            also = [view.label(other)] if other in view.flags else []
            yield error("flag-missing", f"`{flag}` needs `{other}`: {why}", view.at(flag), also=also)

    return look


def _excludes(flag: str, other: str, why: str) -> Callable[[View], Iterator[Diagnostic]]:
    def look(view: View) -> Iterator[Diagnostic]:
        if view.is_on(flag) and view.is_on(other):
            message = f"`{flag}` and `{other}` cannot both be set: {why}"
            yield error("flags-conflict", message, view.at(flag), also=[view.label(other)], hint="keep one of them")

    return look


def _twice(flag: str, table: str, key: str, since: str | None) -> Callable[[View], Iterator[Diagnostic]]:
    def look(view: View) -> Iterator[Diagnostic]:
        if view.value(table, key) is not None and holds(view.table.version, since=since):
            message = f"`{flag}` and `{table}.{key}` say the same, and {view.version} takes only one of them"
            yield error("flags-conflict", message, view.at(flag), also=[view.label(table, key)], hint="keep one")

    return look


def _eager_flag(flag: str) -> Callable[[View], Iterator[Diagnostic]]:
    def look(view: View) -> Iterator[Diagnostic]:
        if view.is_on("enforce-eager"):
            message = f"`{flag}` has no effect: with `enforce-eager` there are no CUDA graphs"
            also = [view.label("enforce-eager")]
            yield warning("flag-ignored", message, view.at(flag, part="key"), also=also, hint="drop one of the two")

    return look


def _eager_table(view: View) -> Iterator[Diagnostic]:
    eager = view.known("eager")
    if view.is_on("enforce-eager"):
        for key in eager["keys"]:
            value = view.value(eager["table"], key)
            if value is not None and value not in eager["off"]:
                message = f"`{eager['table']}.{key}` has no effect: with `enforce-eager` there are no CUDA graphs"
                at = view.at(eager["table"], key, part="key")
                also = [view.label("enforce-eager")]
                yield warning("flag-ignored", message, at, also=also, hint="drop one of the two")


RULES: tuple[Rule, ...] = (
    *(rule(_needs(*pair), pair[0]) for pair in known(ENGINE, "needs")["pairs"]),
    *(rule(_excludes(*pair), *pair[:2]) for pair in known(ENGINE, "excludes")["pairs"]),
    *(
        rule(_twice(field["flag"], field["table"], field["key"], field.get("since")), field["flag"], field["table"])
        for field in known(ENGINE, "twice")["fields"]
    ),
    *(rule(_eager_flag(flag), "enforce-eager", flag) for flag in known(ENGINE, "eager")["flags"]),
    rule(_eager_table, "enforce-eager", known(ENGINE, "eager")["table"]),
)
