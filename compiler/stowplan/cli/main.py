"""The `stowplan` command: its verbs, and how it ends.

Exit codes: 0 fine, 1 problems found in the inputs, 2 usage or environment, 3 a difference found.
"""

import difflib
import importlib
import os
import sys
from pathlib import Path
from signal import SIGPIPE

import click
from click.shell_completion import shell_complete

from stowplan.cli.console import USAGE, complain, remark
from stowplan.cli.workspace import NoProjectError, Workspace
from stowplan.inputs.git import GitError
from stowplan.read.profile import ProfileNotChosenError
from stowplan.read.registry import UnreadableBuildError
from stowplan.read.subject import UnknownSubjectError
from stowplan.store.errors import StoreError
from stowplan.words.version import STOWPLAN

VERBS = {
    "init": "start",
    "discover": "start",
    "new": "start",
    "use": "machine",
    "completion": "machine",
    "engine": "engine",
    "upgrade": "upgrade",
    "compile": "build",
    "check": "build",
    "show": "inspect",
    "explain": "inspect",
    "diff": "inspect",
    "fit": "fit",
    "roles": "roles",
    "generations": "generations",
    "rollback": "generations",
    "verify": "store",
    "pin": "store",
    "unpin": "store",
    "gc": "store",
    "up": "serve",
    "down": "serve",
    "logs": "serve",
    "status": "serve",
}
"""Verb → the module of this package that holds it, in the order of `--help`. A module is imported when needed."""
EXPECTED = (GitError, NoProjectError, ProfileNotChosenError, StoreError, UnknownSubjectError, UnreadableBuildError)
"""What is wrong with the surroundings or the question; each of these says what, and what to do."""
COMPLETION = "_STOWPLAN_COMPLETE"
"""The variable by which a shell asks what may stand next; click's name for it."""
INTERRUPTED = 130
NOT_READ = 128 + SIGPIPE
"""Whoever read our output went away; a shell says the same of a program that this ends."""


class _Verbs(click.Group):
    """Knows every verb by name and imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in VERBS:
            return None
        module = importlib.import_module(f"stowplan.cli.{VERBS[name]}")
        command: click.Command = getattr(module, f"{name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        close = difflib.get_close_matches(args[0], VERBS, n=1)
        if args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(f"there is no verb `{args[0]}`" + (f"; did you mean `{close[0]}`?" if close else ""))
        return super().resolve_command(ctx, args)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-C", "folder", metavar="DIR", type=click.Path(path_type=Path), help="The project; else the one around.")
@click.version_option(STOWPLAN, message="stowplan %(version)s")
@click.pass_context
def cli(context: click.Context, folder: Path | None) -> None:
    """A declarative compiler for model serving.

    One small TOML file per model and GPU profile goes in; an immutable registry and launch scripts come out.

    \b
    stowplan discover                what the weights on disk really are
    stowplan compile                 check everything, build, publish
    stowplan explain MODEL           where every value comes from
    stowplan diff                    what a compile would change
    """
    context.obj = Workspace(folder)


def run(arguments: list[str] | None = None) -> int:
    """Run one command. Out: its exit code. Nothing escapes: a bug of ours is one line, too."""
    _fill_closed_streams()
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):  # Python flushes both when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return NOT_READ


def _fill_closed_streams() -> None:
    """Streams that the caller closed (`>&-`) lead nowhere: Python has None for them."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))


def _run(arguments: list[str] | None) -> int:
    try:  # what click's own `main` does, but for broken pipes, which it takes for failures
        if instruction := os.environ.get(COMPLETION):
            return shell_complete(cli, {}, "stowplan", COMPLETION, instruction)
        with cli.make_context("stowplan", list(sys.argv[1:] if arguments is None else arguments)) as context:
            code = cli.invoke(context)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.exceptions.NoArgsIsHelpError as question:
        remark(question.format_message())
        return USAGE
    except click.ClickException as problem:
        where = getattr(problem, "ctx", None)
        complain(problem.format_message(), f"`{where.command_path} --help` says what it takes" if where else None)
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        remark("")  # a terminal has written ^C
        complain("interrupted; nothing is half done")
        return INTERRUPTED
    except EXPECTED as problem:
        complain(str(problem))
        return USAGE
    except BrokenPipeError:
        raise
    except OSError as problem:
        complain(f"{problem.strerror or problem}" + (f": `{problem.filename}`" if problem.filename else ""))
        return USAGE
    except Exception as bug:
        if os.environ.get("STOWPLAN_DEBUG"):
            raise
        hint = "this is a bug in Stowplan; set STOWPLAN_DEBUG=1 to see where, and report it"
        complain(f"{type(bug).__name__}: {bug}", hint)
        return USAGE
