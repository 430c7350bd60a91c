"""The second of two checks: what the engine's configuration refuses after its parser let it through.

A parser sees one flag at a time, and the names and nested tables among its values not at all. The engine's
configuration classes look at those, at flags together, at the model and at the card; here the same is asked
before anything is started. An error is what the engine is sure to refuse, a warning what it ignores or may
refuse, and of what is not known nothing is said. Where versions differ, the flag table or `<engine>.json`
beside this knows.

Each module has one theme. A rule names the flags it is about, and is asked where those are set.
"""

from collections.abc import Callable, Iterator

from stowplan.nouns.flags import Flag
from stowplan.nouns.profile import Profile
from stowplan.nouns.project import Subject
from stowplan.stages.check.config import (
    architecture,
    hardware,
    lora,
    pairs,
    parallel,
    quantization,
    runner,
    scheduling,
    speculative,
    values,
    variables,
)
from stowplan.stages.check.config.memory import NUMBERS, Memory, Room
from stowplan.stages.check.config.view import View
from stowplan.stages.check.places import is_of_profile
from stowplan.words.diagnostic import Diagnostic
from stowplan.words.layered import Leaf, Tree, find

RULES = {
    "vllm": tuple(rule for room in (pairs, parallel, scheduling, runner, speculative, lora) for rule in room.RULES),
}
"""The rules of each engine that has any."""
MODEL = (quantization.check, hardware.check, architecture.check)
"""What is asked of every model that something is known of, whatever flags are set."""
MODEL_FLAGS = frozenset(
    (
        *("quantization", "dtype", "hf-overrides", "allow-deprecated-quantization", *quantization.OTHERS),
        *("attention-backend", "attention-config", "kv-cache-dtype", "model-impl"),
    )
)
"""The flags that those look at."""


def checker() -> Callable[[Subject], Iterator[Diagnostic]]:
    """The check of subjects, one after another; it has a memory, which makes it quick and nothing else."""
    memory = Memory(RULES, MODEL_FLAGS)

    def check(subject: Subject) -> Iterator[Diagnostic]:
        room = memory.room(subject)
        if room is None:
            return
        settings, flags = subject.settings, subject.table(room.kind)
        asked = room.asked(flags)
        view = View(subject, room.table, flags)
        for flag, name, low, high in asked.looked_at:
            node = flags[name]
            kind = node.value.__class__ if isinstance(node, Leaf) else None
            if (kind in NUMBERS and low <= node.value <= high) or (kind is str and (name, node.value) in room.names):
                continue
            yield from _value(view, flag, room)
        for look in asked.rules:
            yield from look(view)
        opened = False
        if "env" in settings:
            opened = values.is_opened(view)
            yield from variables.check(view)
        key = asked.key(flags, memory.model(subject.facts), opened)
        if key is None or key not in room.models:
            found = [problem for look in MODEL for problem in look(view)]
            yield from found
            if key is not None and not found:
                room.models.add(key)

    return check


def check_defaults(profile: Profile) -> Iterator[Diagnostic]:
    """The values under [defaults] by themselves, against every engine of that kind the profile has."""
    told: set[Diagnostic] = set()
    for engine in profile.engines.values():
        table, flags = engine.table, find(profile.tree, ("defaults", engine.kind))
        if table is None or not isinstance(flags, dict):
            continue
        for name, node in flags.items():
            flag = table.flags.get(name)
            for found in values.look(flag, node, table) if flag is not None else ():
                if not found.depends and found.problem not in told:
                    told.add(found.problem)
                    yield found.problem


def _value(view: View, flag: Flag, room: Room) -> Iterator[Diagnostic]:
    """One value, remembered if there is nothing to find in it."""
    node: Leaf | Tree = view.flags[flag.name]
    is_sound = True
    for found in values.look(flag, node, room.table):
        is_sound = False
        problem = values.in_context(view, flag, found)
        if problem is not None and (found.depends or not is_of_profile(node)):  # else `check_defaults` tells it once
            yield problem
    if is_sound and isinstance(node, Leaf) and isinstance(node.value, str):
        room.names.add((flag.name, node.value))
