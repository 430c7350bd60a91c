"""What a colleague's TOML may do to a machine: remote code, open ports, secrets, paths."""

import difflib
import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

from stowplan.nouns.profile import Profile
from stowplan.nouns.project import Subject
from stowplan.nouns.roots import is_inside, split
from stowplan.words.diagnostic import Diagnostic, Place, error, warning
from stowplan.words.keypath import KeyPath, format_keypath
from stowplan.words.layered import Leaf, leaves

KEY_VARIABLE = "VLLM_API_KEY"
"""The variable vLLM reads its API key from (0.11.0 to 0.32.0, vllm/envs.py)."""
_SECRET_NAME = re.compile(r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|(?:API|ACCESS|PRIVATE|SECRET)_?KEY)$")
_SECRET_VALUE = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}"
    r"|AKIA[0-9A-Z]{16}|xox[abpr]-[A-Za-z0-9-]{10,}|nvapi-[A-Za-z0-9_-]{30,})|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Everything of one subject that needs a human's word, or must not be said at all."""
    yield from _names(subject)
    yield from _secrets(subject)
    yield from _paths(subject)
    if not subject.is_external:
        yield from _remote_code(subject)
        yield from _open_bind(subject)


def _remote_code(subject: Subject) -> Iterator[Diagnostic]:
    leaf = subject.leaf("vllm", "trust-remote-code")
    word = f"remote-code:{subject.model}"
    if leaf is None or leaf.value is not True or subject.profile.allows(word):
        return
    message = f"`{subject.name}` runs code from the model's folder, which its profile does not allow"
    hint = f'read that code, then add "{word}" to `allow` in {subject.profile.file}'
    yield error("remote-code", message, _place(leaf), hint=hint)


def _open_bind(subject: Subject) -> Iterator[Diagnostic]:
    leaf = subject.profile.leaf("serving", "bind")
    if leaf is None or _is_loopback(leaf.value) or subject.profile.allows("open-bind"):
        return
    if KEY_VARIABLE in (subject.profile.value("serving", "pass-env") or ()):
        return  # the launch script refuses to start without it
    message = f'servers listen on "{leaf.value}", beyond this machine, and ask for no key'
    hint = f'bind 127.0.0.1, or list "{KEY_VARIABLE}" under `pass-env`, or add "open-bind" to `allow`'
    yield error("open-bind", message, _place(leaf), hint=hint)


def _is_loopback(address: str) -> bool:
    try:
        return address == "localhost" or ip_address(address).is_loopback
    except ValueError:
        return False


def _secrets(subject: Subject) -> Iterator[Diagnostic]:
    hint = "list the variable under `pass-env` of the profile's [serving], and set it where the script runs"
    for path, leaf in leaves(subject.settings):
        name = format_keypath(path)
        by_name = path[0] == "env" and _SECRET_NAME.search(str(path[-1]).upper()) and leaf.value
        by_flag = path[:1] == ("vllm",) and path[-1] == "hf-token" and isinstance(leaf.value, str)
        if by_name or by_flag or any(_SECRET_VALUE.search(text) for text in _strings(leaf.value)):
            message = f"`{name}` looks like a secret; a build is world-readable"
            yield error("secret-in-config", message, _place(leaf), hint=hint)
        if path[0] == "env" and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(path[-1])):
            message = f"`{path[-1]}` cannot name an environment variable"
            place = Place(leaf.origin.file, leaf.origin.key, "key")
            yield error("unsafe-name", message, place, hint="letters, digits and `_`; no digit first")


def _paths(subject: Subject) -> Iterator[Diagnostic]:
    roots = subject.profile.roots
    if subject.facts is not None and not subject.is_external:
        location = subject.facts.location
        known = subject.fact("location", "root")
        place = Place(known.origin.file, known.origin.key) if known is not None else None
        if location.root not in roots:
            message = f"profile `{subject.profile.name}` has no root `{location.root}`, where the weights lie"
            hint = f'add `{location.root} = "/..."` under [roots] in {subject.profile.file}'
            yield error("unknown-root", message, place, hint=hint)
        if not is_inside(location.path):
            yield error("unsafe-path", f"`{location.path}` leaves its root", place)
    for path, leaf in leaves(subject.settings):
        for text in _strings(leaf.value):
            yield from _rooted(text, path, leaf, subject.profile)


def _rooted(text: str, path: KeyPath, leaf: Leaf, profile: Profile) -> Iterator[Diagnostic]:
    parts = split(text)
    if parts is None or path[0] not in ("vllm", "env", "external"):
        return
    root, below = parts
    if root in profile.roots:
        if not is_inside(below):
            message = f'`{format_keypath(path)}` is "{text}", which leaves the root `{root}`'
            yield error("unsafe-path", message, _place(leaf), hint="name a path below the root, without `..`")
    elif close := difflib.get_close_matches(root, profile.roots, n=1, cutoff=0.75):
        message = f"profile `{profile.name}` has no root `{root}`, so the text is taken as it stands"
        yield warning("unknown-root", message, _place(leaf), hint=f"did you mean `{close[0]}:{below}`?")


def _names(subject: Subject) -> Iterator[Diagnostic]:
    named = [("name",), ("display-name",), ("aliases",), ("served-name",)]
    for path in named:
        leaf = subject.leaf(*path)
        for text in _strings(leaf.value) if leaf is not None else ():
            if not text.strip() or text != text.strip() or len(text) > 256:
                message = f"`{path[0]}` must be 1 to 256 characters without blanks around them"
                yield error("unsafe-name", message, _place(leaf))
            elif "/" in text and path[0] in ("name", "aliases"):
                message = f'`{path[0]}` is "{text}"; names hold no `/`, which parts MODEL from PROFILE'
                yield error("unsafe-name", message, _place(leaf), hint="served names and display names may hold one")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)


def _place(leaf: Leaf | None) -> Place | None:
    return None if leaf is None else Place(leaf.origin.file, leaf.origin.key)
