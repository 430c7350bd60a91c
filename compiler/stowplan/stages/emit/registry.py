"""model_registry.json, which every consumer reads, and names.idx, which finds an entry in it by name.

The shape of an entry is the one that consumers of the old registry parse: a fixed set of keys that are
always there and never null; what is not known is left out. `extra_args` names the GPU memory share and
the template, since launchers add those themselves where they are missing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stowplan.fit import remembered
from stowplan.fit.document import document
from stowplan.fit.estimate import Estimate
from stowplan.fit.subject import Drafts, drafts
from stowplan.nouns.artifact import Artifact
from stowplan.nouns.entry import ChatTemplate, Entry
from stowplan.nouns.facts import CAPABILITIES, Facts, ModelSource
from stowplan.nouns.launch import Launch
from stowplan.nouns.profile import Profile
from stowplan.stages.emit.layout import json_array, json_line, script_path
from stowplan.words.names import fold

REGISTRY = "model_registry.json"
INDEX = "names.idx"
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class _Row:
    """An entry, and where its line of the registry stands, in bytes; the comma is no part of it."""

    entry: Entry
    offset: int
    length: int


def artifacts(profile: Profile, entries: tuple[Entry, ...]) -> Iterator[Artifact]:
    """The registry, lines sorted by name, and its index."""
    ordered = sorted(entries, key=lambda entry: entry.name)
    known: list[Drafts] = []

    def others() -> Drafts:
        if not known:
            known.append(drafts(entry.subject for entry in entries))
        return known[0]

    fits = [remembered.of(entry.subject, others) for entry in ordered]
    lines = [json_line(_row(profile, *pair), first="name") for pair in zip(ordered, fits, strict=True)]
    yield Artifact(REGISTRY, json_array(lines))
    yield Artifact(INDEX, _index(_placed(ordered, lines)))


def _row(profile: Profile, entry: Entry, fit: Estimate | None) -> dict[str, Any]:
    facts, launch = entry.subject.facts, entry.launch
    row: dict[str, Any] = {
        "name": entry.name,
        "display_name": entry.display_name,
        "model_aliases": list(entry.aliases),
        "backend": entry.backend.lower(),
        "backend_config": {
            "host": entry.host,
            "port": entry.port,
            "model_path": entry.model_path,
            "extra_args": [] if launch is None else launch.extra_args,
            **({} if launch is None else _started(launch)),
        },
        "served_model_id": entry.served_name,
        "roles": sorted(entry.roles, key=lambda role: (-entry.roles[role], role)),
        "role_priority": dict(entry.roles),
        "generation_defaults": dict(entry.sampling),
        "chat_template": _template(entry.template),
        "deprecated": entry.deprecated,
        "metadata": _metadata(profile, entry),
        **_known(facts),
    }
    if fit is not None:
        row["metadata"]["fit"] = document(fit)
        if fit.granted and not fit.missing:
            row["vram_estimate_mb"] = -(-fit.needed.likely // _MIB)
    return row


def _started(launch: Launch) -> dict[str, Any]:
    """What a consumer that starts the server itself needs."""
    env = {variable.name: variable.value for variable in launch.env}
    return {"argv": launch.argv, "env": env, "pass_env": list(launch.pass_env)}


def _metadata(profile: Profile, entry: Entry) -> dict[str, Any]:
    about: dict[str, Any] = {"registry_layer": "merged", "profile": profile.name, "model": entry.subject.model}
    about["serving_mode"] = "one-at-a-time" if profile.one_at_a_time else "together"
    if profile.gpu is not None:
        about["gpu"] = profile.gpu.name
    if (launch := entry.launch) is not None:
        about["engine"], about["engine_version"] = launch.engine, launch.version
        about["launch_digest"], about["script"] = launch.digest, script_path(entry.subject.model)
    return about


def _known(facts: Facts | None) -> dict[str, Any]:
    """What the facts say; a model without facts has no capabilities listed, rather than all denied."""
    if facts is None:
        return {"capabilities": {}, "quantization": "", "source": {}}
    found = {
        "capabilities": {capability: capability in facts.capabilities for capability in CAPABILITIES},
        "quantization": "" if facts.quantization is None else facts.quantization.method,
        "source": _source(facts.source),
        "source_provider": facts.source.provider,
        "family": facts.family,
        "license": facts.license,
    }
    return {key: value for key, value in found.items() if value is not None}


def _source(source: ModelSource) -> dict[str, str]:
    members = {"provider": source.provider, "repo": source.repo, "revision": source.revision}
    if source.provider == "huggingface":
        members["huggingface_id"] = source.repo
    return {key: value for key, value in members.items() if value is not None}


def _template(template: ChatTemplate) -> dict[str, str]:
    members = {"source": template.source, "path": template.path, "sha256": template.sha256}
    return {key: value for key, value in members.items() if value is not None}


def _placed(entries: Sequence[Entry], lines: Sequence[bytes]) -> Iterator[_Row]:
    offset = len(b"[\n")
    for entry, line in zip(entries, lines, strict=True):
        yield _Row(entry, offset, len(line))
        offset += len(line) + len(b",\n")


def _index(rows: Iterator[_Row]) -> bytes:
    """One line for each folded name: the name, the offset and the length of its entry; sorted bytes.

    Names that people gave win over names that servers answer to, which two entries may share (one
    Ollama tag under two names); then the model itself over its `alias-of`.
    """
    best: dict[str, tuple[tuple[int, bool, str], _Row]] = {}
    for row in rows:
        entry = row.entry
        is_alias = entry.subject.leaf("alias-of") is not None
        for rank, name in _names(entry):
            claim = ((rank, is_alias, entry.name), row)
            best[fold(name)] = min(best.get(fold(name), claim), claim, key=lambda candidate: candidate[0])
    found = sorted(((name.encode(), row) for name, (_, row) in best.items()), key=lambda pair: pair[0])
    return b"".join(b"%s\t%d\t%d\n" % (name, row.offset, row.length) for name, row in found)


def _names(entry: Entry) -> Iterator[tuple[int, str]]:
    yield 0, entry.name
    for alias in entry.aliases:
        yield 1, alias
    yield 2, entry.subject.model
    yield 3, entry.display_name
    yield 4, entry.served_name
