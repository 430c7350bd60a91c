"""What the emitters agree on: where files stand in a profile's build, and JSON of one item a line."""

from collections.abc import Iterable, Sequence

from stowplan.words.digest import quoted


def script_path(model: str) -> str:
    """Where the launch script of `model` stands."""
    return f"launch/{model}.sh"


def json_object(members: Iterable[tuple[str, str]]) -> str:
    """A JSON object of members whose values are JSON already: the keys sorted, no spaces."""
    return "{" + ",".join([f"{quoted(key)}:{value}" for key, value in sorted(members)]) + "}"


def json_line(name: str, others: str) -> bytes:
    """One line of JSON in UTF-8: the member `name`, then those of the JSON object `others`, which has some."""
    return f'{{"name":{quoted(name)},{others[1:]}'.encode()


def json_array(lines: Sequence[bytes]) -> bytes:
    """A JSON array of items that are JSON already, one a line; `[]` if there are none."""
    if not lines:
        return b"[]\n"
    parts = [b",\n"] * (2 * len(lines) + 1)
    parts[0], parts[1::2], parts[-1] = b"[\n", lines, b"\n]\n"
    return b"".join(parts)  # in one go: they may be many megabytes
