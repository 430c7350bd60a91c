"""launch/<model>.sh: a script that starts one vLLM server as it was compiled, and needs nothing of ours.

It looks first whether all it needs is there, then becomes the server, in an environment that holds what
`[env]` says and what is passed by name. Each value stands in it as a literal word of the shell.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from stowplan.engines.reserved import KEY_VARIABLE
from stowplan.nouns.artifact import Artifact
from stowplan.nouns.entry import Entry
from stowplan.nouns.facts import Facts
from stowplan.nouns.launch import Launch
from stowplan.nouns.profile import Profile
from stowplan.stages.emit.layout import script_path
from stowplan.words.keypath import format_keypath
from stowplan.words.layered import Leaf

ENGINE = "vllm"
_BARE = re.compile(r"[A-Za-z0-9_./:@%+-]+")
_LITERAL = "SC1003,SC1010,SC1112,SC2016,SC2088"
"""What shellcheck 0.11 says of literal words that look as if something else was meant: `'$x'`, `'~/x'`, `'\\'`."""


def artifacts(profile: Profile, entries: tuple[Entry, ...]) -> Iterator[Artifact]:
    """One script for each entry that vLLM serves."""
    for entry in entries:
        if entry.launch is not None and entry.launch.engine == ENGINE:
            text = _template().render(_context(profile, entry, entry.launch))
            yield Artifact(script_path(entry.subject.model), text.encode(), executable=True)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
        comment_start_string="<#",  # the usual {# is bash's ${#array[@]}
        comment_end_string="#>",
    )
    return environment.get_template("vllm_script.sh.j2")


def _context(profile: Profile, entry: Entry, launch: Launch) -> dict[str, Any]:
    """What the template fills in, each text quoted already; model, profile and version are safe by themselves."""
    subject = entry.subject
    assert subject.facts is not None  # a launch was planned from them
    options = (launch.command, *launch.address, *launch.options)
    executable, _, model = launch.command
    engine = subject.engine
    assert engine is not None
    return {
        "model": subject.model,
        "profile": profile.name,
        "version": launch.version,
        "port": launch.port,
        "digest": launch.digest,
        "file": subject.file,
        "literal": _LITERAL,
        "argv": [_words(token.text for token in option) for option in options],
        "environment": [_quote(f"{variable.name}={variable.value}") for variable in launch.env],
        "weights": [_words(words) for words in _weights(subject.facts)],
        "bind": _quote(launch.bind),
        "executable_setting": _quote(_setting(executable.origins[0])),
        "version_setting": _quote(_setting(engine.version)),
        "weights_setting": _quote(_setting(model.origins[-1])),
        "needs_key": _needs_key(profile, launch),
        "pass_env": [_quote(name) for name in launch.pass_env],
    }


def _weights(facts: Facts) -> Iterator[tuple[str, str]]:
    """The files that must be there, with their size where it says whether a download is whole."""
    for file in facts.files:
        if file.header_sha256 is not None:
            yield str(file.size), file.path
        elif file.path == "config.json":
            yield "-", file.path


def _setting(leaf: Leaf) -> str:
    """Where to correct a value: `roots.weights in profiles/cpu.toml`."""
    return f"{format_keypath(leaf.origin.key)} in {leaf.origin.file}"


def _needs_key(profile: Profile, launch: Launch) -> bool:
    """Whether the server must not start without a key: it listens beyond this machine, and passes one."""
    return KEY_VARIABLE in launch.pass_env and not profile.allows("open-bind") and profile.is_open


def _words(texts: Iterable[str]) -> str:
    return " ".join(map(_quote, texts))


def _quote(text: str) -> str:
    """`text` as one literal word: bare if it may be, else in single quotes."""
    return text if _BARE.fullmatch(text) else "'" + text.replace("'", "'\\''") + "'"
