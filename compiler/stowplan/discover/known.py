"""What models.d says already: who is who, read leniently, since discover is what mends these files."""

from pathlib import Path
from typing import Any

from stowplan.discover.files import MIB, parse
from stowplan.discover.match import Known
from stowplan.nouns.facts import Location, ModelSource

MAX_FACTS = 16 * MIB


def known_models(models: Path) -> dict[str, Known]:
    """Every folder of models.d by name, with what its discovered.json says of identity."""
    if not models.is_dir():
        return {}
    folders = sorted(path for path in models.iterdir() if path.is_dir() and not path.name.startswith("."))
    return {folder.name: _known(folder / "discovered.json") for folder in folders}


def _known(file: Path) -> Known:
    try:
        if not file.is_file() or file.stat().st_size > MAX_FACTS:
            return Known()
        content = parse(file.read_bytes())
    except (OSError, ValueError):
        return Known()
    return Known(
        location=_shaped(Location, _part(content, "location")),
        source=_shaped(ModelSource, _part(content, "source")),
        headers_sha256=_text(_part(content, "weights").get("headers_sha256")),
    )


def _part(content: Any, name: str) -> dict[str, Any]:
    part = content.get(name) if isinstance(content, dict) else None
    return part if isinstance(part, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _shaped(shape: Any, part: dict[str, Any]) -> Any:
    """The dataclass with the part's texts; None if what it must have is missing."""
    texts = {key: value for key, value in part.items() if isinstance(value, str) and key in shape.__slots__}
    try:
        return shape(**texts)
    except TypeError:
        return None
