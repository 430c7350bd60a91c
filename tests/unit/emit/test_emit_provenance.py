"""provenance.json: every token and value back to the file and key that said it."""

import json
import tomllib
from typing import Any

from syrupy.assertion import SnapshotAssertion

from emit_projects import INCIDENT, artifacts_of, rows_of
from sources import sources
from stowplan.words.keypath import format_keypath

AWQ = "qwen2.5-vl-7b-instruct_(AWQ)"


def _provenance(given: dict[str, bytes], profile: str) -> dict[str, Any]:
    rows = json.loads(artifacts_of(given, profile)["provenance.json"].content)
    return {row["name"]: row for row in rows}


def test_the_provenance(snapshot: SnapshotAssertion) -> None:
    assert _provenance(INCIDENT, "rtx-4080-16g") == snapshot


def test_every_token_is_there_and_has_a_source() -> None:
    argv = _provenance(INCIDENT, "rtx-4080-16g")[AWQ]["argv"]
    tokens = [token for part in argv for token in part["tokens"]]
    assert tokens == rows_of(INCIDENT, "rtx-4080-16g")[AWQ]["backend_config"]["argv"]
    assert all(part["from"] for part in argv)


def test_every_place_holds_the_value_it_is_named_for() -> None:
    seen = 0
    for row in _provenance(INCIDENT, "rtx-4080-16g").values():
        for leaf in _leaves(row):
            if leaf["file"] in INCIDENT and "value" in leaf:
                assert _at(INCIDENT[leaf["file"]], leaf["file"], leaf["key"]) == leaf["value"]
                seen += 1
    assert seen > 20


def _leaves(value: Any) -> Any:
    if isinstance(value, dict) and "layer" in value:
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)


def _at(content: bytes, file: str, key: str) -> Any:
    """The value at a written key path, found by writing every path of the file the same way."""
    document = json.loads(content) if file.endswith(".json") else tomllib.loads(content.decode())
    return dict(_written(document))[key]


def _written(table: dict[str, Any], at: tuple[str, ...] = ()) -> Any:
    for key, value in table.items():
        yield format_keypath((*at, key)), value
        if isinstance(value, dict):
            yield from _written(value, (*at, key))


def test_what_was_covered_unset_and_corrected_is_told() -> None:
    given = sources(
        {
            "models.d/qwen/base.toml": "[vllm]\nmax-model-len = 8192\nseed = 7\n"
            '[correct]\nbecause = "x"\nfamily = "q"\n',
            "models.d/qwen/rtx.toml": 'unset = ["vllm.seed"]\n[vllm]\nmax-model-len = 4096\n',
        }
    )
    row = _provenance(given, "rtx")["qwen"]
    assert [leaf["value"] for leaf in row["settings"]["vllm.max-model-len"]] == [4096, 8192]
    (part,) = (part for part in row["argv"] if "--max-model-len" in part["tokens"])
    assert part["from"] == [row["settings"]["vllm.max-model-len"]]
    (removed,) = row["removed"]
    assert removed["path"] == "vllm.seed"
    assert removed["by"]["key"] == "unset[0]"
    assert [leaf["value"] for leaf in removed["took"]] == [7]
    assert list(row["corrected"]) == ["family"]


def test_a_value_set_again_after_an_unset_still_shows_what_was_there() -> None:
    given = sources(
        {
            "profiles/rtx.toml": sources()["profiles/rtx.toml"] + b"[defaults.vllm]\nseed = 1\n",
            "models.d/qwen/base.toml": 'unset = ["vllm.seed"]\n',
            "models.d/qwen/rtx.toml": "[vllm]\nseed = 3\n",
        }
    )
    chain = _provenance(given, "rtx")["qwen"]["settings"]["vllm.seed"]
    assert [(leaf["layer"], leaf.get("value"), leaf.get("unset")) for leaf in chain] == [
        ("overlay", 3, None),
        ("base", None, True),
        ("profile", 1, None),
    ]
