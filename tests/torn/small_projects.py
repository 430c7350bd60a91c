"""Projects that are quick to compile, and differ from one another as the tests want it."""

from pathlib import Path

from sources import PROFILE_TEXT, facts
from stowplan.nouns.facts import Weights

MODELS = 8


def lay(project: Path, number: int) -> None:
    """One model on two cards. Another `number` changes what it is on one of them, and not on the other."""
    _write(project / "profiles/card.toml", PROFILE_TEXT)
    _write(project / "profiles/desk.toml", PROFILE_TEXT)
    _write(project / "models.d/qwen/discovered.json", facts().decode())
    _write(project / "models.d/qwen/card.toml", f"[vllm]\nmax-model-len = {4096 + number}\n")
    _write(project / "models.d/qwen/desk.toml", "[vllm]\nmax-model-len = 4096\n")


def lay_many(project: Path) -> None:
    """Eight models on one card, each to be edited by a writer of its own."""
    for number in range(MODELS):
        weights = Weights(format="safetensors", bytes=1000, headers_sha256=f"{number:064x}")
        known = facts(f"Qwen/Qwen3-{number}", weights=weights)
        _write(project / f"models.d/qwen-{number}/discovered.json", known.decode())
        edit(project, number, 0)


def edit(project: Path, number: int, length: int) -> None:
    """Edits one of many models, in one step. The edits of the first go to the profile, and so concern all models."""
    overlay = f"port = {24001 + number}\n[vllm]\nmax-model-len = {1000 + length}\n"
    _write(project / f"models.d/qwen-{number}/card.toml", overlay)
    if number == 0:
        profile = PROFILE_TEXT.replace("[serving]", '[serving]\nmode = "one-at-a-time"')
        _write(project / "profiles/card.toml", f"{profile}[defaults.vllm]\nmax-num-seqs = {1 + length}\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")  # no input, by its name
    new.write_text(text)
    new.replace(path)
