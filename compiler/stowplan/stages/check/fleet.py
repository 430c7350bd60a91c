"""What cannot be seen in one subject alone: names taken twice, ports, weights shared."""

from collections import defaultdict
from collections.abc import Iterator

from stowplan.nouns.profile import Profile
from stowplan.nouns.project import Fleet, Model, Project, State, Subject
from stowplan.stages.check.places import place_of
from stowplan.words.diagnostic import Diagnostic, Label, Place, error
from stowplan.words.names import fold

Taken = dict[str, tuple[str, Place, str]]
"""Folded name → the model it belongs to, where that says so, and the name as written."""


def check(project: Project, merged: Fleet) -> Iterator[Diagnostic]:
    """Across models: names and weights. Across the subjects of a profile: served names and ports."""
    taken: Taken = {}
    yield from _names(project, taken)
    yield from _weights(project)
    for profile in merged.profiles.values():
        subjects = [s for s in merged.subjects if s.profile is profile and s.state is State.ACTIVE]
        yield from _served_names(subjects, dict(taken))
        yield from _ports(profile, subjects)


def _names(project: Project, taken: Taken) -> Iterator[Diagnostic]:
    """Folders first: they cannot say otherwise, a name that someone wrote can."""
    models = project.models.values()
    folders = [(model, model.name, Place(f"models.d/{model.name}")) for model in models]
    written = [(model, name, place) for model in models for name, place in _written_names(model)]
    for model, name, place in (*folders, *written):
        other = taken.setdefault(fold(name), (model.name, place, name))
        if other[0] != model.name:
            yield _taken(name, place, other)


def _written_names(model: Model) -> Iterator[tuple[str, Place]]:
    if model.base is None:
        return
    for key in ("name", "display-name"):
        if key in model.base.table:
            yield model.base.table[key], Place(model.base.file, (key,))
    for index, alias in enumerate(model.base.table.get("aliases", ())):
        yield alias, Place(model.base.file, ("aliases", index))


def _taken(name: str, place: Place, other: tuple[str, Place, str]) -> Diagnostic:
    owner, at, as_written = other
    message = f'"{name}" is taken: model `{owner}` is called "{as_written}"'
    hint = "names are compared without case and punctuation; choose another, or drop the alias"
    return error("name-taken", message, place, also=[Label(at, "taken here")], hint=hint)


def _served_names(subjects: list[Subject], taken: Taken) -> Iterator[Diagnostic]:
    """A served name left out is the model's name, which is in `taken` already."""
    for subject in subjects:
        leaf = subject.leaf("served-name")
        if leaf is None or subject.is_external:
            continue
        place = place_of(leaf)
        other = taken.setdefault(fold(leaf.value), (subject.model, place, leaf.value))
        if other[0] != subject.model:
            yield _taken(leaf.value, place, other)


def _weights(project: Project) -> Iterator[Diagnostic]:
    """Two models on one folder, or on two copies of one repository's weights.

    Equal headers alone prove nothing: a fine-tune has those of its base.
    """
    groups: defaultdict[tuple[str, ...], list[Model]] = defaultdict(list)
    for model in project.models.values():
        if model.facts is not None:
            content = model.facts.content
            location, repo = content["location"], content["source"].get("repo")
            digest = content["weights"].get("headers_sha256")
            groups["folder", location["root"], location["path"]].append(model)
            if repo and digest:
                groups["copies", repo, digest].append(model)
    told: set[tuple[str, str]] = set()
    for models in groups.values():
        owners = [m for m in models if m.base is None or "alias-of" not in m.base.table]
        for model in owners[1:]:
            first = owners[0]
            if (first.name, model.name) not in told:
                told.add((first.name, model.name))
                yield _shared(model, first)


def _shared(model: Model, first: Model) -> Diagnostic:
    message = f"`{model.name}` and `{first.name}` are the same weights"
    hint = f'say `alias-of = "{first.name}"` in models.d/{model.name}/base.toml, or keep one of them'
    at, other = (Place(f"models.d/{m.name}/discovered.json", ("location", "path")) for m in (model, first))
    return error("weights-shared", message, at, also=[Label(other, "the same weights")], hint=hint)


def _ports(profile: Profile, subjects: list[Subject]) -> Iterator[Diagnostic]:
    taken: dict[int, Subject] = {}
    for subject in subjects:
        leaf = subject.leaf("port")
        if leaf is None:
            if subject.is_external or not profile.one_at_a_time:
                why = "it is external" if subject.is_external else 'the profile serves models "together"'
                message = f"`{subject.name}` needs a `port` of its own: {why}"
                yield error("port-missing", message, Place(subject.file), hint="add `port = ...` at the top of it")
            continue
        place = place_of(leaf)
        port = leaf.value
        if subject.is_external:
            if not 1 <= port <= 65535:
                yield error("port-outside-range", f"{port} is no port; they go from 1 to 65535", place)
            continue
        if profile.ports is not None and not profile.ports[0] <= port <= profile.ports[1]:
            ports = profile.leaf("serving", "ports")
            also = [Label(place_of(ports), "the profile's ports")] if ports else []
            message = f"port {port} lies outside {profile.ports[0]}-{profile.ports[1]}"
            yield error("port-outside-range", message, place, also=also)
        other = taken.setdefault(port, subject)
        if other is not subject and not profile.one_at_a_time:
            first = other.leaf("port")
            also = [Label(place_of(first), f"`{other.model}` has it")] if first else []
            message = f"port {port} is taken by `{other.model}`, and both run together"
            yield error("port-taken", message, place, also=also, hint="give one of them another port")
