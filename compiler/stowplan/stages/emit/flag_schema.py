"""JSON Schema of an engine's flags: what an editor can know of a flag while one types.

It takes what `stowplan check` takes of one value by itself (`engines.spelling`, `engines.values`,
`engines.nested`): a schema that is stricter teaches people to ignore their editor. Nothing is referred to
(`$ref`), since editors differ in how far they follow; configuration objects stand where they are used.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stowplan.engines.flags import version_key
from stowplan.engines.reserved import RESERVED
from stowplan.nouns.flags import Flag, FlagTable, Shape

Schema = dict[str, Any]

ANYTHING: Schema = {"additionalProperties": True}
"""Any value. Tombi takes a table that is not said to be open for a closed one (1.9, `schema.strict`)."""
OPEN: Schema = {"type": "object", **ANYTHING}
_ITEMS: Mapping[str, Schema] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "str|json": {"type": ["string", "object"], **ANYTHING},
    "human_readable_int": {"type": "integer"},
    "human_readable_int_or_auto": {"anyOf": [{"type": "integer"}, {"const": "auto"}]},
}
"""What the parser's converters take, as `engines.spelling` reads them; of others nothing is known."""
_BOUNDS = {"minimum": "minimum", "maximum": "maximum", "above": "exclusiveMinimum", "below": "exclusiveMaximum"}
_TOLD_ONCE = ("description", "default", "deprecated")
"""Keywords that tell and decide nothing; so do `examples`, which may stand in each of several forms."""
_SPECIAL = re.compile(r"[][\\^$.|?*+(){}]")


def flags_schema(tables: Iterable[FlagTable]) -> Schema:
    """The table of the flags that any of `tables`, versions of one engine, takes."""
    newest_first = sorted(tables, key=lambda table: version_key(table.version), reverse=True)
    found: dict[str, list[tuple[FlagTable, Flag]]] = {}
    for table in newest_first:
        for name, flag in table.flags.items():
            if name not in RESERVED:
                found.setdefault(name, []).append((table, flag))
    return _closed({name: _flag(versions) for name, versions in found.items()})


def _flag(versions: Sequence[tuple[FlagTable, Flag]]) -> Schema:
    """A flag of one or several versions, the newest first: its values, and what it is."""
    schema = _either([_noted(values(flag, table), flag) for table, flag in versions])
    (first, flag), listed = versions[0], ", ".join(table.version for table, _ in versions)
    origin = f"{first.engine} {listed}" + (f", {flag.group}" if flag.group else "")
    schema["description"] = f"{flag.help}\n\n{origin}" if flag.help else origin
    return schema


def _noted(schema: Schema, flag: Flag) -> Schema:
    default = flag.default
    stands_for_another = isinstance(default, dict) and any(key.startswith("$") for key in default)
    if default is not None and not stands_for_another:
        schema["default"] = default
    if flag.deprecated:
        schema["deprecated"] = True  # later than draft 7; editors cross such a key out
    return schema


def values(flag: Flag, table: FlagTable) -> Schema:
    """The values that `flag` of `table` takes: by its parser, and by the configuration behind it."""
    bounds = {word: bound for name, word in _BOUNDS.items() if (bound := getattr(flag, name)) is not None}
    item = _bounded(_item(flag, table), bounds)
    if flag.many or flag.repeat:
        return {"type": "array", "items": item, "minItems": 1 if flag.many else 0}
    if flag.bare:
        return {"anyOf": [{"const": True}, item]}
    return item


def _item(flag: Flag, table: FlagTable) -> Schema:
    if flag.type in ("bool", "flag"):
        is_stuck = flag.off is None and flag.default not in (False, None)
        return {"const": True} if is_stuck else {"type": "boolean"}
    if flag.object is not None:
        form = _object(flag.object, table, ())
        return {"anyOf": [{"type": "string"}, form]} if flag.type == "str|json" else form
    if flag.choices:
        # a converter of its own reads `Flashinfer-Cutlass` as flashinfer_cutlass (0.32, vllm/engine/arg_utils.py)
        return {"enum": list(flag.choices)} if flag.type in _ITEMS else _in_words(flag.choices, dashes=True)
    if flag.names is not None and flag.names in table.names:
        known = (*table.names[flag.names], *flag.suggestions)
        return _named(known, any_case=flag.any_case, is_open=flag.opened_by is not None)
    return _told(_typed(flag), flag.suggestions)


def _typed(flag: Flag) -> Schema:
    """What the flag's converter takes."""
    if flag.type.startswith("json"):
        return dict(OPEN) if ":" in flag.type else {"type": ["object", "array"], **ANYTHING}
    if flag.type == "str" and isinstance(flag.default, int):
        return {"type": ["string", "integer"]}
    item = dict(_ITEMS.get(flag.type, {"type": ["string", "number"]}))
    # only strings are held against a pattern
    if flag.json_items:
        item |= {"type": ["string", "object"], "pattern": "^([^-,=][^,=]*)?=[^,]*$", **ANYTHING}
    elif flag.many:
        item["pattern"] = "^([^-]|$)"  # the engine reads a dash as an option
    return item


