"""`fit --write`: the solved value goes into the overlay, and nothing else changes."""

from collections.abc import Mapping

import click

from stowplan.cli.console import PROBLEMS, show
from stowplan.cli.fix import write
from stowplan.cli.workspace import Workspace
from stowplan.edit.pins import Setting, with_settings
from stowplan.nouns.project import Subject
from stowplan.pipeline import Compiled, compile_sources
from stowplan.words.diagnostic import Severity


def write_settings(
    workspace: Workspace, compiled: Compiled, subject: Subject, values: Mapping[str, int | float], form: str
) -> list[str]:
    """Puts flags into the subject's own overlay. Out: a line for each that changed.

    Nothing is written where the project would have errors by it that it has not now: those are shown, and the
    command ends. Raises ChangedMeanwhileError, OSError.
    """
    file = f"models.d/{subject.model}/{subject.profile.name}.toml"
    if file not in compiled.sources:
        hint = f"it takes its settings from `{subject.file}`, which counts for another profile, too"
        raise click.UsageError(f"there is no `{file}` to write into; {hint}")
    assert subject.engine is not None  # else there had been nothing to ask
    kind = subject.engine.kind
    settings, lines = [], []
    for flag, value in values.items():
        leaf = subject.leaf(kind, flag)
        is_here = leaf is not None and leaf.origin.file == file
        if leaf is not None and is_here and leaf.value == value:
            continue
        settings.append(Setting(file, leaf.origin.key if leaf is not None and is_here else (kind, flag), value))
        was = "not set" if leaf is None else leaf.value
        lines.append(f"{file}: {flag} = {value} (was {was})")
    try:
        content = with_settings(compiled.sources[file], settings)
    except ValueError as problem:
        raise click.UsageError(
            f"`{file}` cannot be edited in place: {problem}; write {dict(values)} yourself"
        ) from None
    after = compile_sources({**compiled.sources, file: content})
    before = set(compiled.diagnostics)
    wrong = [found for found in after.diagnostics if found.severity is Severity.ERROR and found not in before]
    if wrong:
        show(wrong, after.sources, form)
        raise click.exceptions.Exit(PROBLEMS)
    write(workspace.project, compiled.sources, after.sources)
    return lines
