"""Which model a folder on disk is: a name, once given, stays with the weights.

A folder is a known model if, in this order,
1. it lies where that model lay and holds the same weights;
2. it holds the weights of exactly one model that is no longer where it lay: the model moved;
3. it lies where a model lay, with other weights: the model was replaced in place;
4. models.d has a folder of its slug without readable facts, as one made by hand.
Else it is new, and is named after its folder.

The same weights are: the same digest of the safetensors headers, and repositories that do not
contradict each other. A repository read off the location says nothing about a folder that moved.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from stowplan.discover.origin import LOCATION
from stowplan.nouns.facts import Facts, Location, ModelSource
from stowplan.words.names import fold

_UNSAFE = re.compile(r"[^a-z0-9._-]+")
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class Known:
    """What an existing discovered.json says of identity; all None where it cannot be read."""

    location: Location | None = None
    source: ModelSource | None = None
    headers_sha256: str | None = None


def match(found: Sequence[Facts], known: Mapping[str, Known], occupied: Collection[Location]) -> dict[str, Facts]:
    """Model name → its facts, for every folder found; facts keep the repository a moved model is known by.

    `known` are the models of models.d by name, `occupied` the known locations that still exist on disk.
    """
    names: dict[Location, str] = {}
    free = dict(known)

    def take(facts: Facts, name: str) -> None:
        names[facts.location] = name
        del free[name]

    def left() -> list[Facts]:
        return [facts for facts in found if facts.location not in names]

    for facts in found:
        at_home = (name for name, model in free.items() if model.location == facts.location)
        if (name := next((n for n in at_home if _same(facts, free[n])), None)) is not None:
            take(facts, name)
    for facts in left():
        gone = [n for n, model in free.items() if model.location not in occupied and _same(facts, model)]
        alike = [other for other in left() if other.weights.headers_sha256 == facts.weights.headers_sha256]
        if len(gone) == 1 and len(alike) == 1:
            take(facts, gone[0])
    for facts in left():
        name = next((name for name, model in free.items() if model.location == facts.location), None)
        if name is not None:
            take(facts, name)
    for facts in left():
        wanted = slug(facts)
        if wanted in free and free[wanted].location is None:
            take(facts, wanted)
        else:
            names[facts.location] = _unique(wanted, {*known, *names.values()})
    return {names[facts.location]: _remember(facts, known.get(names[facts.location])) for facts in found}


def slug(facts: Facts) -> str:
    """A model's first name: its folder's, lower case, of letters, digits, `.`, `_` and `-`."""
    last = facts.location.path.rsplit("/", 1)[-1]
    plain = unicodedata.normalize("NFKD", last if last != "." else facts.location.root).lower()
    text = _UNSAFE.sub("-", plain.encode("ascii", "ignore").decode()).strip("._-")[:_LONGEST]
    return text.removesuffix(".tmp") or "model"


def _unique(wanted: str, taken: Collection[str]) -> str:
    """`wanted`, with a number if another name is compared as equal to it."""
    folded = {fold(name) for name in taken}
    number, name = 1, wanted
    while fold(name) in folded:
        number += 1
        name = f"{wanted}-{number}"
    return name


def _same(facts: Facts, model: Known) -> bool:
    if model.headers_sha256 is None or model.headers_sha256 != facts.weights.headers_sha256:
        return False
    told = [s.repo for s in (facts.source, model.source) if s is not None and s.evidence != LOCATION]
    repos = {repo for repo in told if repo is not None}
    return len(repos) < 2


def _remember(facts: Facts, model: Known | None) -> Facts:
    """A repository known from before stays, unless the folder itself now tells; a location does not count."""
    if model is None or model.source is None or model.source.repo is None or not _same(facts, model):
        return facts
    if facts.source.repo is not None and facts.source.evidence != LOCATION:
        return facts
    kept = replace(model.source, revision=facts.source.revision or model.source.revision)
    return replace(facts, source=kept)
