"""House rules that no other tool keeps: small rooms, light small parts, help for all, no token unexplained."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import stowplan
from command import stowplan as run
from stowplan.cli.main import VERBS, cli
from stowplan.words.keypath import parse_keypath

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = Path(stowplan.__file__).parent

LONGEST = 300
"""Lines of a module; longer, it wants to be two."""

HEAVY = {"click", "deepmerge", "jinja2", "pydantic", "tomlkit"}
LIGHT = ("words", "read", "store", "servers")
"""What must start at once: a consumer imports it on every request."""

DELIVERED = {
    *("init", "discover", "new", "use", "compile", "check"),
    *("show", "explain", "diff", "generations", "rollback", "completion", "roles"),
    *("up", "down", "logs", "status", "engine", "upgrade", "fit"),
    *("verify", "pin", "unpin", "gc"),
}


def test_no_module_is_too_long() -> None:
    modules = list(PACKAGE.rglob("*.py"))
    assert len(modules) > 50
    long = {str(path): lines for path in modules if (lines := len(path.read_text("utf-8").splitlines())) > LONGEST}
    assert long == {}


@pytest.mark.parametrize("package", LIGHT)
def test_the_small_parts_import_nothing_heavy(package: str) -> None:
    modules = [
        ".".join(("stowplan", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in sorted((PACKAGE / package).rglob("*.py"))
    ]
    assert len(modules) > 3
    program = f"import sys, {', '.join(modules)}; print(*sorted({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_verb_of_this_release_is_there() -> None:
    assert set(VERBS) >= DELIVERED


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_an_example(verb: str, tmp_path: Path) -> None:
    done = run(tmp_path, verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: stowplan {verb} ")
    assert any(line.startswith(f"  stowplan {verb}") for line in done.out.splitlines()), "no example"
    assert run(tmp_path, verb, "-h").out == done.out
    assert f"  {verb} " in run(tmp_path, "--help").out


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_says_what_it_does(verb: str) -> None:
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_of_their_shell(shell: str, tmp_path: Path) -> None:
    script = run(tmp_path, "completion", shell).out
    assert "_STOWPLAN_COMPLETE" in script
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here to read it")
    subprocess.run([shell, "-n"], input=script, text=True, check=True)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's own models and profiles, compiled."""
    project = tmp_path_factory.mktemp("house") / "project"
    for part in ("models.d", "profiles"):
        shutil.copytree(REPOSITORY / part, project / part)
    assert run(project, "compile").code == 0
    return project


def test_explain_resolves_every_token_of_every_subject(own: Path) -> None:
    """Fails if a token has no origin, or one that is not where it says. Tried: an option without its leaf."""
    subjects = list(entries(own))
    assert {profile for profile, _ in subjects} == {path.stem for path in (own / "profiles").glob("*.toml")}
    for profile, row in subjects:
        subject = f"{row['metadata']['model']}/{profile}"
        explained = json.loads(run(own, "explain", subject, "--format", "json").out)
        tokens = [token for argument in explained["arguments"] for token in shlex.split(argument["what"])]
        assert tokens == row["backend_config"].get("argv", [])
        variables = dict(variable["what"].split("=", 1) for variable in explained["environment"])
        assert variables == row["backend_config"].get("env", {})
        for part in ("arguments", "environment", "values", "removed", "corrected"):
            for item in explained[part]:
                assert item["sources"], f"{subject}: nothing explains {item['what']}"
                for source in (source for chain in item["sources"] for source in chain):
                    assert is_where_it_says(own, source), f"{subject}: {item['what']} is not at {source}"


def is_where_it_says(project: Path, source: dict[str, str]) -> bool:
    """Whether the line a source names holds its key, and its value where that fits on a line.

    A name that nobody wrote is its folder's.
    """
    file, _, line = source["where"].partition(":")
    if not line:
        return source["key"] == "its name" and (project / file).is_dir() and json.loads(source["says"]) in file
    home = PACKAGE if file.startswith("engines/") else project
    text = (home / file).read_text("utf-8").split("\n")[int(line) - 1]
    *_, key = parse_keypath(re.sub(r"\[\d+\]$", "", source["key"]))
    value = json.loads(source["says"]) if source["says"] != "unset" else source["says"]
    fits = not isinstance(value, list | dict)
    return key in text and (not fits or source["says"] in text or str(value) in text)


def entries(project: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every published entry with its profile."""
    for registry in sorted((project / "build/current").glob("*/model_registry.json")):
        for row in json.loads(registry.read_text("utf-8")):
            yield registry.parent.name, row
