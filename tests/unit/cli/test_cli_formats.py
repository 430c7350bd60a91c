"""What programs read stands on stdout alone: one JSON document, one SARIF log, or workflow commands."""

import json
from pathlib import Path

import click
import pytest
from sound_project import OVERLAY, compiled

from command import stowplan
from stowplan.cli.main import VERBS, cli
from stowplan.read.profile import VARIABLE

COMMANDS = {
    "discover": ["discover", "discover --check"],
    "compile": ["compile", "compile --check", "compile --no-publish"],
    "check": ["check", "check llama", "check --strict"],
    "show": ["show llama"],
    "explain": ["explain llama", "explain llama:max-model-len"],
    "diff": ["diff", "diff --check", "diff 1 1"],
    "roles": ["roles"],
    "generations": ["generations"],
    "verify": ["verify --all"],
    "gc": ["gc --dry-run"],
    "status": ["status", "status --check", "status llama"],
    "upgrade": ["upgrade vllm 0.32.0"],
    "fit": ["fit llama"],
}
EXITS = {"compile --check": {"fine": 0, "errors": 1, "difference": 3}, "diff --check": {"difference": 3}}
SITUATIONS = {
    "fine": None,
    "errors": "[vllm]\nmax_model_length = 4096\n",
    "difference": "[vllm]\nmax-model-len = 2048\n",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    return compiled(tmp_path / "project")


def verbs(form: str) -> set[str]:
    """The verbs that speak a format."""
    found = set()
    for verb in VERBS:
        command = cli.get_command(click.Context(cli), verb)
        assert command is not None
        types = [parameter.type for parameter in command.params if parameter.name == "form"]
        if any(isinstance(kind, click.Choice) and form in kind.choices for kind in types):
            found.add(verb)
    return found


def test_every_verb_that_speaks_json_is_tried() -> None:
    assert set(COMMANDS) == verbs("json")


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("command", [command for commands in COMMANDS.values() for command in commands])
def test_json_is_one_document(command: str, situation: str, project: Path) -> None:
    put(project, situation)
    done = stowplan(project, *command.split(), "--format", "json")
    assert isinstance(json.loads(done.out), dict | list), done.err
    if (code := EXITS.get(command, {}).get(situation)) is not None:
        assert done.code == code


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("command", [command for verb in sorted(verbs("sarif")) for command in COMMANDS[verb]])
def test_the_other_formats_are_pure(command: str, situation: str, project: Path) -> None:
    put(project, situation)
    assert json.loads(stowplan(project, *command.split(), "--format", "sarif").out)["version"] == "2.1.0"
    lines = stowplan(project, *command.split(), "--format", "github").out.splitlines()
    assert [line for line in lines if not line.startswith("::")] == []


def test_github_is_told_nothing_where_all_is_well(project: Path) -> None:
    assert stowplan(project, "compile", "--format", "github").out == ""


def test_check_says_its_verdict_in_json(project: Path) -> None:
    fine = json.loads(stowplan(project, "compile", "--check", "--format", "json").out)
    assert (fine["up_to_date"], fine["generation"], fine["changes"]) == (True, 1, [])
    put(project, "difference")
    other = json.loads(stowplan(project, "compile", "--check", "--format", "json").out)
    assert (other["up_to_date"], other["generation"], other["restart"]) == (False, 1, ["llama/card"])
    assert other["changes"] == json.loads(stowplan(project, "diff", "--format", "json").out)["changes"]


def test_check_without_a_build_is_a_document_too(project: Path) -> None:
    (project / "build/current").unlink()
    done = stowplan(project, "compile", "--check", "--format", "json")
    told = json.loads(done.out)
    assert (done.code, told["up_to_date"], told["generation"]) == (2, False, None)
    assert told["start"] == ["llama/card", "qwen/card"]


def put(project: Path, situation: str) -> None:
    """Makes the project one of that situation."""
    if (overlay := SITUATIONS[situation]) is not None:
        (project / OVERLAY).write_text(overlay, encoding="utf-8")
