"""A subject → its launch: every argument with the leaves it was made from.

Order: executable, `serve`, model, the reserved flags, then the other flags sorted by name, so that
the order of keys in a TOML file means nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from stowplan.engines.flags import table_file
from stowplan.engines.spelling import spell
from stowplan.nouns.facts import Facts
from stowplan.nouns.flags import Flag, FlagTable
from stowplan.nouns.launch import Argument, EnvVar, Launch
from stowplan.nouns.profile import Engine, Profile
from stowplan.nouns.project import Subject
from stowplan.nouns.roots import resolve
from stowplan.words.digest import canonical_text, listed, quoted, sha256
from stowplan.words.layered import Layer, Leaf, Origin, Tree, find, leaves, plain

PASS_ENV = (
    "CUDA_DEVICE_ORDER",
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
    "HF_HOME",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "NVIDIA_DRIVER_CAPABILITIES",
    "NVIDIA_VISIBLE_DEVICES",
    "PATH",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
)
"""What a server gets of its surroundings besides the profile's `pass-env`: nothing that configures vLLM."""

PINNED = ("gpu-memory-utilization",)
"""Flags always named: their default moved between versions (0.90 → 0.92 in vLLM 0.20), and launchers
that read the registry add a value of their own where it is missing."""


Chosen = tuple[str, tuple[Leaf, ...]]
"""The path of a template, and the leaves it was made from."""


@dataclass(frozen=True, slots=True)
class Site:
    """What all launches on one profile have in common, looked up once.

    `roots` and `folders` are its roots by name, as paths and as leaves. `bind` is where servers listen, `connect`,
    as `host` says, where consumers find them. `pinned`: label of an engine → its `PINNED` arguments by flag.
    """

    roots: Mapping[str, str]
    folders: Tree
    bind: Leaf | None
    connect: str
    host: Leaf | None
    ports: Leaf | None
    first_port: int | None
    pass_env: tuple[str, ...]
    pinned: Mapping[str, Mapping[str, Argument]]


def site(profile: Profile) -> Site:
    """The site that `profile` describes."""
    folders = find(profile.tree, ("roots",))
    bind = profile.leaf("serving", "bind")
    return Site(
        roots=profile.roots,
        folders=folders if isinstance(folders, dict) else {},
        bind=bind,
        connect=profile.connect,
        host=profile.leaf("serving", "connect") or bind,
        ports=profile.leaf("serving", "ports"),
        first_port=None if profile.ports is None else profile.ports[0],
        pass_env=tuple(sorted({*PASS_ENV, *(profile.value("serving", "pass-env") or ())})),
        pinned={label: dict(_pinned(engine.table)) for label, engine in profile.engines.items() if engine.table},
    )


def launch(
    subject: Subject, at: Site, engine: Engine, facts: Facts, served_name: Leaf, template: Chosen | None
) -> Launch:
    """The launch of a subject that check found sound, answering to `served_name`."""
    table, bind = engine.table, at.bind
    if table is None:
        raise ValueError(f"no flag table for {engine.kind} {engine.version.value}")  # check saw to it
    assert bind is not None
    port, port_origin = port_of(subject, at)
    chosen = subject.settings.get("engine") or engine.version
    arguments = (
        Argument((engine.executable.value,), (engine.executable,)),
        Argument(("serve",), (chosen,)),
        _model(subject, at, facts),
        _reserved("host", str(bind.value), bind),
        _reserved("port", str(port), port_origin),
        _reserved("served-model-name", served_name.value, served_name),
        *_others(subject, at, engine, table, template),
    )
    variables = subject.table("env")
    env = tuple([EnvVar(name, resolve(leaf.value, at.roots), (leaf,)) for name, leaf in sorted(variables.items())])
    return Launch(
        engine=engine.kind,
        version=engine.version.value,
        arguments=arguments,
        env=env,
        pass_env=at.pass_env,
        bind=bind.value,
        port=port,
        digest=_digest(arguments, env, at.pass_env, (bind.value, port), engine, facts),
    )


