"""Where a model comes from and what its licence is, as far as its folder tells.

The repository is `Org/Name`. config.json's `_name_or_path` is believed only if its name is the folder's
own: what it mostly holds is the model this one was tuned from. Else the last two parts of the location
are taken for it. The revision is the commit that `hf download` leaves under .cache/huggingface.
"""

import re
from pathlib import PurePosixPath
from typing import TypeGuard

from stowplan.discover import knowledge
from stowplan.discover.files import KIB, Folder
from stowplan.discover.section import CONFIG, Section
from stowplan.nouns.facts import ModelSource

HUB_METADATA = ".cache/huggingface/download"
LOCATION = "location"
_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_CARD, _CARD_START = "README.md", 16 * KIB
_LICENSE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING")
_LICENSE_START = 4 * KIB
_FIELD = re.compile(r"(license|license_name):[ \t]*['\"]?([A-Za-z0-9][A-Za-z0-9._+-]{0,63})['\"]?[ \t]*")


def source(folder: Folder, config: Section, files: dict[str, int]) -> ModelSource:
    """Provider, repository and revision; what the folder does not tell is left out."""
    revision = _revision(folder, files)
    stated = config.values.get("_name_or_path")
    last_two = "/".join(PurePosixPath(folder.path).parts[-2:])
    repo: str | None
    if _is_repo(stated) and stated.split("/")[1].casefold() == folder.real.name.casefold():
        repo, evidence = stated, f"{CONFIG}: _name_or_path"
    elif _is_repo(last_two):
        repo, evidence = last_two, LOCATION
    elif revision is not None:
        repo, evidence = None, HUB_METADATA
    else:
        return ModelSource(provider="local")
    return ModelSource(provider="huggingface", repo=repo, revision=revision, evidence=evidence)


def license_of(folder: Folder) -> str | None:
    """The licence as the model card's front matter names it, else by the first lines of a licence file."""
    card = folder.text(_CARD, _CARD_START) or ""
    lines = card.splitlines()
    if lines and lines[0].strip() == "---":
        fields: dict[str, str] = {}
        for line in lines[1:]:
            if line.strip() == "---":
                break
            if (match := _FIELD.fullmatch(line)) is not None:
                fields[match[1]] = match[2]
        named = fields.get("license")
        if named is not None:
            return fields.get("license_name", named) if named == "other" else named
    for file in _LICENSE_FILES:
        text = folder.text(file, _LICENSE_START)
        if text is not None:
            return _recognised(text)
    return None


def _recognised(text: str) -> str | None:
    start = " ".join(text.split()).casefold()
    marks: dict[str, str] = knowledge.table("licenses")["texts"]
    found = [(start.find(mark.casefold()), name) for mark, name in marks.items() if mark.casefold() in start]
    return min(found)[1] if found else None


def _is_repo(text: object) -> TypeGuard[str]:
    return isinstance(text, str) and _REPO.fullmatch(text) is not None


def _revision(folder: Folder, files: dict[str, int]) -> str | None:
    """The commit on which all of a download's metadata agree."""
    names = (f"{HUB_METADATA}/{name}.metadata" for name in sorted(files))
    texts = [text for name in names if (text := folder.text(name, KIB)) is not None]
    commits = {text.split("\n", 1)[0].strip() for text in texts}
    commit = commits.pop() if len(commits) == 1 else ""
    return commit if _COMMIT.fullmatch(commit) else None
