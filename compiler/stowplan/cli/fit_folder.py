"""`fit --folder`: a model's folder, in no project, on cards that are named."""

import re
from pathlib import Path

import click

from stowplan.cli.console import PROBLEMS, show
from stowplan.discover.files import Folder
from stowplan.discover.folder import facts as facts_of
from stowplan.engines.flags import version_key
from stowplan.fit.cards import Card, cards, find
from stowplan.fit.sense import sensible
from stowplan.fit.settings import Settings
from stowplan.fit.subject import Question
from stowplan.nouns.facts import Facts
from stowplan.nouns.profile import parse_size

_SEVERAL = re.compile(r"([1-9][0-9]{0,2}) ?x ?(.+)", re.IGNORECASE)
"""`2 x RTX 4090`; no card's name begins with a number and an x."""


def folder_launch(
    folder: Path, gpu: str | None, reserved: str | None, version: str | None, form: str
) -> tuple[str, Question]:
    """What the answer is called, and the launch: the folder's model, shared out over the cards, and nothing else set.

    `gpu` is a card's name, or several as `2 x RTX 4090`; `reserved` a size of each for others (`1500 MiB`). Ends the
    command where the folder's files are not sound; raises UsageError for what is no card, size or version.
    """
    if gpu is None:
        raise click.UsageError("--folder needs --gpu: the card it is to fit, as --gpu 'RTX 4080'")
    if version is not None and not version_key(version):
        raise click.UsageError(f"--engine-version {version!r} is no version; write one as 0.32.0")
    several = _SEVERAL.fullmatch(gpu.strip())
    count, card = (int(several[1]), _called(several[2])) if several else (1, _called(gpu))
    aside = _reserved(reserved, card)
    real = folder.resolve()
    read = Folder("folder", real.parent, real.name)
    facts = facts_of(read)
    show(read.problems, {}, form if facts is None else "text")
    if facts is None:
        raise click.exceptions.Exit(PROBLEMS)
    facts = sensible(facts)
    _shared_out(facts, count)
    name = f"{real.name} on {card.name}" if count == 1 else f"{real.name} on {count} x {card.name}"
    return name, Question(facts, Settings(tensor_parallel=count), card.gpu(count, aside), version)


def _called(gpu: str) -> Card:
    """The card of that name. Raises UsageError with those that are meant, or that there are."""
    found = find(gpu)
    if len(found) == 1:
        return found[0]
    if found:
        raise click.UsageError(f"--gpu {gpu!r} may be {' or '.join(card.name for card in found)}; say more of it")
    raise click.UsageError(f"no card is called {gpu!r}; known are: {', '.join(cards())}")


def _reserved(said: str | None, card: Card) -> int:
    """Bytes of each card that are others'."""
    size = 0 if said is None else parse_size(said)
    if size is None:
        raise click.UsageError(f"--reserved {said!r} is no size; write one with its unit, as '1500 MiB'")
    if size >= card.memory:
        raise click.UsageError(f"--reserved is {said}, which leaves nothing of {card.memory >> 20} MiB")
    return size


def _shared_out(facts: Facts, cards: int) -> None:
    """Refuses cards that cannot share the heads evenly, as vLLM does (0.32.0, vllm/config/model.py,
    `verify_with_parallel_config`)."""
    heads = facts.architecture.heads
    if heads is not None and heads % cards:
        raise click.UsageError(f"{cards} cards cannot share its {heads} attention heads evenly")
