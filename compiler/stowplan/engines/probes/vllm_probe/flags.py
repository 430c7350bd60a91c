"""The options of `vllm serve`, walked action by action."""

import argparse
import dataclasses
import enum
import json
import re
from collections.abc import Mapping, Sequence, Set
from typing import Any

from .configuration import Objects, bounds, dataclass_in
from .modules import Found, load, one_line
from .named import NAMED

WORDS = ("auto", "none")
"""What may stand in place of a name: 0.33 reads `--reasoning-parser none` as no parser."""


def serve_parser() -> argparse.ArgumentParser:
    """The parser of `vllm serve`, as vllm/entrypoints/cli/main.py makes it."""
    parser_class = load("vllm.utils.argparse_utils:FlexibleArgumentParser", "vllm.utils:FlexibleArgumentParser")
    commands = load("vllm.entrypoints.cli.serve:cmd_init")()
    verbs = parser_class(prog="vllm").add_subparsers(dest="subparser")
    (serve,) = (command.subparser_init(verbs) for command in commands if command.name == "serve")
    found: argparse.ArgumentParser = serve
    return found


def flags(parser: argparse.ArgumentParser, objects: "Objects") -> dict[str, Found]:
    """Every option by its long name; positional arguments by their own."""
    deprecated = set(map(id, getattr(parser, "_deprecated", ())))
    found = {}
    for group in parser._action_groups:
        for action in group._group_actions:
            if not isinstance(action, argparse._HelpAction):
                name, entry = flag(action, group.title or "", objects)
                if id(action) in deprecated or getattr(action, "deprecated", False):
                    entry["deprecated"] = True
                found[name] = entry
    return dict(sorted(found.items()))


def flag(action: argparse.Action, group: str, objects: "Objects") -> tuple[str, Found]:
    """One option: its long name, and what its parser and its config class say of it."""
    long = [option for option in action.option_strings if option.startswith("--")]
    name = (long or action.option_strings or [action.dest])[0]
    entry: Found = {"type": type_name(action), "default": plain(action.default), "group": group}
    negations = [option for option in long if option.startswith("--no-") and option != name]
    if aliases := [option for option in action.option_strings if option != name and option not in negations]:
        entry["aliases"] = aliases
    if negations:
        entry["neg"] = negations
    if action.choices is not None:
        entry["choices"] = [plain(choice) for choice in action.choices]
    elif isinstance(action.metavar, list | tuple):
        entry["suggest"] = [plain(choice) for choice in action.metavar]
    if action.nargs not in (None, 0):
        entry["nargs"] = action.nargs
    if action.const is not None and action.nargs == "?":
        entry["const"] = plain(action.const)
    if action.dest != name.lstrip("-").replace("-", "_"):
        entry["dest"] = action.dest
    if not action.option_strings:
        entry["positional"] = True
    kind = type(action).__name__.lstrip("_")
    if kind not in ("StoreAction", "StoreTrueAction", "BooleanOptionalAction"):
        entry["action"] = kind
    if words := one_line(action.help):
        entry["help"] = words
    entry.update(NAMED.get(name, {}))
    if "names" in entry and (others := special_words(action.type)):
        entry["suggest"] = [*entry.get("suggest", ()), *others]
    field = objects.field(group, action.dest)
    if field is not None:
        entry.update(bounds(field))
    if "json" in entry["type"]:
        held = object_of(action.type) or (dataclass_in(field.annotation) if field is not None else None)
        if held is not None:
            entry["object"] = objects.add(held)
    return name, entry


def type_name(action: argparse.Action) -> str:
    """What turns the option's text into a value, in one word: `int`, `json:PoolerConfig?`, `int|str` ..."""
    if isinstance(action, argparse.BooleanOptionalAction):
        return "bool"
    return "flag" if action.nargs == 0 else converter(action.type)


def converter(function: Any) -> str:
    if function is None:
        return "str"
    if function is json.loads:
        return "json"
    name: str = getattr(function, "__name__", repr(function))
    if name == "parse_dataclass":
        return f"json:{function.__defaults__[0].__name__}"
    if name == "union_dict_and_str":
        return "str|json"
    if name not in ("_parse_type", "_optional_type"):
        return name
    # vLLM's wrappers around converters; what they wrap is in their closure
    inner = [converter(cell.cell_contents).rstrip("?") for cell in function.__closure__ or ()]
    return "|".join(inner) + ("?" if name == "_optional_type" or _wraps_optional(function) else "")


def _wraps_optional(function: Any) -> bool:
    inner = [getattr(cell.cell_contents, "__name__", "") for cell in function.__closure__ or ()]
    return len(inner) == 1 and inner[0] in ("_parse_type", "_optional_type")


def special_words(function: Any) -> list[str]:
    """The words that a converter takes for something else than a name."""
    return [word for word in WORDS if callable(function) and function(word) != word]


def object_of(function: Any) -> type | None:
    """The configuration class that a converter makes of JSON, None if it makes none."""
    if getattr(function, "__name__", "") == "parse_dataclass":
        found: type = function.__defaults__[0]
        return found
    cells = (cell.cell_contents for cell in getattr(function, "__closure__", None) or ())
    return next(filter(None, (object_of(cell) for cell in cells if callable(cell))), None)


def plain(value: Any) -> Any:
    """A default or a choice as JSON can write it; an object as `{"$obj": its class}`."""
    if value is argparse.SUPPRESS:
        return {"$suppress": True}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, enum.Enum):
        return value.name
    if dataclasses.is_dataclass(value):
        return {"$obj": type(value).__name__}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Set):
        return [plain(item) for item in sorted(value, key=str)]
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    return {"$repr": re.sub(r" at 0x[0-9a-f]+", "", repr(value))[:120]}
