"""schema/*.json: JSON Schema of the TOML files, so that an editor completes and checks while one types.

Draft 7, which Taplo, Tombi and the TOML extensions read. The tables are the dataclasses of `nouns`, walked;
the flags are those of the profile's own engine versions (`flag_schema`). An editor cannot know everything:
`stowplan check` has the last word.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from stowplan.engines.flags import kinds, versions
from stowplan.nouns.artifact import Artifact
from stowplan.nouns.gate import kebab
from stowplan.nouns.overlay import EXTERNAL, FLAG_TABLES, ONLY_IN_OVERLAY, Base, External, Overlay
from stowplan.nouns.profile import DefaultsShape, EngineShape, GpuShape, Profile, ProfileShape, ServingShape
from stowplan.stages.emit.flag_schema import ANYTHING, Schema, flags_schema
from stowplan.words.digest import canonical_json

_SCALARS: Mapping[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    Any: ANYTHING,
}
_ABOUT: Mapping[type, str] = {
    Overlay: "A model on one profile. Every key may be left out.",
    Base: "What holds for a model on every profile, and what it is called.",
    External: "A server that something else starts: what it is and what it serves.",
    ProfileShape: "One GPU set-up, and what all its models have in common.",
    GpuShape: "The cards. Sizes with their unit, as `16376 MiB`; the capability as `8.9`.",
    EngineShape: "An installed engine: its version, against which flags are checked, and its program.",
    ServingShape: "How servers run here, where they listen and where consumers find them.",
    DefaultsShape: "For every model of this profile, below what the model itself says.",
}
_SETTINGS = {
    "vllm": "Flags of `vllm serve`, by their long names, without dashes before them; JSON flags are tables.",
    "sampling": "Generation defaults for consumers.",
    "env": "Variables of the server.",
}
_OVERLAY = {
    **_SETTINGS,
    "status": "A stub sets nothing: remove this line when the settings are yours.",
    "enabled": "`false`: still checked, but in no build.",
    "deprecated": "Passed on to consumers.",
    "engine": "One of the profile's `[engine.<label>]`, or `external`. Default: its only engine.",
    "port": "Default: the first of the profile's range.",
    "served-name": "What the server calls the model. Default: its name.",
    "chat-template-sha256": "Digest of the template that was meant; another one is an error.",
    "unset": "Paths of values of the layers below that are taken away, as `vllm.enforce-eager`.",
    "roles": "What the model is for; higher is preferred.",
}
_KEYS: Mapping[type, Mapping[str, str]] = {
    Overlay: _OVERLAY,
    Base: _OVERLAY
    | {
        "name": "What consumers ask for. Default: the folder's name.",
        "display-name": "How people read it.",
        "aliases": "Other names it is found by.",
        "alias-of": "The model whose weights these are, too.",
        "correct": "Facts that upstream tells wrong, by the keys of discovered.json, and the reason.",
    },
    External: {
        "backend": "What serves it, as `ollama`.",
        "model": "What that server calls it.",
        "host": "Where it listens. Default: where this profile's servers are found.",
    },
    ProfileShape: {
        "extends": "Another profile, over whose tables these lie.",
        "requires-stowplan": "The versions of Stowplan that may compile this, as `>=0.1`.",
        "allow": "What needs to be allowed: `remote-code:<model>`, `open-bind`.",
        "unset": "Paths of the parent's values that are taken away.",
        "engine": "Installed engines, by a label that overlays name.",
        "roots": "Name to absolute folder; facts and path values begin with a root's name.",
        "roles": "Role to the capabilities that it needs of a model.",
    },
    GpuShape: {
        "name": "As `nvidia-smi` prints it.",
        "count": "How many there are.",
        "memory": "Of each card, as `16376 MiB`.",
        "reserved": "What else uses the card, as `1500 MiB`.",
        "capability": "Compute capability, as `8.9`.",
    },
    EngineShape: {
        "kind": "What engine it is. Default: the label.",
        "version": "Flags are checked against this very version.",
        "executable": "Absolute path of its program.",
    },
    ServingShape: {
        "mode": "By turns, or all together: then every model needs a port of its own.",
        "bind": "The address servers listen at.",
        "connect": "Where consumers find them. Default: `bind`.",
        "ports": "First and last, as `24001-24010`.",
        "pass-env": "Variables that servers get from the shell, beside the default ones.",
    },
    DefaultsShape: _SETTINGS,
}
_PORT = {"minimum": 1, "maximum": 65535}


def artifacts(profile: Profile) -> Iterator[Artifact]:
    """One schema for each kind of file: overlay, base and profile."""
    flags = _flags(profile)
    overlay, base, whole = _table(Overlay), _table(Base), _table(ProfileShape)
    for key in ONLY_IN_OVERLAY:
        del base["properties"][key]
    base["properties"]["correct"] |= {"properties": {"because": {"type": "string"}}, "required": ["because"]}
    for schema in (overlay, base):
        schema["properties"]["engine"]["enum"] = [*sorted(profile.engines), EXTERNAL]
        schema["properties"]["port"] |= _PORT
    versioned = whole["properties"]["engine"]["additionalProperties"]["properties"]["version"]
    versioned["examples"] = [version for kind in kinds() for version in reversed(versions(kind))]
    for schema in (overlay, base, whole["properties"]["defaults"]):
        for kind in flags:
            schema["properties"][kind] = _mark(kind)
    for name, schema in (("overlay", overlay), ("base", base), ("profile", whole)):
        content = canonical_json({"$schema": "http://json-schema.org/draft-07/schema#", **schema})
        for kind, found in flags.items():
            content = content.replace(canonical_json(_mark(kind)), found)
        yield Artifact(f"schema/{name}.json", content + b"\n")


def _table(shape: type) -> Schema:
    """A table with the keys of a dataclass: no other key, those without a default required."""
    fields = dataclasses.fields(shape)
    required = [
        kebab(field.name)
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    properties = {kebab(field.name): _type(field.type) for field in fields}
    for key, words in _KEYS[shape].items():
        properties[key]["description"] = words
    return {
        "type": "object",
        "description": _ABOUT[shape],
        "properties": properties,
        "additionalProperties": False,
    } | ({"required": required} if required else {})


def _type(hint: Any) -> Schema:
    """The schema of a field's type. TOML has no null, so `X | None` is X, in a key that may be absent."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _table(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return _type(inner)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": _type(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(arguments[1])}
    return dict(_SCALARS[hint])


def _mark(kind: str) -> str:
    """What stands in a schema where the flags of `kind` belong: they are most of it, and are printed once."""
    return f"<{kind}>"


def _flags(profile: Profile) -> dict[str, bytes]:
    """Kind of engine → the table of its flags, as JSON. A kind that the profile has no engine of stays open."""
    found = {}
    for kind in FLAG_TABLES:
        engines = [engine for engine in profile.engines.values() if engine.kind == kind]
        tables = {engine.table.version: engine.table for engine in engines if engine.table is not None}
        if tables:
            found[kind] = canonical_json({**flags_schema(tables.values()), "description": _SETTINGS[kind]})
    return found
