"""merge: a project → a fleet. Layers are laid over each other once, here and nowhere else.

Order, lowest first: the profile's defaults (its parent's below its own), the model's base.toml, its
overlay for the profile's parent, its overlay for the profile. Facts are a tree of their own, with
`[correct]` laid over them; settings cannot reach them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stowplan.nouns.facts import Facts
from stowplan.nouns.overlay import ONLY_IN_BASE
from stowplan.nouns.profile import Engine, Profile, parse_ports
from stowplan.nouns.project import Document, Fleet, Model, Project, Removal, State, Subject
from stowplan.stages.gate import facts_of
from stowplan.stages.merge.profiles import gpu_of
from stowplan.stages.merge.sheets import Clash, lay, settled, take_away
from stowplan.words.diagnostic import Diagnostic, Label, Place, error, warning
from stowplan.words.keypath import KeyPath, format_keypath, parse_keypath
from stowplan.words.layered import UNSET, Layer, Leaf, Origin, Tree, find, leaves, tree_of

_NOT_SETTINGS = frozenset({"unset", "correct", "status"})
_CORRECTABLE = frozenset(
    {
        "architecture",
        "capabilities",
        "context",
        "embedding",
        "family",
        "generation",
        "license",
        "quantization",
        "source",
    }
)


def merge(project: Project) -> tuple[Fleet, list[Diagnostic]]:
    """The fleet: every profile and every subject, merged; and what stands in the way of that."""
    ledger = _Ledger()
    profiles = {}
    for name in sorted(project.profiles):
        if (profile := _profile(name, project, ledger)) is not None:
            profiles[name] = profile
    subjects = [
        subject
        for profile in profiles.values()
        for model in sorted(project.models)
        if (subject := _subject(project.models[model], profile, ledger)) is not None
    ]
    return Fleet(profiles, tuple(subjects)), ledger.close()


@dataclass(slots=True)
class _Ledger:
    """Problems of one merge, each once, and what every `unset` took away in any subject."""

    problems: dict[tuple[str, Place | None, str], Diagnostic] = field(default_factory=dict)
    unsets: dict[Place, tuple[str, bool]] = field(default_factory=dict)

    def add(self, problem: Diagnostic) -> None:
        self.problems.setdefault((problem.id, problem.at, problem.message), problem)

    def unset(self, place: Place, text: str, took: bool) -> None:
        self.unsets[place] = (text, took or self.unsets.get(place, ("", False))[1])

    def close(self) -> list[Diagnostic]:
        for place, (text, took) in self.unsets.items():
            if not took:
                hint = "no layer below sets it: remove this line, or correct the path"
                self.add(warning("unset-nothing", f"unset `{text}` removes nothing", place, hint=hint))
        return list(self.problems.values())


@dataclass(frozen=True, slots=True)
class _Stack:
    """What has been laid so far, and what was taken away on the way."""

    tree: Tree
    removed: tuple[Removal, ...] = ()

    def lay(self, document: Document, layer: Layer, ledger: _Ledger) -> "_Stack":
        """This stack with `document` (its `unset` first) on top."""
        table = {key: value for key, value in document.table.items() if key not in _NOT_SETTINGS}
        sheet = tree_of(table, layer, document.file)
        tree, removed = self.tree, list(self.removed)
        for index, text in enumerate(document.table.get("unset", ())):
            by = Leaf(text, layer, Origin(document.file, ("unset", index)))
            path = _unset_path(text, sheet, by, ledger)
            if path is None:
                continue
            tree, taken = take_away(tree, path, by)
            removed += [Removal(where, by, leaf) for where, leaf in taken]
            ledger.unset(Place(document.file, by.origin.key), text, bool(taken))
        tree, clashes = lay(tree, sheet)
        for clash in clashes:
            ledger.add(_clash(clash))
        return _Stack(tree, tuple(removed))


def _unset_path(text: str, sheet: Tree, by: Leaf, ledger: _Ledger) -> tuple[str, ...] | None:
    place = Place(by.origin.file, by.origin.key)
    try:
        path = parse_keypath(text)
    except ValueError as problem:
        hint = 'write a path as TOML does: "vllm.enforce-eager", "env.\\"A.B\\""'
        ledger.add(error("bad-unset", f"`{text}` is no key path: {problem}", place, hint=hint))
        return None
    if path[0] in _NOT_SETTINGS or path[0] in ONLY_IN_BASE:
        ledger.add(error("bad-unset", f"`{path[0]}` cannot be unset", place, hint="only settings can; remove the line"))
        return None
    here = next((path[:n] for n in range(len(path), 0, -1) if find(sheet, path[:n]) is not None), ())
    if here == path or (here and isinstance(find(sheet, here), Leaf)):
        label = Label(Place(by.origin.file, here, "key"), "set here")
        message = f"`{text}` is set and unset in one file"
        ledger.add(error("set-and-unset", message, place, also=[label], hint="keep one of the two"))
        return None
    return path


def _clash(clash: Clash) -> Diagnostic:
    path = format_keypath(clash.path)
    lower, upper = _place(clash.lower), _place(clash.upper)
    kinds = ("a table", "a value") if _is_table(clash.lower) else ("a value", "a table")
    return error(
        "type-clash",
        f"`{path}` is {kinds[1]} here and {kinds[0]} in the layer below",
        upper,
        also=[Label(lower, f"{kinds[0]} here")],
        hint=f"make them alike, or put `unset = ['{path}']` at the top of the upper file",
    )


def _unlike(clash: Clash) -> Diagnostic:
    path = format_keypath(clash.path)
    kind = "a table" if _is_table(clash.lower) else "a value"
    label = Label(_place(clash.lower), "the fact")
    message = f"`correct.{path}` must be {kind}, as the fact is"
    return error("bad-correction", message, _place(clash.upper), also=[label])


def _is_table(node: Leaf | Tree) -> bool:
    return isinstance(node, dict) or isinstance(node.value, dict)


def _place(node: Leaf | Tree) -> Place:
    """Where a value or a table was written; a table's place is above that of its first leaf."""
    written = [((), node)] if isinstance(node, Leaf) else leaves(node)
    inside, leaf = next((path, leaf) for path, leaf in written if leaf.value is not UNSET)
    key = leaf.origin.key
    return Place(leaf.origin.file, key[: len(key) - len(inside)], "key")


