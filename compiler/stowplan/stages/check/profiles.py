"""A profile by itself: is everything there that its launches need, and can it be read?"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from shlex import quote

from stowplan.engines.flags import kinds, version_key
from stowplan.nouns.overlay import EXTERNAL
from stowplan.nouns.profile import HOST, Engine, Profile, is_host, parse_capability, parse_ports, parse_size
from stowplan.nouns.roots import split
from stowplan.stages.check.places import place_of
from stowplan.words.diagnostic import Diagnostic, Place, error, warning
from stowplan.words.keypath import format_keypath
from stowplan.words.layered import find, leaves
from stowplan.words.version import STOWPLAN, satisfies

_READABLE = {
    ("gpu", "memory"): (parse_size, 'a size with its unit, as "16376 MiB"'),
    ("gpu", "reserved"): (parse_size, 'a size with its unit, as "1500 MiB"'),
    ("gpu", "capability"): (parse_capability, 'a compute capability, as "8.9"'),
    ("serving", "ports"): (parse_ports, 'a range of ports, as "24001-24010"'),
}


def check(profile: Profile) -> Iterator[Diagnostic]:
    """Missing and unreadable keys, engines without a flag table, roots that are no absolute folders."""
    yield from _requires(profile)
    for path, (parse, wanted) in _READABLE.items():
        leaf = profile.leaf(*path)
        if leaf is not None and parse(leaf.value) is None:
            message = f'`{format_keypath(path)}` is "{leaf.value}"; wanted is {wanted}'
            yield error("bad-value", message, place_of(leaf))
    for key in ("bind", "ports"):
        if profile.engines and profile.leaf("serving", key) is None:
            message = f"profile `{profile.name}` does not say `serving.{key}`"
            example = {"bind": 'bind = "127.0.0.1"', "ports": 'ports = "24001-24010"'}[key]
            place = Place(profile.file, ("serving",), "key")
            yield error("missing-key", message, place, hint=f"add `{example}` under [serving]")
    for key in ("bind", "connect"):
        leaf = profile.leaf("serving", key)
        if leaf is not None and not is_host(leaf.value):
            yield error("bad-value", f'`serving.{key}` is "{leaf.value}"; wanted is {HOST}', place_of(leaf))
    for name, root in profile.roots.items():
        leaf = profile.leaf("roots", name)
        if leaf is not None and split(f"{name}:path") is None:
            hint = "letters, digits, `_` and `-`; a letter first"
            place = Place(leaf.origin.file, leaf.origin.key, "key")
            yield error("unsafe-name", f"`{name}` cannot name a root", place, hint=hint)
        if leaf is not None and (not root.startswith("/") or ".." in PurePosixPath(root).parts):
            message = f'root `{name}` is "{root}"; a root is an absolute folder without `..`'
            hint = "another machine's folders belong in a profile of its own that says `extends`"
            yield error("unsafe-path", message, place_of(leaf), hint=hint)
    yield from _pass_env(profile)
    yield from _engines(profile)


def _pass_env(profile: Profile) -> Iterator[Diagnostic]:
    leaf = profile.leaf("serving", "pass-env")
    for index, name in enumerate(leaf.value if leaf is not None else ()):
        if leaf is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            place = Place(leaf.origin.file, (*leaf.origin.key, index))
            hint = "letters, digits and `_`; no digit first, and no pattern: each variable is listed"
            yield error("unsafe-name", f"`{name}` cannot name an environment variable", place, hint=hint)


def _engines(profile: Profile) -> Iterator[Diagnostic]:
    table = find(profile.tree, ("engine",))
    for label, node in table.items() if isinstance(table, dict) else ():
        at = ("engine", label)
        origin = next(leaf for _, leaf in leaves({label: node})).origin
        heading = Place(origin.file, at, "key")
        engine = profile.engines.get(label)
        if label == EXTERNAL:
            hint = "it means a server that something else starts; give the engine another label"
            yield error("unsafe-name", f"`{label}` cannot name an engine", heading, hint=hint)
        if engine is None:
            for key in ("version", "executable"):
                if profile.leaf(*at, key) is None:
                    message = f"engine `{label}` has no `{key}`"
                    hint = f"add `{key} = ...` under [{format_keypath(at)}]"
                    yield error("missing-key", message, heading, hint=hint)
            continue
        if engine.kind not in kinds():
            message = f"`{engine.kind}` is no engine that can be launched; known: {', '.join(kinds())}"
            hint = 'say `kind = "vllm"` under it, or `engine = "external"` in the overlays'
            yield error("unknown-engine", message, heading, hint=hint)
        elif engine.table is not None and not engine.is_verified:
            yield _unverified(engine, engine.table.version)
        if not re.fullmatch(r"/[^\0=]*", engine.executable.value) or engine.executable.value.endswith("/"):
            message = f'`executable` is "{engine.executable.value}"; wanted is a program\'s absolute path, without `=`'
            yield error("unsafe-path", message, place_of(engine.executable))


def _unverified(engine: Engine, known: str) -> Diagnostic:
    """What to say of a version without a flag table, where that of `known` is the nearest."""
    pinned = engine.version.value
    if not re.fullmatch(r"[0-9]{1,9}(?:\.[0-9A-Za-z]{1,9}){1,5}", pinned):
        message = f'`version` is "{pinned if len(pinned) <= 40 else pinned[:37] + "..."}"; wanted is one as "{known}"'
        return error("bad-value", message, place_of(engine.version))
    message = f"there is no flag table for {engine.kind} {pinned}"
    hint = f"`stowplan engine capture {engine.kind} {quote(pinned)}` makes it"
    if version_key(pinned)[:2] == version_key(known)[:2]:
        message += f"; flags are checked against {known}"
        return warning("engine-version-near", message, place_of(engine.version), hint=hint)
    hint += f"; with `--allow-nearest` flags are checked against {known}, and the build says so"
    return error("engine-version-unknown", message, place_of(engine.version), hint=hint)


def _requires(profile: Profile) -> Iterator[Diagnostic]:
    leaf = profile.leaf("requires-stowplan")
    if leaf is None:
        return
    verdict = satisfies(STOWPLAN, leaf.value)
    if verdict is None:
        yield error("bad-value", f'`requires-stowplan` is "{leaf.value}"; wanted is one as ">=0.4"', place_of(leaf))
    elif not verdict:
        message = f"profile `{profile.name}` requires Stowplan {leaf.value}; this is {STOWPLAN}"
        yield error("requires-newer-stowplan", message, place_of(leaf), hint="install the version it asks for")
