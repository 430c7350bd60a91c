"""model_registry.json, which every consumer reads, and names.idx, which finds an entry in it by name.

The shape of an entry is the one that consumers of the old registry parse: a fixed set of keys that are
always there and never null; what is not known is left out. `extra_args` names the GPU memory share and
the template, since launchers add those themselves where they are missing.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from stowplan.fit.document import document
from stowplan.fit.estimate import Estimate
from stowplan.nouns.artifact import Artifact
from stowplan.nouns.entry import ChatTemplate, Entry
from stowplan.nouns.facts import CAPABILITIES, Facts, ModelSource
from stowplan.nouns.launch import Launch
from stowplan.nouns.piece import Piece
from stowplan.nouns.profile import Profile
from stowplan.stages.emit.layout import json_array, json_line, script_path
from stowplan.words.digest import canonical_text
from stowplan.words.names import fold

REGISTRY = "model_registry.json"
INDEX = "names.idx"
_MIB = 1 << 20


def line(profile: Profile, entry: Entry, fit: Estimate | None) -> bytes:
    """What the registry says of `entry`, whose launch takes the memory that `fit` says."""
    return json_line(entry.name, canonical_text(_row(profile, entry, fit)))


def names(entry: Entry) -> tuple[tuple[int, bool, str], ...]:
    """The names it is found by, folded, each once: its rank, whether the entry is an alias, the name.

    Names that people gave win over names that servers answer to, which two entries may share (one
    Ollama tag under two names); then the model itself over its `alias-of`.
    """
    ranked = (
        (0, entry.name),
        *((1, alias) for alias in entry.aliases),
        (2, entry.subject.model),
        (3, entry.display_name),
        (4, entry.served_name),
    )
    found: dict[str, int] = {}
    for rank, name in ranked:
        found.setdefault(fold(name), rank)
    is_alias = entry.subject.leaf("alias-of") is not None
    return tuple([(rank, is_alias, name) for name, rank in found.items()])


def artifacts(pieces: Sequence[Piece]) -> Iterator[Artifact]:
    """The registry, one line for each of `pieces` in their order, and its index."""
    yield Artifact(REGISTRY, json_array([piece.registry for piece in pieces]))
    yield Artifact(INDEX, _index(pieces))


def _row(profile: Profile, entry: Entry, fit: Estimate | None) -> dict[str, Any]:
    facts, launch = entry.subject.facts, entry.launch
    row: dict[str, Any] = {
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
        row["metadata"]["fit"] = told = document(fit)
        if fit.granted and not fit.missing:
            _, likely, _ = told["bytes"]["needed"]
            row["vram_estimate_mb"] = -(-likely // _MIB)
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


def _index(pieces: Sequence[Piece]) -> bytes:
    """One line for each folded name: the name, the offset and the length of the line it leads to; sorted bytes."""
    best: dict[str, tuple[int, bool, str, int, int]] = {}
    offset = len(b"[\n")
    for piece in pieces:
        length = len(piece.registry)
        for rank, is_alias, name in piece.names:
            claim = (rank, is_alias, piece.name, offset, length)
            best[name] = min(best.get(name, claim), claim)
        offset += length + len(b",\n")
    found = sorted([(name.encode(), offset, length) for name, (*_, offset, length) in best.items()])
    return b"".join([b"%s\t%d\t%d\n" % line for line in found])
