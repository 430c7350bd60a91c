"""`use` and `completion`: what this machine and this shell are."""

import click
from click.shell_completion import get_completion_class

from stowplan.cli.console import OK, here, remark, say
from stowplan.cli.workspace import Workspace, complete_profile, pass_workspace
from stowplan.read.profile import ProfileNotChosenError
from stowplan.read.registry import manifest
from stowplan.store.lock import locked
from stowplan.store.publish import use


@click.command("use")
@click.argument("profile", shell_complete=complete_profile)
@pass_workspace
def use_command(workspace: Workspace, profile: str) -> int:
    """Say which profile this machine has.

    Consumers follow build/active, which then leads to that profile's outputs. It is this machine's choice,
    part of no build.

    \b
    stowplan use rtx-4080-16g
    """
    built = manifest(workspace.build / "current").get("profiles", {})
    if profile not in built:
        raise ProfileNotChosenError(
            f"the build has no profile `{profile}`; it has: {', '.join(sorted(built)) or 'none'}"
        )
    with locked(workspace.build, timeout=None, waiting=remark):
        use(workspace.build, profile)
    say(f"this machine is {profile}: consumers read {here(workspace.build / 'active' / 'model_registry.json')}")
    return OK


@click.command("completion")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion_command(shell: str) -> int:
    """Print the completion script of a shell.

    \b
    stowplan completion bash > ~/.local/share/bash-completion/completions/stowplan
    stowplan completion zsh > "${fpath[1]}/_stowplan"
    stowplan completion fish > ~/.config/fish/completions/stowplan.fish
    """
    from stowplan.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None  # click knows the three
    say(kind(cli, {}, "stowplan", "_STOWPLAN_COMPLETE").source())
    return OK