def _named(known: Sequence[Any], *, any_case: bool, is_open: bool) -> Schema:
    """One of the names in a registry; `is_open`: or another, that a plugin brings."""
    if is_open:
        return _told({"type": "string"}, known)
    return _in_words(known) if any_case else {"enum": list(dict.fromkeys(known))}


def _in_words(known: Sequence[Any], *, dashes: bool = False) -> Schema:
    """One of `known`, whatever its capitals; with `dashes`, also with dashes for underscores."""
    words = [_SPECIAL.sub(r"\\\g<0>", str(word)) for word in dict.fromkeys(known)]
    pattern = f"^(?i:{'|'.join(words)})$"
    return _told({"type": "string", "pattern": pattern.replace("_", "[-_]") if dashes else pattern}, known)


def _told(schema: Schema, examples: Sequence[Any]) -> Schema:
    """`schema`, with values that an editor can offer: others may be right, too."""
    return schema | {"examples": list(dict.fromkeys(examples))} if examples else schema


def _object(name: str, table: FlagTable, within: tuple[str, ...]) -> Schema:
    """The configuration object called `name`; open where it holds itself, or where its fields are not known."""
    fields = table.objects.get(name)
    if not fields or name in within:
        return dict(OPEN)
    return _closed({field: _shape(shape, table, (*within, name)) for field, shape in fields.items()})


def _shape(shape: Shape, table: FlagTable, within: tuple[str, ...]) -> Schema:
    """A field's form, what it names put in its place."""
    words = {key: shape[key] for key in ("type", "enum", "default", "description") if key in shape}
    if "object" in shape:
        words |= _object(shape["object"], table, within)
    elif shape.get("names") in table.names:
        words.pop("enum", None)
        known = (*table.names[shape["names"]], "auto")
        words |= _named(known, any_case=shape.get("any_case", False), is_open="opened_by" in shape)
    elif "anyOf" in shape:
        words["anyOf"] = [_shape(each, table, within) for each in shape["anyOf"]]
    if "items" in shape:
        words["items"] = _shape(shape["items"], table, within)
    further = shape.get("additionalProperties")
    if isinstance(further, Mapping):
        words["additionalProperties"] = _shape(further, table, within)
    elif not words.keys() & {"enum", "anyOf", "additionalProperties"} and _may_be_table(words):
        words |= ANYTHING
    return _bounded(words, {word: shape[word] for word in _BOUNDS.values() if word in shape})


def _may_be_table(schema: Schema) -> bool:
    return "object" in schema.get("type", "object")


def _bounded(item: Schema, bounds: Schema) -> Schema:
    """`item` with bounds, which stand where the number does."""
    if "anyOf" in item:
        return {**item, "anyOf": [{**each, **bounds} if _is_number(each) else each for each in item["anyOf"]]}
    return {**item, **bounds}


def _is_number(schema: Schema) -> bool:
    return schema.get("type") in ("integer", "number")


def _closed(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _either(schemas: Sequence[Schema]) -> Schema:
    """A value of any of `schemas`, the newest version's first. Equal ones are one; tables are joined key by key."""
    first, *others = schemas
    if not others:
        return first
    if all(schema.get("additionalProperties") is False for schema in schemas):
        tables = [schema["properties"] for schema in schemas]
        keys = dict.fromkeys(key for table in tables for key in table)
        joined = _closed({key: _either([table[key] for table in tables if key in table]) for key in keys})
        return joined | _notes(schemas)
    rules = [_rules(schema) for schema in schemas]
    if all(each == rules[0] for each in rules):
        examples = dict.fromkeys(value for schema in schemas for value in schema.get("examples", ()))
        return _told({word: first[word] for word in rules[0]} | _notes(schemas), tuple(examples))
    different = [schema for place, schema in enumerate(schemas) if rules[place] not in rules[:place]]
    branches = [{word: rule for word, rule in each.items() if word not in _TOLD_ONCE} for each in different]
    return {"anyOf": branches} | _notes(schemas)


def _notes(schemas: Sequence[Schema]) -> Schema:
    """What is told of all `schemas`: the newest's description, and what they agree on."""
    first = schemas[0]
    agreed = (word for word in _TOLD_ONCE if all(word in each and each[word] == first.get(word) for each in schemas))
    return {word: first[word] for word in ("description", *agreed) if word in first}


def _rules(schema: Schema) -> Schema:
    """What of a schema decides."""
    return {word: _rule(word, rule) for word, rule in schema.items() if word not in (*_TOLD_ONCE, "examples")}


def _rule(word: str, rule: Any) -> Any:
    if word == "properties":
        return {name: _rules(each) for name, each in rule.items()}
    if word == "anyOf":
        return [_rules(each) for each in rule]
    return _rules(rule) if isinstance(rule, dict) else rule
