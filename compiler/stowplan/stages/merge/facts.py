"""Facts, with what `[correct]` in base.toml says against them laid over."""

from stowplan.nouns.facts import Facts
from stowplan.nouns.project import Document, Model
from stowplan.stages.gate import facts_of
from stowplan.stages.merge.ledger import Ledger
from stowplan.stages.merge.sheets import Clash, lay
from stowplan.stages.merge.stack import is_table, place_of
from stowplan.words.diagnostic import Diagnostic, Label, Place, error
from stowplan.words.keypath import KeyPath, format_keypath
from stowplan.words.layered import Layer, Tree, tree_of

_CORRECTABLE = (
    *("architecture", "capabilities", "context", "embedding", "family"),
    *("generation", "license", "quantization", "source"),
)
"""What may be corrected: not what can be measured on disk (weights, files, location, templates)."""


def merged_facts(model: Model, ledger: Ledger) -> tuple[Facts | None, Tree]:
    """A model's facts, typed, and as a tree in which each knows where it came from; None without facts."""
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


def _corrections(base: Document, ledger: Ledger) -> Tree:
    table = base.table["correct"]
    because = table.get("because")
    if not isinstance(because, str) or not because.strip():
        hint = 'add `because = "..."` under [correct]: what is wrong upstream, and how you know'
        message = "[correct] overrides facts without saying why"
        ledger.add(error("correction-without-reason", message, Place(base.file, ("correct",), "key"), hint=hint))
    for key in sorted(table.keys() - {*_CORRECTABLE, "because"}):
        hint = f"correctable: {', '.join(_CORRECTABLE)}"
        place = Place(base.file, ("correct", key), "key")
        ledger.add(error("bad-correction", f"`{key}` is no fact that can be corrected", place, hint=hint))
    kept = {key: value for key, value in table.items() if key in _CORRECTABLE}
    return tree_of(kept, Layer.CORRECTED, base.file, ("correct",))


def _content(tree: Tree, at: KeyPath = ()) -> dict[str, object]:
    return {k: _content(node, (*at, k)) if isinstance(node, dict) else node.value for k, node in tree.items()}


def _unlike(clash: Clash) -> Diagnostic:
    path = format_keypath(clash.path)
    kind = "a table" if is_table(clash.lower) else "a value"
    label = Label(place_of(clash.lower), "the fact")
    message = f"`correct.{path}` must be {kind}, as the fact is"
    return error("bad-correction", message, place_of(clash.upper), also=[label])
