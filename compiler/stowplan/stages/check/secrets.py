"""Secrets in any file a person wrote: a build is readable by everybody, and so is git.

A value is taken for one by its own look, or by the name it stands under.
"""

import re
from collections.abc import Iterator
from typing import Any

from stowplan.nouns.project import Document, Project
from stowplan.words.diagnostic import Diagnostic, Place, error
from stowplan.words.keypath import KeyPath, format_keypath

_NAME = re.compile(r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|(?:API|ACCESS|PRIVATE|SECRET)_?KEY)$")
_VALUE = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}"
    r"|AKIA[0-9A-Z]{16}|xox[abpr]-[A-Za-z0-9-]{10,}|nvapi-[A-Za-z0-9_-]{30,})|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_FLAGS = ("hf-token",)
"""Flags that take a token (vLLM 0.11.0 to 0.32.0), or true for "the one that was logged in with"."""


def check(project: Project) -> Iterator[Diagnostic]:
    """Every value that looks like a secret, once, and without showing it."""
    for document in _documents(project):
        for path, text in _texts(document.table, ()):
            if text and (_is_secret_name(path) or _VALUE.search(text)):
                message = f"`{format_keypath(path)}` looks like a secret; a build is world-readable"
                hint = "list the variable under `pass-env` of the profile's [serving], and set it where the script runs"
                yield error("secret-in-config", message, Place(document.file, path, hidden=True), hint=hint)


def _documents(project: Project) -> Iterator[Document]:
    yield from project.profiles.values()
    for model in project.models.values():
        if model.base is not None:
            yield model.base
        yield from model.overlays.values()


def _texts(value: Any, at: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*at, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*at, key))


def _is_secret_name(path: KeyPath) -> bool:
    """Whether a variable or a flag of this name holds a secret."""
    if len(path) < 2:
        return False
    table, name = path[-2:]
    return (table == "env" and _NAME.search(str(name).upper()) is not None) or name in _FLAGS
