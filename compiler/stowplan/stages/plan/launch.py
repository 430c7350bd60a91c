"""A subject → its launch: every token with the leaves it was made from.

Order: executable, `serve`, model, the reserved flags, then the other flags sorted by name, so that
the order of keys in a TOML file means nothing.
"""

from typing import Any

from stowplan.engines.flags import table_file
from stowplan.engines.spelling import spell
from stowplan.nouns.facts import Facts
from stowplan.nouns.flags import FlagTable
from stowplan.nouns.launch import EnvVar, Launch, Option, Token
from stowplan.nouns.profile import Engine
from stowplan.nouns.project import Subject
from stowplan.nouns.roots import resolve
from stowplan.words.digest import digest_of
from stowplan.words.layered import Layer, Leaf, Origin, Tree, leaves, plain

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


def launch(subject: Subject, engine: Engine, facts: Facts, served_name: Leaf) -> Launch:
    """The launch of a subject that check found sound, answering to `served_name`."""
    table = engine.table
    if table is None:
        raise ValueError(f"no flag table for {engine.kind} {engine.version.value}")  # check saw to it
    profile = subject.profile
    root, path = subject.fact("location", "root"), subject.fact("location", "path")
    assert root is not None and path is not None  # the facts' gate saw to it
    folder = profile.leaf("roots", facts.location.root)
    assert folder is not None
    model = Token(resolve(f"{root.value}:{path.value}", profile.roots), (path, folder))
    bind = profile.leaf("serving", "bind")
    assert bind is not None
    port, port_origin = port_of(subject)
    chosen = subject.leaf("engine") or engine.version
    command = (Token(engine.executable.value, (engine.executable,)), Token("serve", (chosen,)), model)
    address = (
        _option("host", str(bind.value), bind),
        _option("port", str(port), port_origin),
        _option("served-model-name", served_name.value, served_name),
    )
    options = _options(subject, table, facts)
    env = tuple(
        EnvVar(str(where[-1]), resolve(leaf.value, profile.roots), (leaf,))
        for where, leaf in sorted(leaves(subject.table("env")))
    )
    pass_env = tuple(sorted({*PASS_ENV, *(profile.value("serving", "pass-env") or ())}))
    fingerprint = {
        "argv": [token.text for option in (command, *address, *options) for token in option],
        "env": {variable.name: variable.value for variable in env},
        "pass_env": pass_env,
        "bind": [bind.value, port],
        "engine": [engine.kind, engine.version.value],
        "weights": facts.weights.headers_sha256,
        "config": [[file.path, file.sha256] for file in facts.files if file.path == "config.json"],
        "templates": [[template.file, template.sha256] for template in facts.templates],
    }
    return Launch(
        engine=engine.kind,
        version=engine.version.value,
        command=command,
        address=address,
        options=options,
        env=env,
        pass_env=pass_env,
        bind=bind.value,
        port=port,
        digest=digest_of(fingerprint),
    )


def port_of(subject: Subject) -> tuple[int, Leaf]:
    """The port a server listens on: the subject's own, else the first of the profile's range."""
    own = subject.leaf("port")
    if own is not None:
        return own.value, own
    ports = subject.profile.leaf("serving", "ports")
    assert ports is not None and subject.profile.ports is not None  # check saw to it
    return subject.profile.ports[0], ports


def template_path(subject: Subject, facts: Facts) -> tuple[str, tuple[Leaf, ...]] | None:
    """The template file vLLM is told to use: the one chosen, else the .jinja file the model brings."""
    chosen = subject.leaf("vllm", "chat-template")
    if chosen is not None:
        return str(resolve(chosen.value, subject.profile.roots)), (chosen,)
    first = next(iter(facts.own_templates), None)
    if first is None or first.kind != "jinja":
        return None
    location = facts.location
    text = resolve(f"{location.root}:{location.path}/{first.file}", subject.profile.roots)
    origins = (subject.fact("templates"), subject.fact("location", "path"))
    return text, tuple(origin for origin in origins if origin is not None)


def _options(subject: Subject, table: FlagTable, facts: Facts) -> tuple[Option, ...]:
    """Every flag that is not reserved, sorted by name."""
    flags: dict[str, tuple[Any, tuple[Leaf, ...]]] = {}
    for name in PINNED:
        if name in table.flags:
            default = table.flags[name].default
            place = Origin(table_file(table.engine, table.version), ("flags", f"--{name}", "default"))
            flags[name] = (default, (Leaf(default, Layer.ENGINE, place),))
    if (template := template_path(subject, facts)) is not None and "chat-template" in table.flags:
        flags["chat-template"] = template
    for name, node in subject.table(table.engine).items():
        flags[name] = (_plain(node), _origins(node))
    options = []
    for name, (value, origins) in sorted(flags.items()):
        spelled = spell(table.flags[name], resolve(value, subject.profile.roots))
        if spelled:
            options.append(tuple(Token(text, origins) for text in spelled))
    return tuple(options)


def _option(flag: str, value: str, origin: Leaf) -> Option:
    # a value that begins with a dash would be read as an option
    texts = (f"--{flag}={value}",) if value.startswith("-") else (f"--{flag}", value)
    return tuple(Token(text, (origin,)) for text in texts)


def _plain(node: Leaf | Tree) -> Any:
    return plain(node) if isinstance(node, dict) else node.value


def _origins(node: Leaf | Tree) -> tuple[Leaf, ...]:
    return tuple(leaf for _, leaf in sorted(leaves(node))) if isinstance(node, dict) else (node,)
