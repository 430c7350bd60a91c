"""Whether a build folder is whole, seen by an eye of its own: it shares no code with the store that it judges."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

DIGEST = re.compile(r"[0-9a-f]{64}")


def torn(build: Path) -> list[str]:
    """What is not whole, a sentence each; none for a sound build folder, and none where nothing was built yet.

    Every object must be what its name says, every generation must lead to a build with all of its profiles,
    and `current` to a generation.
    """
    places = [place for place in _listed(build / "store") if DIGEST.fullmatch(place.name)]
    found = [line for place in places for line in object_faults(place)]
    for link in _listed(build / "generations"):
        if link.name.isdecimal():
            found += generation_faults(build, link)
    if os.path.lexists(build / "current"):
        to = str((build / "current").readlink())
        if not re.fullmatch(r"generations/[1-9][0-9]*", to) or not (build / to).is_symlink():
            found.append(f"current leads to {to}, which is no generation")
    return found


def generation_faults(build: Path, link: Path) -> Iterator[str]:
    """What is wrong with where a generation leads, unless the object itself is torn."""
    to = str(link.readlink())
    root = build / "store" / Path(to).name
    if to != f"../store/{root.name}" or not root.is_dir():
        yield f"generation {link.name} leads to {to}, where no object is"
    elif not object_faults(root):
        profiles = json.loads((root / "manifest.json").read_bytes())["profiles"]
        gone = {name: digest for name, digest in profiles.items() if not (root.parent / digest).is_dir()}
        yield from (f"generation {link.name} lacks {name}: {digest} is gone" for name, digest in gone.items())


def object_faults(place: Path) -> list[str]:
    """How an object differs from what its manifest lists, and its manifest from what the object is named by."""
    content = (place / "manifest.json").read_bytes() if (place / "manifest.json").is_file() else b""
    if hashlib.sha256(content).hexdigest() != place.name:
        return [f"store/{place.name}: its manifest is another"]
    manifest = json.loads(content)
    wanted: dict[str, object] = {"manifest.json": (0o444, place.name)}
    for path, about in manifest.get("files", {}).items():
        wanted[path] = (0o555 if about.get("executable") else 0o444, about["sha256"])
        wanted |= {str(parent): 0o555 for parent in Path(path).parents}
    wanted |= {name: f"../{digest}" for name, digest in manifest.get("profiles", {}).items()} | {".": 0o555}
    there = {str(path.relative_to(place)): _state(path) for path in (place, *place.rglob("*"))}
    paths = sorted(wanted.keys() | there.keys())
    return [f"store/{place.name}/{path} is torn" for path in paths if wanted.get(path) != there.get(path)]


def current_digest(build: Path) -> str | None:
    """The name of the object that `current` leads to; None where there is no such link. OSError if it dangles."""
    link = build / "current"
    return link.resolve(strict=True).name if os.path.lexists(link) else None


def leftovers(build: Path) -> list[str]:
    """What a broken-off command left: all that is no object, no generation, no log, and nothing put aside.

    A link that was to be swapped in (`.current.new`) may stay: the next swap begins with it.
    """
    known = re.compile(
        rf"store/({DIGEST.pattern}|\.damaged-.*)|generations/([0-9]+|log\.jsonl|pins.*)|\.?(current|active)(\.new)?"
    )
    shown = [*_listed(build / "store"), *_listed(build / "generations"), *_listed(build)]
    names = {str(path.relative_to(build)) for path in shown} - {"store", "generations", ".state", ".gitignore"}
    return sorted(name for name in names if not known.fullmatch(name))


def numbers_in_log(build: Path) -> list[int]:
    """The number of every generation that was published, as the log has them."""
    log = build / "generations/log.jsonl"
    lines = [json.loads(line) for line in log.read_bytes().splitlines()] if log.exists() else []
    return [line["number"] for line in lines if line["action"] == "publish"]


def numbers(build: Path) -> list[int]:
    """The number of every generation that is there."""
    return sorted(int(path.name) for path in _listed(build / "generations") if path.name.isdecimal())


def _state(path: Path) -> object:
    if path.is_symlink():
        return str(path.readlink())
    mode = path.stat().st_mode & 0o7777
    return (mode, hashlib.sha256(path.read_bytes()).hexdigest()) if path.is_file() else mode


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
