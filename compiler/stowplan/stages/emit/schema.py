"""schema/*.json: JSON Schema of the TOML files, so that an editor completes and checks while one types.

Draft 7, which Taplo and the TOML extensions read. The tables are the dataclasses of `nouns`, walked;
the flags are those of the profile's own engine versions. An editor cannot know everything: `stowplan
check` has the last word.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from stowplan.engines.flags import Flag, FlagTable, flag_table
from stowplan.engines.reserved import RESERVED
from stowplan.nouns.artifact import Artifact
from stowplan.nouns.entry import Entry
from stowplan.nouns.gate import kebab
from stowplan.nouns.overlay import EXTERNAL, FLAG_TABLES, ONLY_IN_OVERLAY, Base, External, Overlay
from stowplan.nouns.profile import DefaultsShape, EngineShape, GpuShape, Profile, ProfileShape, ServingShape
from stowplan.words.digest import canonical_json

Schema = dict[str, Any]

_SCALARS: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    Any: {},
}
_ABOUT: dict[type, str] = {
    Overlay: "A model on one profile. Every key may be left out.",
    Base: "What holds for a model on every profile, and what it is called.",
    External: "A server that something else starts: what it is and what it serves.",
    ProfileShape: "One GPU set-up, and what all its models have in common.",
    GpuShape: "The cards. Sizes with their unit, as `16376 MiB`; the capability as `8.9`.",
    EngineShape: "An installed engine: its version, against which flags are checked, and its program.",
    ServingShape: "How servers run here, where they listen and where consumers find them.",
    DefaultsShape: "For every model of this profile, below what the model itself says.",
}
_ITEMS: dict[str, Schema] = {
    "bool": {"type": "boolean"},
    "flag": {"type": "boolean"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "str|json": {"type": ["string", "object"]},
    "human_readable_int": {"type": "integer"},
    "human_readable_int_or_auto": {"anyOf": [{"type": "integer"}, {"const": "auto"}]},
}


def artifacts(profile: Profile, entries: tuple[Entry, ...]) -> Iterator[Artifact]:  # noqa: ARG001
    """One schema for each kind of file: overlay, base and profile."""
    flags = {kind: _flag_tables(profile, kind) for kind in FLAG_TABLES}
    overlay = _with_flags(_table(Overlay), flags)
    overlay["properties"]["engine"]["enum"] = [*sorted(profile.engines), EXTERNAL]
    base = _with_flags(_table(Base), flags)
    for key in ONLY_IN_OVERLAY:
        del base["properties"][key]
    base["properties"]["correct"] |= {"properties": {"because": {"type": "string"}}, "required": ["because"]}
    whole = _table(ProfileShape)
    _with_flags(whole["properties"]["defaults"], flags)
    for name, schema in (("overlay", overlay), ("base", base), ("profile", whole)):
        schema["$schema"] = "http://json-schema.org/draft-07/schema#"
        yield Artifact(f"schema/{name}.json", canonical_json(schema) + b"\n")


def _table(shape: type) -> Schema:
    """A table with the keys of a dataclass: no other key, those without a default required."""
    hints = get_type_hints(shape)
    fields = dataclasses.fields(shape)
    required = [
        kebab(field.name)
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    return {
        "type": "object",
        "description": _ABOUT[shape],
        "properties": {kebab(field.name): _type(hints[field.name]) for field in fields},
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


def _flag_tables(profile: Profile, kind: str) -> list[FlagTable]:
    """The flag tables of the profile's engines of this kind, each once."""
    engines = sorted({engine.version.value for engine in profile.engines.values() if engine.kind == kind})
    return [table for version in engines if (table := flag_table(kind, version)) is not None]


def _with_flags(schema: Schema, flags: dict[str, list[FlagTable]]) -> Schema:
    """`schema`, its tables of flags filled in; a kind that the profile has no engine of stays open."""
    for kind, tables in flags.items():
        if tables:
            schema["properties"][kind] |= {"properties": _flags(tables), "additionalProperties": False}
    return schema


def _flags(tables: Iterable[FlagTable]) -> Schema:
    found: dict[str, list[Schema]] = {}
    for table in tables:
        for name, flag in table.flags.items():
            if name not in RESERVED:
                found.setdefault(name, []).append(_flag(flag, table))
    return {name: schemas[0] if len(schemas) == 1 else {"anyOf": schemas} for name, schemas in found.items()}


def _flag(flag: Flag, table: FlagTable) -> Schema:
    schema = _values(flag)
    old = "Deprecated. " if flag.deprecated else ""
    schema["description"] = f"{old}--{flag.name} of {table.engine} {table.version} ({flag.group})"
    if flag.default is not None and not (isinstance(flag.default, dict) and "$obj" in flag.default):
        schema["default"] = flag.default
    return schema


def _values(flag: Flag) -> Schema:
    """The values a flag takes, as `engines.spelling` reads them."""
    item = _item(flag)
    if flag.many or flag.repeat:
        return {"type": "array", "items": item, "minItems": 1 if flag.many else 0}
    if flag.bare:
        return {"anyOf": [{"const": True}, item]}
    return item


def _item(flag: Flag) -> Schema:
    if flag.choices:
        return {"enum": list(flag.choices)}
    if flag.type.startswith("json"):
        return {"type": "object" if ":" in flag.type else ["object", "array"]}
    if flag.type == "str" and isinstance(flag.default, int):
        return {"type": ["string", "integer"]}
    item = dict(_ITEMS.get(flag.type, {"type": ["string", "number"]}))
    # only strings are held against a pattern
    if flag.json_items:
        item |= {"type": ["string", "object"], "pattern": "^([^-,=][^,=]*)?=[^,]*$"}
    elif flag.many:
        item["pattern"] = "^([^-]|$)"  # the engine reads a dash as an option
    return item
