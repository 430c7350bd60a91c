"""The `stowplan` command: its verbs, and how it ends.

Exit codes: 0 fine, 1 problems found in the inputs, 2 usage or environment, 3 a difference found.
"""

import difflib
import importlib
import os
import sys
from pathlib import Path

import click

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
    "compile": "build",
    "check": "build",
    "show": "inspect",
    "explain": "inspect",
    "diff": "inspect",
    "roles": "roles",
    "generations": "generations",
    "rollback": "generations",
}
"""Verb → the module of this package that holds it, in the order of `--help`. A module is imported when needed."""
EXPECTED = (GitError, NoProjectError, ProfileNotChosenError, StoreError, UnknownSubjectError, UnreadableBuildError)
"""What is wrong with the surroundings or the question; each of these says what, and what to do."""
INTERRUPTED = 130


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
    try:
        code = cli.main(arguments, prog_name="stowplan", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.exceptions.NoArgsIsHelpError as question:
        remark(question.format_message())
        return USAGE
    except click.ClickException as problem:
        context = getattr(problem, "ctx", None)
        complain(problem.format_message(), f"`{context.command_path} --help` says what it takes" if context else None)
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        complain("interrupted; nothing is half done")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except EXPECTED as problem:
        complain(str(problem))
        return USAGE
    except OSError as problem:
        complain(f"{problem.strerror or problem}" + (f": `{problem.filename}`" if problem.filename else ""))
        return USAGE
    except Exception as bug:
        if os.environ.get("STOWPLAN_DEBUG"):
            raise
        hint = "this is a bug in Stowplan; set STOWPLAN_DEBUG=1 to see where, and report it"
        complain(f"{type(bug).__name__}: {bug}", hint)
        return USAGE
