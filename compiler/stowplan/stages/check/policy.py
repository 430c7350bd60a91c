"""What a colleague's TOML may do to a machine: remote code, open ports, secrets, paths."""

import difflib
import re
from collections.abc import Iterator
from typing import Any

from stowplan.engines.reserved import KEY_VARIABLE, LONGEST_ARGUMENT, RESERVED_VARIABLES
from stowplan.nouns.facts import Facts
from stowplan.nouns.profile import Profile
from stowplan.nouns.project import Subject
from stowplan.nouns.roots import is_inside, split
from stowplan.stages.check.places import place_of
from stowplan.words.diagnostic import Diagnostic, Place, error, warning
from stowplan.words.keypath import KeyPath, format_keypath
from stowplan.words.layered import Leaf, leaves

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Everything of one subject that needs a human's word, or must not be said at all."""
    yield from _names(subject)
    yield from _variables(subject)
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
    yield error("remote-code", message, place_of(leaf), hint=hint)


def _open_bind(subject: Subject) -> Iterator[Diagnostic]:
    leaf = subject.profile.leaf("serving", "bind")
    if leaf is None or not subject.profile.is_open or subject.profile.allows("open-bind"):
        return
    if KEY_VARIABLE in (subject.profile.value("serving", "pass-env") or ()):
        return  # the launch script refuses to start without it
    message = f'servers listen on "{leaf.value}", beyond this machine, and ask for no key'
    hint = f'bind 127.0.0.1, or list "{KEY_VARIABLE}" under `pass-env`, or add "open-bind" to `allow`'
    yield error("open-bind", message, place_of(leaf), hint=hint)


def _variables(subject: Subject) -> Iterator[Diagnostic]:
    for path, leaf in leaves(subject.table("env")):
        name = str(path[0])
        key = Place(leaf.origin.file, leaf.origin.key, "key")
        if not VARIABLE.fullmatch(name):
            message = f"`{name}` cannot name an environment variable"
            yield error("unsafe-name", message, key, hint="letters, digits and `_`; no digit first")
        elif name in RESERVED_VARIABLES:
            yield error("reserved-flag", f"`{name}` is not set here", key, hint=RESERVED_VARIABLES[name])
        elif len(f"{name}={leaf.value}".encode()) > LONGEST_ARGUMENT:
            message = f"`{name}` has more than the {LONGEST_ARGUMENT} bytes that Linux takes in one variable"
            yield error("bad-value", message, key, hint="put it into a file and name that")


def _paths(subject: Subject) -> Iterator[Diagnostic]:
    roots = subject.profile.roots
    if subject.facts is not None and not subject.is_external:
        location, known = subject.facts.location, subject.fact("location", "path")
        if location.root not in roots:
            message = f"profile `{subject.profile.name}` has no root `{location.root}`, where weights of its models lie"
            hint = f'add `{location.root} = "/..."` under [roots]'
            yield error("unknown-root", message, Place(subject.profile.file, ("roots",), "key"), hint=hint)
        if not _is_plain_path(location.path):
            message = f"the facts name a folder that cannot be the model's: {location.path[:80]!r}"
            hint = "run `stowplan discover` to make the file anew"
            yield error("unsafe-path", message, None if known is None else place_of(known), hint=hint)
        yield from _inner_paths(subject.facts, known)
    for path, leaf in leaves(subject.settings):
        for text in _strings(leaf.value):
            yield from _rooted(text, path, leaf, subject.profile)


def _inner_paths(facts: Facts, known: Leaf | None) -> Iterator[Diagnostic]:
    """Files below the model's folder, as its facts name them: they get into scripts and arguments."""
    for kind, names in (("templates", [t.file for t in facts.templates]), ("files", [f.path for f in facts.files])):
        for index, name in enumerate(names):
            if not _is_plain_path(name):
                message = f"the facts name a file that cannot be one of the model's: {name[:80]!r}"
                place = None if known is None else Place(known.origin.file, (kind, index))
                yield error("unsafe-path", message, place, hint="run `stowplan discover` to make the file anew")


def _is_plain_path(path: str) -> bool:
    """Whether a path stays inside, shows what it is, and is no longer than paths are (Linux, PATH_MAX)."""
    return is_inside(path) and path.isprintable() and len(path.encode("utf-8", "replace")) < 4096


def _rooted(text: str, path: KeyPath, leaf: Leaf, profile: Profile) -> Iterator[Diagnostic]:
    parts = split(text)
    if parts is None or path[0] not in ("vllm", "env", "external"):
        return
    root, below = parts
    if root in profile.roots:
        if not is_inside(below):
            message = f'`{format_keypath(path)}` is "{text}", which leaves the root `{root}`'
            yield error("unsafe-path", message, place_of(leaf), hint="name a path below the root, without `..`")
    elif close := difflib.get_close_matches(root, profile.roots, n=1, cutoff=0.75):
        message = f"profile `{profile.name}` has no root `{root}`, so the text is taken as it stands"
        yield warning("unknown-root", message, place_of(leaf), hint=f"did you mean `{close[0]}:{below}`?")


def _names(subject: Subject) -> Iterator[Diagnostic]:
    named = [("name",), ("display-name",), ("aliases",), ("served-name",)]
    for path in named:
        leaf = subject.leaf(*path)
        if leaf is None:
            continue
        for index, text in enumerate(_strings(leaf.value)):
            place = Place(leaf.origin.file, (*leaf.origin.key, index) if path == ("aliases",) else leaf.origin.key)
            if not text.strip() or text != text.strip() or len(text) > 256:
                message = f"`{path[0]}` must be 1 to 256 characters without blanks around them"
                yield error("unsafe-name", message, place)
            elif "/" in text and path[0] in ("name", "aliases"):
                message = f'`{path[0]}` is "{text}"; names hold no `/`, which parts MODEL from PROFILE'
                yield error("unsafe-name", message, place, hint="served names and display names may hold one")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