def _profile(name: str, project: Project, ledger: _Ledger) -> Profile | None:
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
    stack = _Stack({})
    for document in documents:
        stack = stack.lay(document, Layer.PROFILE, ledger)
    tree = settled(stack.tree)
    tree.pop("extends", None)
    ports = find(tree, ("serving", "ports"))
    return Profile(
        name=name,
        file=own.file,
        names=tuple(names),
        tree=tree,
        gpu=gpu_of(tree),
        engines=_engines(tree),
        ports=parse_ports(ports.value) if isinstance(ports, Leaf) else None,
    )


def _engines(tree: Tree) -> Mapping[str, Engine]:
    """The engines that are whole; check names what the others lack."""
    found = {}
    for label, table in (find(tree, ("engine",)) or {}).items():  # type: ignore[union-attr]
        if isinstance(table, dict) and {"version", "executable"} <= table.keys():
            kind = table["kind"].value if "kind" in table else label
            found[label] = Engine(label, kind, table["version"], table["executable"])
    return found


def _subject(model: Model, profile: Profile, ledger: _Ledger) -> Subject | None:
    overlays = [model.overlays[name] for name in reversed(profile.names) if name in model.overlays]
    if not overlays or any(f"{name}.toml" in model.unreadable for name in ("base", *profile.names)):
        return None
    defaults = find(profile.tree, ("defaults",))
    stack = _Stack(defaults if isinstance(defaults, dict) else {})
    if model.base is not None:
        stack = stack.lay(model.base, Layer.BASE, ledger)
    for overlay in overlays:
        stack = stack.lay(overlay, Layer.OVERLAY, ledger)
    settings = settled(stack.tree)
    facts, facts_tree = _facts(model, ledger)
    return Subject(
        model=model.name,
        profile=profile,
        state=_state(overlays, settings),
        file=overlays[-1].file,
        settings=settings,
        removed=stack.removed,
        facts=facts,
        facts_tree=facts_tree,
        because=None if model.base is None else model.base.table.get("correct", {}).get("because"),
    )


def _state(overlays: list[Document], settings: Tree) -> State:
    if all(overlay.table.get("status") == "stub" for overlay in overlays):
        return State.STUB
    enabled = settings.get("enabled")
    return State.DISABLED if isinstance(enabled, Leaf) and enabled.value is False else State.ACTIVE


def _facts(model: Model, ledger: _Ledger) -> tuple[Facts | None, Tree]:
    if model.facts is None:
        return None, {}
    tree = tree_of(model.facts.content, Layer.DISCOVERED, model.facts.file)
    facts = model.facts.facts
    if model.base is None or "correct" not in model.base.table:
        return facts, tree
    corrections = _corrections(model.base, ledger)
    corrected, clashes = lay(tree, corrections)
    for clash in clashes:
        ledger.add(_unlike(clash))
    typed, misfits = facts_of(_content(corrected))
    for path, reason in misfits:
        place = Place(model.base.file, ("correct", *path))
        ledger.add(error("bad-correction", f"`correct.{format_keypath(path)}` {reason}", place))
    return (facts, tree) if misfits else (typed, corrected)


def _corrections(base: Document, ledger: _Ledger) -> Tree:
    table = base.table["correct"]
    because = table.get("because")
    if not isinstance(because, str) or not because.strip():
        hint = 'add `because = "..."` under [correct]: what is wrong upstream, and how you know'
        message = "[correct] overrides facts without saying why"
        ledger.add(error("correction-without-reason", message, Place(base.file, ("correct",), "key"), hint=hint))
    for key in sorted(table.keys() - _CORRECTABLE - {"because"}):
        hint = f"correctable: {', '.join(sorted(_CORRECTABLE))}"
        place = Place(base.file, ("correct", key), "key")
        ledger.add(error("bad-correction", f"`{key}` is no fact that can be corrected", place, hint=hint))
    kept = {key: value for key, value in table.items() if key in _CORRECTABLE}
    return tree_of(kept, Layer.CORRECTED, base.file, ("correct",))


def _content(tree: Tree, at: KeyPath = ()) -> dict[str, object]:
    return {k: _content(node, (*at, k)) if isinstance(node, dict) else node.value for k, node in tree.items()}
