"""`roles`: who takes which role."""

import click

from stowplan.cli.console import OK, say
from stowplan.cli.workspace import Workspace, format_option, pass_workspace, profile_option
from stowplan.read import roles


@click.command("roles")
@profile_option
@format_option("text", "json")
@pass_workspace
def roles_command(workspace: Workspace, profile: str | None, form: str) -> int:
    """Say which models take which role.

    In order of preference, as roles.json has them; then who is left out, and why.

    \b
    stowplan roles -p rtx-4080-16g
    """
    compiled = workspace.compiled(form)
    chosen = compiled.fleet.profiles[workspace.profile(profile, compiled)]
    entries = (compiled.entries or {}).get(chosen.name, ())
    found = roles.candidates(compiled.loaded, compiled.fleet.subjects, chosen, entries)
    say(roles.as_json(found) if form == "json" else roles.text(found))
    return OK
