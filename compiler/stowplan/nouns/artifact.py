"""What a build is made of: files by path, folders of them that are named by their content, links."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stowplan.words.digest import canonical_json, sha256

FORMAT = 1
"""The format of manifest.json. Readers ignore fields they do not know and refuse a higher format."""
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One output file: a relative POSIX path, its bytes, and whether it may be executed."""

    path: str
    content: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class StoreObject:
    """A folder of the store: a manifest that names every file by digest, the files, and links.

    `links` maps a name in this folder to the digest of the object beside it that the name leads to.
    `digest`, the object's name in the store, is the sha256 of the manifest's bytes, so it covers all.
    """

    manifest: bytes
    files: tuple[Artifact, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The sha256 of the manifest, 64 hexadecimal digits."""
        return sha256(self.manifest)


@dataclass(frozen=True, slots=True)
class Build:
    """A whole build: the root object, and the objects of its profiles by name."""

    root: StoreObject
    profiles: Mapping[str, StoreObject]


def profile_object(profile: str, files: tuple[Artifact, ...]) -> StoreObject:
    """The object that holds one profile's outputs."""
    listed = {
        file.path: {"sha256": sha256(file.content), "size": len(file.content)}
        | ({"executable": True} if file.executable else {})
        for file in files
    }
    return StoreObject(_manifest({"profile": profile, "files": listed}), files)


def root_object(profiles: Mapping[str, StoreObject], about: Mapping[str, Any]) -> StoreObject:
    """The object a generation names: links to the profiles, and `about` (inputs, versions)."""
    links = {name: profile.digest for name, profile in profiles.items()}
    return StoreObject(_manifest({**about, "profiles": links}), links=links)


def _manifest(content: Mapping[str, Any]) -> bytes:
    return canonical_json({"format": FORMAT, **content}) + b"\n"
