"""Profiles, each with what it extends laid under it.

Typed parts that cannot be read are None or left out here; check says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stowplan.engines.flags import flag_table, nearest, versions
from stowplan.nouns.flags import FlagTable
from stowplan.nouns.measured import Start
from stowplan.nouns.profile import Engine, Gpu, Profile, parse_capability, parse_ports, parse_size
from stowplan.nouns.project import Project
from stowplan.stages.merge.ledger import Ledger
from stowplan.stages.merge.stack import Stack, sheet_of
from stowplan.words.diagnostic import Place, error
from stowplan.words.layered import Layer, Leaf, Tree, find


def merged_profile(name: str, project: Project, ledger: Ledger) -> Profile | None:
    """The profile of that name; None if what it extends cannot be had."""
    own = project.profiles[name]
    documents, names = [own], [name]
    if (parent_name := own.table.get("extends")) is not None:
        place = Place(own.file, ("extends",))
        if parent_name in project.broken_profiles:
            return None
        parent = project.profiles.get(parent_name)
        if parent is None:
            known = ", ".join(sorted(set(project.profiles) - {name})) or "no other profile"
            message = f"there is no profile `{parent_name}` to extend"
            ledger.add(error("unknown-profile", message, place, hint=f"known: {known}"))
            return None
        if parent is own:
            message = f"`{name}` extends itself"
            ledger.add(error("extends-chain", message, place, hint="extend another profile, or remove the line"))
            return None
        if "extends" in parent.table:
            message = f"`{parent_name}` extends a profile itself; one level is all there is"
            ledger.add(error("extends-chain", message, place, hint="extend the profile it extends, or copy its tables"))
            return None
        documents, names = [parent, own], [name, parent_name]
    stack = Stack({})
    for document in documents:
        stack = stack.lay(sheet_of(document, Layer.PROFILE), ledger)
    tree = {key: node for key, node in stack.settled().items() if key != "extends"}
    ports = find(tree, ("serving", "ports"))
    gpu = _gpu(tree)
    return Profile(
        name=name,
        file=own.file,
        names=tuple(names),
        tree=tree,
        gpu=gpu,
        engines=_engines(tree, project),
        ports=parse_ports(ports.value) if isinstance(ports, Leaf) else None,
        measured=_measured(names, gpu, project),
    )


def _measured(names: Sequence[str], gpu: Gpu | None, project: Project) -> Mapping[str, tuple[Start, ...]]:
    """What was measured on such a card, by model: for the profile itself, then for the one that it extends."""
    found: dict[str, tuple[Start, ...]] = {}
    for seen in (project.measured[name] for name in names if name in project.measured):
        for start in seen.starts if gpu is not None and (seen.gpu, seen.memory) == (gpu.name, gpu.memory) else ():
            found[start.model] = (*found.get(start.model, ()), start)
    return found


def _engines(tree: Tree, project: Project) -> Mapping[str, Engine]:
    """The engines that are whole; check names what the others lack."""
    found = {}
    for label, table in (find(tree, ("engine",)) or {}).items():  # type: ignore[union-attr]
        if isinstance(table, dict) and {"version", "executable"} <= table.keys():
            kind = table["kind"].value if "kind" in table else label
            flags = _flag_table(kind, table["version"].value, project)
            found[label] = Engine(label, kind, table["version"], table["executable"], flags)
    return found


def _flag_table(kind: str, version: str, project: Project) -> FlagTable | None:
    """The project's own table of that version, else Stowplan's, else the nearest of both."""
    own, public = project.tables.get(kind, {}), version.partition("+")[0]  # 0.33.0+cu130 is 0.33.0, built locally
    chosen = nearest(public, {*own, *versions(kind)})
    table = None if chosen is None else own.get(chosen) or flag_table(kind, chosen)
    return table if table is None or table.version == public else replace(table, stands_in_for=version)


def _gpu(tree: Tree) -> Gpu | None:
    """The cards that `[gpu]` describes, None if the profile has no `[gpu]`."""
    table = find(tree, ("gpu",))
    if not isinstance(table, dict):
        return None
    values = {key: leaf.value for key, leaf in table.items() if isinstance(leaf, Leaf)}
    return Gpu(
        name=values.get("name", "GPU"),
        count=values.get("count", 1),
        memory=parse_size(values["memory"]) if "memory" in values else None,
        reserved=parse_size(values.get("reserved", "0 B")) or 0,
        capability=parse_capability(values["capability"]) if "capability" in values else None,
    )
