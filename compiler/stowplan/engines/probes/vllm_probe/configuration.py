"""The classes that vLLM makes of its flags: the fields of its JSON objects, and the bounds of its numbers."""

import dataclasses
import enum
import importlib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from .modules import Found, load, one_line
from .named import NAMED

BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string"}


class Objects:
    """The configuration classes met so far, by name: field → its shape, a subset of JSON Schema."""

    def __init__(self) -> None:
        self.shapes: dict[str, dict[str, Found]] = {}
        self._modules = importlib.import_module("vllm.config")

    def field(self, group: str, dest: str) -> Any:
        """The field behind a flag: that of the same name in the class its group is called after, if there is one."""
        held = getattr(self._modules, group, None) or getattr(importlib.import_module("vllm.config"), group, None)
        return getattr(held, "__pydantic_fields__", {}).get(dest)

    def add(self, held: type) -> str:
        """Note a class and every class in its fields. Out: the name it goes by."""
        name = held.__name__
        if name not in self.shapes:
            self.shapes[name] = {}  # first, since classes may hold each other
            self.shapes[name] = dict(sorted(self._fields(held)))
        return name

    def _fields(self, held: type) -> Iterator[tuple[str, Found]]:
        known = getattr(held, "__pydantic_fields__", {})
        told = attribute_docs(held)
        rewritten = before_validators(held)
        for field in dataclasses.fields(held):
            if not field.init or field.name.startswith("_"):
                continue
            info = known.get(field.name)
            shape: Found = {}
            if field.name not in rewritten and info is not None and not is_unchecked(info):
                shape = self.shape(info.annotation)
                shape.update(bounds(info))
            if words := one_line(told.get(field.name)):
                shape["description"] = words
            shape.update(NAMED.get(f"{held.__name__}.{field.name}", {}))
            default = field.default
            if isinstance(default, bool | int | float | str) and not isinstance(default, enum.Enum):
                shape["default"] = default
            yield field.name, shape

    def shape(self, annotation: Any) -> Found:
        """A type as JSON Schema; an empty one where JSON Schema cannot say it. TOML has no null: None is left out."""
        if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
            return {"object": self.add(annotation)}
        if annotation in SCALARS:
            return {"type": SCALARS[annotation]}
        origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            shape = self.shape(inner[0])
            return shape | bounds_of(inner[1:]) if shape else {}
        if origin is typing.Literal:
            return {"enum": [choice for choice in inner if choice is not None]}
        if origin in (typing.Union, types.UnionType):
            return self._union([one for one in inner if one is not type(None)])
        if origin in (list, set, Sequence, Set) or (origin is tuple and len(inner) == 2 and inner[1] is ...):
            items = self.shape(inner[0])
            return {"type": "array"} | ({"items": items} if items else {})
        if origin in (dict, Mapping):
            values = self.shape(inner[1])
            return {"type": "object"} | ({"additionalProperties": values} if values else {})
        if annotation in (dict, list):
            return {"type": "object" if annotation is dict else "array"}
        return {}

    def _union(self, members: list[Any]) -> Found:
        shapes = [self.shape(member) for member in members]
        if len(shapes) == 1:
            return shapes[0]
        return {"anyOf": shapes} if all(shapes) else {}


def before_validators(held: type) -> set[str]:
    """Fields whose values vLLM rewrites before their type is looked at: their annotation says too little."""
    decorators = getattr(getattr(held, "__pydantic_decorators__", None), "field_validators", {})
    return {
        field
        for decorator in decorators.values()
        if getattr(decorator.info, "mode", "after") in ("before", "wrap", "plain")
        for field in decorator.info.fields
    }


def is_unchecked(field: Any) -> bool:
    """Whether vLLM takes the field as it comes (pydantic's SkipValidation): it is filled in by vLLM itself."""
    return any(type(item).__name__ == "SkipValidation" for item in field.metadata)


def bounds(field: Any) -> Found:
    """The bounds that pydantic holds a field to."""
    return bounds_of(getattr(field, "metadata", ()))


def bounds_of(metadata: Sequence[Any]) -> Found:
    found = {}
    for item in metadata:
        for bound, word in BOUNDS.items():
            if isinstance(limit := getattr(item, bound, None), int | float):
                found[word] = limit
    return found


def dataclass_in(annotation: Any) -> type | None:
    """The one dataclass of an annotation such as `SpeculativeConfig | None`."""
    members = typing.get_args(annotation) or (annotation,)
    held = [member for member in members if isinstance(member, type) and dataclasses.is_dataclass(member)]
    return held[0] if len(held) == 1 else None


def attribute_docs(held: type) -> dict[str, str]:
    """The text below each field, where vLLM documents it."""
    reader = load("vllm.config.utils:get_attr_docs", "vllm.config:get_attr_docs")
    try:
        docs: dict[str, str] = {} if reader is None else reader(held)
    except (OSError, TypeError, IndexError, SyntaxError):  # no source to read
        return {}
    return docs
