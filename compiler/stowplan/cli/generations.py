"""`generations` and `rollback`: what was published, and going back."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from stowplan.cli.console import OK, remark, say
from stowplan.cli.outcome import warn_of_missing_profile
from stowplan.cli.workspace import Workspace, complete_generation, format_option, pass_workspace
from stowplan.inputs import git
from stowplan.store.generations import current, history
from stowplan.store.lock import locked
from stowplan.store.pins import pins
from stowplan.store.publish import rollback

_NAMED = 3


@click.command("generations")
@format_option("text", "json")
@pass_workspace
def generations_command(workspace: Workspace, form: str) -> int:
    """List what was published.

    Number, time, digest, git commit, how many models, which launches changed, and pins; `*` marks the current one.

    \b
    stowplan generations
    stowplan generations --format json
    """
    now, past, named = current(workspace.build), history(workspace.build), pins(workspace.build)
    if form == "json":
        document = {"current": now, "pins": named, "generations": [asdict(row) for row in past]}
        say(json.dumps(document, indent=2, ensure_ascii=False))
        return OK
    if not past:
        say("nothing was published yet: `stowplan compile`")
    for row in past:
        if row.action == "rollback":
            say(f"{'':8}{row.time or '':20}  rolled back to {row.number}")
            continue
        mark = "*" if row.number == now else " "
        commit = (row.commit or "-")[:8] + ("+" if row.commit and row.commit.endswith("+") else "")
        what = _changes(row.changed) if row.action else "broken off"
        models = "" if row.models is None else f"{row.models} model{'' if row.models == 1 else 's'}"
        pinned = "".join(f", pinned: {name}" for name, number in named.items() if number == row.number)
        about = f"{row.number:>4}  {row.time or '':20}  {row.digest[:12]}  {commit:<9}"
        say(f"{mark} {about}  {models:<11}  {what}{pinned}")
    return OK


@click.command("rollback")
@click.argument("generation", type=int, required=False, shell_complete=complete_generation)
@pass_workspace
def rollback_command(workspace: Workspace, generation: int | None) -> int:
    """Go back to an earlier generation.

    The one before the current is taken, or the one that is named.

    A compile of unchanged inputs leaves it so; changed inputs publish a new generation.

    \b
    stowplan rollback
    stowplan rollback 41
    """
    project = workspace.project
    with locked(workspace.build, timeout=None, waiting=remark):
        number = rollback(workspace.build, generation, commit=git.head(project))
    say(f"current is generation {number}; servers that run something else go on until they are restarted")
    warn_of_missing_profile(workspace.build)
    return OK


def _changes(subjects: Sequence[str]) -> str:
    """Which launches changed, the first few by name."""
    if not subjects:
        return "no launch changed"
    more = f" and {len(subjects) - _NAMED} more" if len(subjects) > _NAMED else ""
    return f"{len(subjects)} launch{'' if len(subjects) == 1 else 'es'} changed: {', '.join(subjects[:_NAMED])}{more}"
