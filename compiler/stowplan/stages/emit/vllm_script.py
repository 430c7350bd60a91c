"""launch/<model>.sh: a script that starts one vLLM server as it was compiled, and needs nothing of ours.

It looks first whether all it needs is there, then becomes the server, in an environment that holds what
`[env]` says and what is passed by name. Each value stands in it as a literal word of the shell.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path

import jinja2

from stowplan.engines.reserved import KEY_VARIABLE
from stowplan.nouns.artifact import Artifact
from stowplan.nouns.entry import Entry
from stowplan.nouns.facts import Facts
from stowplan.nouns.launch import Launch
from stowplan.nouns.piece import Piece
from stowplan.nouns.profile import Profile
from stowplan.stages.emit.layout import script_path
from stowplan.words.keypath import format_keypath
from stowplan.words.layered import Leaf

ENGINE = "vllm"
_BARE = re.compile(r"[A-Za-z0-9_./:@%+-]+")
_CUT = "\0"  # no word of a command line can hold it
_DIFFERS = ("model", "port", "digest", "file", "argv", "environment", "weights")
_LITERAL = "SC1003,SC1010,SC1112,SC2016,SC2088"
"""What shellcheck 0.11 says of literal words that look as if something else was meant: `'$x'`, `'~/x'`, `'\\'`."""


def script(profile: Profile, entry: Entry) -> bytes | None:
    """The script that starts `entry`; None if vLLM does not serve it."""
    subject, launch, engine = entry.subject, entry.launch, entry.subject.engine
    if launch is None or launch.engine != ENGINE:
        return None
    assert engine is not None and subject.facts is not None  # a launch was planned from them
    executable, serve, model, *flags = launch.arguments
    fills = {
        "model": subject.model,
        "port": str(launch.port),
        "digest": launch.digest,
        "file": subject.file,
        "argv": _lines([(*executable.texts, *serve.texts, *model.texts), *[flag.texts for flag in flags]]),
        "environment": _lines([(f"{variable.name}={variable.value}",) for variable in launch.env]),
        "weights": _lines(_weights(subject.facts)),
    }
    form = _form(
        profile=profile.name,
        version=launch.version,
        bind=launch.bind,
        executable_setting=_setting(executable.origins[0]),
        version_setting=_setting(engine.version),
        weights_setting=_setting(model.origins[-1]),
        needs_key=_needs_key(profile, launch),
        pass_env=launch.pass_env,
    )
    parts = list(form)
    parts[1::2] = [fills[name] for name in parts[1::2]]
    return "".join(parts).encode()


def artifacts(pieces: Sequence[Piece]) -> Iterator[Artifact]:
    """The scripts of those that have one."""
    for piece in pieces:
        if piece.script is not None:
            yield Artifact(script_path(piece.model), piece.script, executable=True)


@lru_cache
def _form(
    *,
    profile: str,
    version: str,
    bind: str,
    executable_setting: str,
    version_setting: str,
    weights_setting: str,
    needs_key: bool,
    pass_env: tuple[str, ...],
) -> tuple[str, ...]:
    """What the scripts of many launches have in common, cut where they differ: each second part names what belongs
    there. The template is filled in with texts that are quoted already; profile and version are safe by themselves.
    """
    differs = {name: f"{_CUT}{name}{_CUT}" for name in _DIFFERS}
    text = _template().render(
        **differs,
        profile=profile,
        version=version,
        literal=_LITERAL,
        bind=_quote(bind),
        executable_setting=_quote(executable_setting),
        version_setting=_quote(version_setting),
        weights_setting=_quote(weights_setting),
        needs_key=needs_key,
        pass_env=[_quote(name) for name in pass_env],
    )
    return tuple(text.split(_CUT))


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


def _lines(of: Iterable[Iterable[str]]) -> str:
    """A line for each, of words."""
    return "".join(["\n  " + " ".join(map(_quote, texts)) for texts in of])


def _quote(text: str) -> str:
    """`text` as one literal word: bare if it may be, else in single quotes."""
    return text if _BARE.fullmatch(text) else "'" + text.replace("'", "'\\''") + "'"
