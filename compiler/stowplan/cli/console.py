"""What the command line prints: answers on stdout, everything else on stderr."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from stowplan.cli.colour import is_coloured
from stowplan.report import render
from stowplan.words.diagnostic import Diagnostic

OK, PROBLEMS, USAGE, DIFFERENCE = 0, 1, 2, 3
"""Exit codes: fine; problems found in the inputs; usage or environment; a difference found."""


def say(text: str) -> None:
    """An answer, on stdout."""
    click.echo(text.removesuffix("\n"))


def remark(text: str) -> None:
    """A word beside the answer, on stderr."""
    click.echo(text.removesuffix("\n"), err=True)


def complain(message: str, hint: str | None = None) -> None:
    """What went wrong where no file is to blame."""
    remark(f"error: {message}" + (f"\n  = help: {hint}" if hint else ""))


def here(path: Path) -> Path:
    """`path` as it is written here: from the working directory where it lies below that."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def show(diagnostics: Sequence[Diagnostic], sources: Mapping[str, bytes], form: str) -> None:
    """Diagnostics in a form: text on stderr, what programs read on stdout; nothing where they read nothing."""
    if form != "text":
        if text := render(form, diagnostics, sources):
            say(text)
    elif diagnostics:
        remark(render(form, diagnostics, sources, coloured=is_coloured(sys.stderr.isatty())) + "\n")


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A line that rewrites itself on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return

    def rewrite(text: str) -> None:
        width = os.get_terminal_size(sys.stderr.fileno()).columns
        sys.stderr.write(f"\r\x1b[2K{text[: width - 1]}")
        sys.stderr.flush()

    try:
        yield rewrite
    finally:
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()
