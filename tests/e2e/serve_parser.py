"""What the real parser of `vllm serve` makes of command lines. Runs in the engine's own environment.

    .venv-vllm/bin/python serve_parser.py < COMMAND_LINES > ANSWERS

In: a JSON array of command lines, each an array of strings that begins with `serve`. Out: a JSON array of
answers in the same order: `{"values": {flag: value}}` with all flags, dashes and all, or `{"error": text}`.
A configuration object that vLLM made of a JSON flag is written as a table of its fields.
"""

import argparse
import dataclasses
import enum
import io
import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

Answer = dict[str, Any]


def parser() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """The parser of `vllm`, and the one of its `serve`, as vllm/entrypoints/cli/main.py makes them."""
    from vllm.entrypoints.cli.serve import cmd_init
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    whole = FlexibleArgumentParser(prog="vllm")
    verbs = whole.add_subparsers(required=True, dest="subparser")
    (serve,) = (command.subparser_init(verbs) for command in cmd_init() if command.name == "serve")
    return whole, serve


def answer(whole: argparse.ArgumentParser, serve: argparse.ArgumentParser, argv: list[str]) -> Answer:
    """What one command line means."""
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint):
            found = whole.parse_args(argv)
    except SystemExit:
        return {"error": " ".join(complaint.getvalue().partition("error: ")[2].split())}
    except Exception as problem:  # vLLM's own conversions raise what they like
        return {"error": f"{type(problem).__name__}: {problem}"}
    values = vars(found)
    return {"values": {_name(action): plain(values[action.dest]) for action in serve._actions if action.dest in values}}


def _name(action: argparse.Action) -> str:
    return next((name for name in action.option_strings if name.startswith("--")), action.dest)


def plain(value: Any) -> Any:
    """A parsed value as JSON can write it."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name, None)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)


def main() -> None:
    """Answers on stdout, and nothing else there, whatever vLLM prints while it is imported."""
    with redirect_stdout(sys.stderr):
        whole, serve = parser()
        answers = [answer(whole, serve, argv) for argv in json.load(sys.stdin)]
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