def port_of(subject: Subject, at: Site) -> tuple[int, Leaf]:
    """The port a server listens on: the subject's own, else the first of the profile's range."""
    own = subject.settings.get("port")
    if own is not None:
        return own.value, own
    assert at.ports is not None and at.first_port is not None  # check saw to it
    return at.first_port, at.ports


def template_path(subject: Subject, at: Site, facts: Facts) -> Chosen | None:
    """The template file vLLM is told to use: the one chosen, else the .jinja file the model brings."""
    chosen = subject.leaf("vllm", "chat-template")
    if chosen is not None:
        return str(resolve(chosen.value, at.roots)), (chosen,)
    first = next(iter(facts.own_templates), None)
    if first is None or first.kind != "jinja":
        return None
    location = facts.location
    text = resolve(f"{location.root}:{location.path}/{first.file}", at.roots)
    origins = (subject.fact("templates"), subject.fact("location", "path"))
    return text, tuple([origin for origin in origins if origin is not None])


def _digest(
    arguments: tuple[Argument, ...],
    env: tuple[EnvVar, ...],
    pass_env: tuple[str, ...],
    bind: tuple[str, int],
    engine: Engine,
    facts: Facts,
) -> str:
    """The sha256 of the canonical JSON of what it covers; a part that is a list of lists is most often empty."""
    config = [[file.path, file.sha256] for file in facts.files if file.path == "config.json"]
    templates = [[template.file, template.sha256] for template in facts.templates]
    parts = (
        f'{{"argv":{listed([text for argument in arguments for text in argument.texts])}',
        f'"bind":[{quoted(bind[0])},{bind[1]}]',
        f'"config":{canonical_text(config) if config else "[]"}',
        f'"engine":[{quoted(engine.kind)},{quoted(engine.version.value)}]',
        f'"env":{{{",".join([f"{quoted(variable.name)}:{quoted(variable.value)}" for variable in env])}}}',
        f'"pass_env":{_listed_once(pass_env)}',
        f'"templates":{canonical_text(templates) if templates else "[]"}',
        f'"weights":{canonical_text(facts.weights.headers_sha256)}}}',
    )
    return sha256(",".join(parts).encode())


def _model(subject: Subject, at: Site, facts: Facts) -> Argument:
    path, folder = subject.fact("location", "path"), at.folders[facts.location.root]
    assert path is not None  # the facts' gate saw to it
    return Argument((resolve(f"{facts.location.root}:{path.value}", at.roots),), (path, folder))


def _others(subject: Subject, at: Site, engine: Engine, table: FlagTable, template: Chosen | None) -> list[Argument]:
    """Every flag that is not reserved, sorted by name."""
    flags, roots = table.flags, at.roots
    said = {**at.pinned[engine.label], **subject.table(table.engine)}
    if template is not None and "chat-template" not in said and "chat-template" in flags:
        said["chat-template"] = Argument(spell(flags["chat-template"], template[0]), template[1])
    made = [
        node if isinstance(node, Argument) else _option(flags[name], node, roots) for name, node in sorted(said.items())
    ]
    return [argument for argument in made if argument.texts]


def _option(flag: Flag, node: Leaf | Tree, roots: Mapping[str, str]) -> Argument:
    if isinstance(node, Leaf):
        return Argument(spell(flag, resolve(node.value, roots)), (node,))
    return Argument(spell(flag, resolve(plain(node), roots)), tuple([leaf for _, leaf in sorted(leaves(node))]))


def _pinned(table: FlagTable) -> Iterator[tuple[str, Argument]]:
    for name in PINNED:
        if name in table.flags:
            flag = table.flags[name]
            place = Origin(table_file(table.engine, table.version), ("flags", f"--{name}", "default"))
            yield name, Argument(spell(flag, flag.default), (Leaf(flag.default, Layer.ENGINE, place),))


@lru_cache
def _listed_once(texts: tuple[str, ...]) -> str:
    return listed(texts)


def _reserved(flag: str, value: str, origin: Leaf) -> Argument:
    # a value that begins with a dash would be read as an option
    return Argument((f"--{flag}={value}",) if value.startswith("-") else (f"--{flag}", value), (origin,))
