"""The largest image an encoder is given: a processor's file says it, or config.json; else it is not known.

A processor makes an image of so many pixels, or so many patches, at most; several patches become one token. Others
make the same number of tokens of any image. Which processor says what stands in knowledge.json (`images`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stowplan.discover import knowledge
from stowplan.discover.files import MIB, Folder
from stowplan.discover.section import Section, is_count
from stowplan.nouns.facts import Tower

PROCESSOR, TOGETHER = "preprocessor_config.json", "processor_config.json"
"""A file of the image processor alone, and one of all processors (`image_processor`)."""


def with_largest_image(tower: Tower | None, config: Section) -> Tower | None:
    """The vision tower with what is said of its largest image."""
    if tower is None:
        return None
    table = knowledge.table("images")
    fixed = config.count(table["fixed"]) if table["fixed"] in config.values else None
    if fixed is not None:
        return replace(tower, image_tokens=fixed, token_patches=_patches_of_square(tower, fixed))
    processor = _processor(config.folder)
    kind = str(processor.get("image_processor_type")).removesuffix("Fast")
    if (said := table["pixels"].get(kind)) is not None:
        side, merge = _count(processor, said["side"]) or tower.patch_size, _square(processor, said["merge"])
        return _made(tower, _first(processor, said["most"]), merge, (side or 0) ** 2)
    if (said := table["patches"].get(kind)) is not None:
        return _made(tower, _first(processor, said["most"]), _square(processor, said["merge"]), 1)
    return tower


def _made(tower: Tower, most: int | None, merge: int | None, area: int) -> Tower:
    """`most` pixels or patches at most, `merge` patches of `area` a token."""
    if most is None or merge is None or not area:
        return tower
    return replace(tower, image_tokens=max(1, most // (merge * area)), token_patches=merge)


def _patches_of_square(tower: Tower, tokens: int) -> int | None:
    if tower.image_size is None or tower.patch_size is None:
        return None
    return max(1, (tower.image_size // tower.patch_size) ** 2 // tokens)


def _processor(folder: Folder) -> Mapping[str, Any]:
    found = folder.json_object(PROCESSOR, MIB)
    if found is None and folder.has(TOGETHER):
        found = (folder.json_object(TOGETHER, MIB) or {}).get("image_processor")
    return found if isinstance(found, dict) else {}


def _count(values: Mapping[str, Any], *path: str) -> int | None:
    found: Any = values
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if is_count(found) else None


def _first(values: Mapping[str, Any], paths: list[list[str]]) -> int | None:
    return next((found for path in paths if (found := _count(values, *path)) is not None), None)


def _square(values: Mapping[str, Any], key: str) -> int | None:
    """Patches that become one: of a square with that side, or of a rectangle with those sides."""
    sides = values.get(key)
    if not isinstance(sides, list):
        side = _count(values, key)
        return None if side is None else side * side
    whole = [side for side in sides if is_count(side)]
    return whole[0] * whole[1] if len(whole) == len(sides) == 2 else None
