"""A parser made from a committed flag table, as vLLM makes its own (vllm/utils/argparse_utils.py)."""

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import stowplan.engines

TABLES = Path(stowplan.engines.__file__).parent / "vllm"
Convert = Callable[[str], Any]


def document(version: str) -> dict[str, Any]:
    """One committed table, as it is written."""
    return dict(json.loads((TABLES / f"{version}.json").read_text("utf-8")))


def parser(version: str) -> argparse.ArgumentParser:
    """The parser that a table describes."""
    table = document(version)
    made = argparse.ArgumentParser(prog="vllm serve", allow_abbrev=table["allow_abbrev"], exit_on_error=False)
    for name, entry in table["flags"].items():
        _add(made, name, entry)
    return made


def parsed(made: argparse.ArgumentParser, argv: list[str]) -> dict[str, Any]:
    """What an argument list means: only the options that are in it. Raises on what vLLM would stop at."""
    for argument in argv:
        option = argument.split("=", 1)[0]
        if option.startswith("-") and "." in option:
            raise AssertionError(f"vLLM takes {argument} for a dotted option, and the next argument for its value")
    found, rest = made.parse_known_args(argv)
    assert rest == [], rest
    return vars(found)


def _add(made: argparse.ArgumentParser, name: str, entry: dict[str, Any]) -> None:
    if entry.get("positional"):
        made.add_argument(name, nargs=entry["nargs"], default=argparse.SUPPRESS)
        return
    names = [name, *entry.get("aliases", ())]
    about: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS}
    kind = entry["type"].removesuffix("?")
    if entry.get("action") == "EnableDisableAction" and "neg" not in entry:  # 0.33: `--enable-x` beside `--disable-x`
        off = next(alias for alias in names if alias.startswith("--") and alias != name)
        made.add_argument(*[alias for alias in names if alias != off], action="store_true", **about)
        made.add_argument(off, action="store_false", **about)
        return
    if kind == "flag" or entry.get("neg"):
        made.add_argument(*names, action="store_true", **about)
        for off in entry.get("neg", ()):
            made.add_argument(off, action="store_false", **about)
        return
    about["type"] = _optional(CONVERT.get(kind, _json if kind.startswith("json") else str), entry["type"])
    if entry.get("action") == "AppendAction":
        about["action"] = "append"
    if "nargs" in entry:
        about["nargs"] = entry["nargs"]
    if "const" in entry:
        about["const"] = entry["const"]
    if "choices" in entry:
        about["choices"] = entry["choices"]
    made.add_argument(*names, **about)


def _optional(convert: Convert, kind: str) -> Convert:
    """`optional_type` of vllm/engine/arg_utils.py."""
    if not kind.endswith("?"):
        return convert
    return lambda text: None if text in ("", "None") else convert(text)


def _json(text: str) -> Any:
    return json.loads(text)


def _text_or_json(text: str) -> Any:
    """`union_dict_and_str` of vllm/engine/arg_utils.py."""
    return json.loads(text) if re.match(r"(?s)^\s*{.*}\s*$", text) else text


def _human(text: str) -> int:
    """`human_readable_int`; the forms with a unit never reach a command line of ours."""
    return int(text.strip())


def _human_or_auto(text: str) -> int:
    return -1 if text.strip() == "-1" or text.strip().lower() == "auto" else _human(text)


CONVERT: dict[str, Convert] = {
    "bool": bool,  # argparse's well-known trap: any word is true
    "int": int,
    "float": float,
    "str|json": _text_or_json,
    "human_readable_int": _human,
    "human_readable_int_or_auto": _human_or_auto,
}
