"""The typed parts of a merged profile. What cannot be read is None here; check says why."""

from stowplan.nouns.profile import Gpu, parse_capability, parse_size
from stowplan.words.layered import Leaf, Tree, find


def gpu_of(tree: Tree) -> Gpu | None:
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
