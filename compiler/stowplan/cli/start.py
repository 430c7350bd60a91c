"""`init`, `discover`, `new`: how a project, its facts and its overlays begin."""

from pathlib import Path

import click

from stowplan.cli.console import DIFFERENCE, OK, PROBLEMS, USAGE, progress, remark, say, show
from stowplan.cli.workspace import Workspace, complete_subject, format_option, pass_workspace, profile_option
from stowplan.discover import Discovery, discover, write
from stowplan.edit.overlays import fits
from stowplan.edit.project import start_project
from stowplan.edit.stubs import stub
from stowplan.nouns.names import taken, unsafe
from stowplan.nouns.profile import Profile
from stowplan.pipeline import Compiled, compile_tree
from stowplan.read.subject import model_called
from stowplan.words.diagnostic import has_errors


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".", metavar="[DIR]")
@click.option("-p", "--profile", default="my-gpu", show_default=True, metavar="PROFILE", help="Its first profile.")
@pass_workspace
def init_command(workspace: Workspace, folder: Path, profile: str) -> int:
    """Start a project in a folder.

    Made are profiles/ with one profile to fill in, models.d/ and build/. Files that are there stay as they are.

    \b
    stowplan init serving -p rtx-4080-16g
    """
    if (why := unsafe(profile) or taken(profile)) is not None:
        raise click.UsageError(f"`{profile}` cannot name a profile: {why}")
    folder = (workspace.folder or Path()) / folder
    made = start_project(folder, profile)
    for path in made:
        say(f"made {path}")
    if not made:
        say("everything was there already")
    say(f"next: edit {folder / 'profiles' / profile}.toml, then `stowplan discover`")
    return OK


@click.command("discover")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@profile_option
@click.option("--check", is_flag=True, help="Write nothing; exit 3 if facts are not what the disk says.")
@format_option("text", "json", "github", "sarif")
@pass_workspace
def discover_command(workspace: Workspace, paths: tuple[Path, ...], profile: str | None, check: bool, form: str) -> int:
    """Read the weights' facts into models.d/.

    All folders below the profile's roots are searched; PATH narrows the search. Only discovered.json is
    written, and a stub for a model that has no overlay yet; no TOML file that
    exists is touched.

    \b
    stowplan discover
    stowplan discover ~/models/Qwen/Qwen2.5-VL-7B-Instruct-AWQ
    stowplan discover --check        is what is committed what the disk says?
    """
    compiled = compile_tree(workspace.project)
    chosen = _sound_profile(workspace, compiled, profile, form)
    engine = next(iter(sorted(chosen.engines)), "vllm")
    with progress() as tell:
        found = discover(
            workspace.project,
            chosen.name,
            {name: Path(root) for name, root in chosen.roots.items()},
            stub=lambda facts: stub(facts, chosen.name, engine, fits(facts, chosen, engine)),
            paths=paths,
            overlay_names=chosen.names,
            progress=tell,
        )
    show(found.diagnostics, compiled.sources, form)
    if not found.searched:
        return USAGE
    if not check:
        write(workspace.project, found)
    for line in _told(found):
        (say if form == "text" else remark)(line)
    if has_errors(found.diagnostics):
        return PROBLEMS
    return DIFFERENCE if check and found.differs else OK


@click.command("new")
@click.argument("models", nargs=-1, metavar="[MODEL]...", shell_complete=complete_subject)
@profile_option
@click.option("--from", "old", metavar="OLD", help="Start from the overlays of another profile.")
@pass_workspace
def new_command(workspace: Workspace, models: tuple[str, ...], profile: str | None, old: str | None) -> int:
    """Start a profile's overlays.

    They are stubs, or copies of another profile's. Without MODEL: every model that has none there yet.
    Files that are there stay as they are.

    \b
    stowplan new -p a100-80g                       stubs for all models
    stowplan new -p a100-80g --from rtx-4080-16g   a new card, from an old one's settings
    stowplan new qwen3-vl-8b-instruct-fp8 -p a100-80g
    """
    from stowplan.edit.overlays import start_overlays

    compiled = compile_tree(workspace.project)
    chosen = _sound_profile(workspace, compiled, profile, "text")
    unread = [problem for problem in compiled.diagnostics if problem.id == "unreadable-file"]
    show(unread, compiled.sources, "text")
    if old is not None and old not in compiled.fleet.profiles:
        raise click.UsageError(f"there is no profile `{old}` to start from")
    started = start_overlays(workspace.project, compiled.loaded, _models(compiled, models), chosen, old)
    for overlay in started:
        say(f"made {overlay.file}" + (f"  ({'; '.join(overlay.left_out)})" if overlay.left_out else ""))
    if started:
        say("next: look at them, then `stowplan check`")
    elif not unread:
        say(f"nothing to start: every model has an overlay for {chosen.name}")
    return PROBLEMS if unread else OK


def _sound_profile(workspace: Workspace, compiled: Compiled, named: str | None, form: str) -> Profile:
    """The profile that is meant; problems of its own are shown and end the command."""
    name = workspace.profile(named, compiled)
    profile = compiled.fleet.profiles[name]
    files = {f"profiles/{each}.toml" for each in profile.names}
    own = [d for d in compiled.diagnostics if d.at is not None and d.at.file in files]
    if has_errors(own):
        show(own, compiled.sources, form)
        raise click.exceptions.Exit(PROBLEMS)
    return profile


def _told(found: Discovery) -> list[str]:
    """One line for each model and stub, and a count."""
    lines = [f"{model.what:<9} {model.file}" for model in found.models if model.what != "unchanged"]
    lines += [f"{'stub':<9} {overlay.file}" for overlay in found.stubs]
    same = sum(model.what == "unchanged" for model in found.models)
    count = len(found.models)
    return [*lines, f"{count} model{'' if count == 1 else 's'} on disk, {same} unchanged"]


def _models(compiled: Compiled, named: tuple[str, ...]) -> set[str]:
    """The folders of the models that are named. Raises UnknownSubjectError."""
    folders = compiled.loaded.models.keys()
    return {name if name in folders else model_called(name, compiled.fleet.subjects) for name in named}
