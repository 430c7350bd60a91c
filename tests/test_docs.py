"""The reference pages and the README's output are what the program says. `make snapshots` writes the pages."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE

import click
import pytest

import tiny_model
from command import stowplan
from stowplan.cli.main import VERBS, cli
from stowplan.report.catalogue import rules

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"


def diagnostics_page() -> str:
    """Every diagnostic: its id, what it says, why and what to do."""
    lines = ["# Diagnostics", "", "What `check` and `compile` can say, by id.", ""]
    for rule in rules():
        lines += [f"## {rule.id}", "", f"{rule.title}.".replace("..", "."), "", rule.text, ""]
    return "\n".join(lines)


def command_line_page() -> str:
    """`--help` of every verb."""
    context = click.Context(cli, info_name="stowplan", terminal_width=100, **cli.context_settings)
    lines = ["# Command line", "", _indented(cli.get_help(context)), ""]
    for verb in VERBS:
        command = cli.get_command(context, verb)
        assert command is not None
        of_verb = click.Context(command, parent=context, info_name=verb, terminal_width=100)
        lines += [f"## {verb}", "", _indented(command.get_help(of_verb)), ""]
        for name, below in command.commands.items() if isinstance(command, click.Group) else ():
            told = below.get_help(click.Context(below, parent=of_verb, info_name=name, terminal_width=100))
            lines += [f"### {verb} {name}", "", _indented(told), ""]
    return "\n".join(lines)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


def console_blocks(page: str) -> list[str]:
    return re.findall(r"```console\n(.*?)```", page, re.DOTALL)


def blotted(text: str) -> str:
    """Without what changes with every build."""
    return re.sub(r"\b[0-9a-f]{12}\b", "DIGEST", text)


def run(project: Path, command: str) -> str:
    """What a command of the README prints, as a terminal shows it."""
    if any(sign in command for sign in "|>"):
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        shell = subprocess.run(["bash", "-c", command], cwd=project, env={**os.environ, "PATH": path}, stdout=PIPE)
        return shell.stdout.decode()
    program, *arguments = shlex.split(command)
    if program == "stowplan":
        done = stowplan(project, *arguments)
        return done.err + done.out
    script = subprocess.run([project / program, *arguments], capture_output=True, text=True, check=True)
    return script.stdout


@pytest.mark.parametrize("file", ["README.md", "docs/fit.md"])
def test_a_page_shows_what_is_printed(file: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Blocks run in order, in a copy of the repository's configuration, with a model's folder beside it; a check is
    of a file with a mistake."""
    for folder in ("models.d", "profiles"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    tiny_model.make(tmp_path / "Tiny")
    page = (REPOSITORY / file).read_text(encoding="utf-8")
    assert console_blocks(page)
    overlay = tmp_path / "models.d/qwen2.5-vl-7b-instruct-awq/rtx-4080-16g.toml"
    sound = overlay.read_text(encoding="utf-8")
    for block in console_blocks(page):
        command, _, shown = block.partition("\n")
        mistaken = command.startswith("$ stowplan check")
        overlay.write_text(sound.replace("max-model-len", "max_model_length") if mistaken else sound, encoding="utf-8")
        printed = run(tmp_path, command.removeprefix("$ "))
        if request.config.getoption("update_snapshots"):
            page = page.replace(f"```console\n{block}```", f"```console\n{command}\n{printed}```")
            (REPOSITORY / file).write_text(page, encoding="utf-8")
        else:
            assert blotted(shown) == blotted(printed)


@pytest.mark.parametrize(
    ("page", "made"), [("diagnostics.md", diagnostics_page), ("command-line.md", command_line_page)]
)
def test_page(page: str, made: Callable[[], str], request: pytest.FixtureRequest) -> None:
    if request.config.getoption("update_snapshots"):
        (DOCS / page).write_text(made(), encoding="utf-8")
    assert (DOCS / page).read_text(encoding="utf-8") == made()


def test_links_between_pages_lead_somewhere() -> None:
    for page in (REPOSITORY / "README.md", *DOCS.glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"
