"""plan: a sound fleet → entries. What consumers see and what scripts run is decided here, once."""

from stowplan.nouns.entry import ChatTemplate, Entry
from stowplan.nouns.facts import Facts
from stowplan.nouns.project import Fleet, State, Subject
from stowplan.nouns.roots import resolve
from stowplan.stages.plan.launch import Chosen, Site, launch, port_of, site, template_path
from stowplan.words.layered import Layer, Leaf, Origin, plain


def plan(fleet: Fleet) -> dict[str, tuple[Entry, ...]]:
    """Profile name → its entries, sorted by registry name. Stubs and disabled subjects have none."""
    entries: dict[str, list[Entry]] = {name: [] for name in sorted(fleet.profiles)}
    sites = {name: site(profile) for name, profile in fleet.profiles.items()}
    for subject in fleet.subjects:
        if subject.state is State.ACTIVE:
            name = subject.profile.name
            entries[name].append(_entry(subject, sites[name]))
    return {name: tuple(sorted(rows, key=lambda entry: entry.name)) for name, rows in entries.items()}


def _entry(subject: Subject, at: Site) -> Entry:
    settings, facts, external = subject.settings, subject.facts, subject.table("external")
    name: Leaf = settings.get("name") or Leaf(subject.model, Layer.DISCOVERED, Origin(f"models.d/{subject.model}"))
    display: Leaf = settings.get("display-name") or name
    own_host: Leaf | None = external.get("host")
    port, port_origin = port_of(subject, at)
    if subject.is_external:
        model: Leaf = external["model"]
        path, started = resolve(model.value, at.roots), None
        path_origins: tuple[Leaf, ...] = (model,)
        # what it calls its model, unless that is a path below one of our roots
        served: Leaf = settings.get("served-name") or (model if path == model.value else name)
        host, template = own_host or at.host, ChatTemplate("embedded")  # whatever serves it brings its own
    else:
        engine = subject.engine
        assert engine is not None and facts is not None  # check saw to it
        served = settings.get("served-name") or name
        chosen = template_path(subject, at, facts)
        started = launch(subject, at, engine, facts, served, chosen)
        path, path_origins = started.model_path, started.arguments[2].origins
        host, template = at.host, _template(facts, at, chosen)
    return Entry(
        subject=subject,
        name=name.value,
        display_name=display.value,
        aliases=tuple(settings["aliases"].value) if "aliases" in settings else (),
        backend=external["backend"].value if started is None else started.engine,
        host=at.connect if own_host is None else own_host.value,
        port=port,
        model_path=path,
        served_name=served.value,
        launch=started,
        roles={role: leaf.value for role, leaf in sorted(subject.table("roles").items())},
        sampling=plain(subject.table("sampling")),
        template=template,
        deprecated="deprecated" in settings and bool(settings["deprecated"].value),
        origins={
            "name": (name,),
            "display-name": (display,),
            "served-name": (served,),
            "port": (port_origin,),
            "host": () if host is None else (host,),
            "model-path": path_origins,
        },
    )


def _template(facts: Facts, at: Site, chosen: Chosen | None) -> ChatTemplate:
    if chosen is not None:
        folder = f"{facts.location.root}:{facts.location.path}"
        holds = next((t for t in facts.templates if resolve(f"{folder}/{t.file}", at.roots) == chosen[0]), None)
        return ChatTemplate("external", chosen[0], holds.sha256 if holds is not None else None)
    if facts.own_templates:
        return ChatTemplate("embedded", None, facts.own_templates[0].sha256)
    return ChatTemplate("none")
