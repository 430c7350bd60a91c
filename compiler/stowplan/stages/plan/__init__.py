"""plan: a sound fleet → entries. What consumers see and what scripts run is decided here, once."""

from stowplan.nouns.entry import ChatTemplate, Entry
from stowplan.nouns.overlay import EXTERNAL
from stowplan.nouns.project import Fleet, State, Subject
from stowplan.nouns.roots import resolve
from stowplan.stages.plan.launch import launch, port_of, template_path
from stowplan.words.layered import Layer, Leaf, Origin, plain


def plan(fleet: Fleet) -> dict[str, tuple[Entry, ...]]:
    """Profile name → its entries, sorted by registry name. Stubs and disabled subjects have none."""
    entries: dict[str, list[Entry]] = {name: [] for name in sorted(fleet.profiles)}
    for subject in fleet.subjects:
        if subject.state is State.ACTIVE:
            entries[subject.profile.name].append(_entry(subject))
    return {name: tuple(sorted(rows, key=lambda entry: entry.name)) for name, rows in entries.items()}


def _entry(subject: Subject) -> Entry:
    folder = Leaf(subject.model, Layer.DISCOVERED, Origin(f"models.d/{subject.model}"))
    name = subject.leaf("name") or folder
    display = subject.leaf("display-name") or name
    external_model = subject.leaf("external", "model")
    served = subject.leaf("served-name") or _external_name(external_model, subject) or name
    port, port_origin = port_of(subject)
    host = _host(subject)
    started = None
    if not subject.is_external:
        assert subject.engine is not None and subject.facts is not None  # check saw to it
        started = launch(subject, subject.engine, subject.facts, served)
    origins: dict[str, tuple[Leaf, ...]] = {
        "name": (name,),
        "display-name": (display,),
        "served-name": (served,),
        "port": (port_origin,),
        "host": (host,) if host is not None else (),
    }
    if started is not None:
        path, path_origins = started.model_path, started.command[2].origins
    else:
        assert external_model is not None
        path, path_origins = resolve(external_model.value, subject.profile.roots), (external_model,)
    origins["model-path"] = path_origins
    return Entry(
        subject=subject,
        name=name.value,
        display_name=display.value,
        aliases=tuple(subject.value("aliases") or ()),
        backend=subject.value("external", "backend") if started is None else started.engine,
        host=subject.value("external", "host") or subject.profile.connect,
        port=port,
        model_path=path,
        served_name=served.value,
        launch=started,
        roles={str(role): leaf.value for role, leaf in sorted(subject.table("roles").items())},
        sampling=plain(subject.table("sampling")),
        template=_template(subject),
        deprecated=bool(subject.value("deprecated")),
        origins=origins,
    )


def _external_name(model: Leaf | None, subject: Subject) -> Leaf | None:
    """What an external server calls its model, unless that is a path below one of our roots."""
    if model is None or not subject.is_external:
        return None
    return model if resolve(model.value, subject.profile.roots) == model.value else None


def _host(subject: Subject) -> Leaf | None:
    if subject.value("engine") == EXTERNAL and (own := subject.leaf("external", "host")) is not None:
        return own
    return subject.profile.leaf("serving", "connect") or subject.profile.leaf("serving", "bind")


def _template(subject: Subject) -> ChatTemplate:
    facts = subject.facts
    if subject.is_external:
        return ChatTemplate("embedded")  # whatever serves it brings its own
    if facts is None:
        return ChatTemplate("none")
    chosen = template_path(subject, facts)
    if chosen is not None:
        folder = f"{facts.location.root}:{facts.location.path}"
        roots = subject.profile.roots
        holds = next((t for t in facts.templates if resolve(f"{folder}/{t.file}", roots) == chosen[0]), None)
        return ChatTemplate("external", chosen[0], holds.sha256 if holds is not None else None)
    if facts.own_templates:
        return ChatTemplate("embedded", None, facts.own_templates[0].sha256)
    return ChatTemplate("none")
