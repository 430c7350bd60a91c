"""What an explanation is, and how it is shown: to a person, and to a program."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from stowplan.fit.bars import bars, gib, parts, ranged
from stowplan.fit.document import document
from stowplan.fit.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Source:
    """One layer's word on a value: what it says (JSON, or `unset`), which layer, where, under which key."""

    says: str
    layer: str
    where: str
    key: str


@dataclass(frozen=True, slots=True)
class Explained:
    """Something explained: the arguments or the value, and its sources, each with those it covers after it."""

    what: str
    sources: tuple[tuple[Source, ...], ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A whole subject, or one key of it."""

    subject: str
    name: str
    arguments: tuple[Explained, ...] = ()
    environment: tuple[Explained, ...] = ()
    values: tuple[Explained, ...] = ()
    removed: tuple[Explained, ...] = ()
    corrected: tuple[Explained, ...] = ()
    because: str | None = None
    said: str | None = None
    memory: Estimate | None = None


def as_json(explanation: Explanation) -> str:
    """The explanation for a program."""
    memory = None if explanation.memory is None else document(explanation.memory)
    shown = {**asdict(replace(explanation, memory=None)), "memory": memory}
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


def text(explanation: Explanation) -> str:
    """The explanation for a person."""
    return "\n".join(_lines(explanation)) + "\n"


def _lines(explanation: Explanation) -> Iterator[str]:
    yield f"{explanation.name}  ({explanation.subject})"
    sections = {
        "arguments": explanation.arguments,
        "environment": explanation.environment,
        "values": explanation.values,
        "unset": explanation.removed,
        "corrected facts": explanation.corrected,
    }
    for title, items in sections.items():
        if items:
            yield ""
            yield title
            width = min(max(len(item.what) for item in items), 44)
            for item in items:
                yield from _item(item, width)
    if explanation.corrected and explanation.because is not None:
        yield f"  because {explanation.because}"
    if explanation.memory is not None:
        yield ""
        yield "memory"
        yield from _memory(explanation.memory)
    if explanation.said is not None:
        yield explanation.said


def _memory(of: Estimate) -> Iterator[str]:
    """The verdict, the terms it follows from, the longest context, what is not known."""
    if of.granted:
        yield f"  {of.verdict}: needs {ranged(of.needed, ' to ')} GiB, {gib(of.granted)} are granted"
        yield from (f"  {line}" for line in bars(parts(of, apart=True)))
        if not of.plan.empty and not of.missing:
            yield f"  longest context: {of.longest} tokens surely, {of.longest_likely} likely"
    else:
        yield f"  {of.verdict}"
    for reason in of.reasons:
        yield f"  because {reason}"
    for missing in of.missing:
        yield f"  not known: {missing}"
    if of.measured is not None:
        yield f"  measured: {of.measured}"


def _item(item: Explained, width: int) -> Iterator[str]:
    head = f"  {item.what:<{width}}"
    if len(item.what) > width:
        yield head
        head = " " * (width + 2)
    for chain in item.sources:
        yield f"{head}  {chain[0].where}  {chain[0].layer}: {chain[0].key}"
        head = " " * (width + 2)
        for covered in chain[1:]:
            yield f"{head}    over {covered.says}  {covered.where}  {covered.layer}: {covered.key}"
    if not item.sources:
        yield head
