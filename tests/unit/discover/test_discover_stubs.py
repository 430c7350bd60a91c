"""A stub sets nothing, whatever the facts say; and facts survive being written and read."""

import dataclasses
import json
import tomllib
from pathlib import Path

import pytest
from discover_cases import CONFIGS, write_folder
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from stowplan.discover.files import Folder
from stowplan.discover.folder import facts
from stowplan.edit.stubs import stub
from stowplan.fit.settings import Settings
from stowplan.fit.subject import Question
from stowplan.nouns.facts import (
    Context,
    Facts,
    Location,
    ModelSource,
    Quantization,
    Weights,
    document,
    seal,
    write,
)
from stowplan.nouns.profile import Gpu

ADAPTER = TypeAdapter(Facts)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Facts]:
    base = tmp_path_factory.mktemp("weights")
    found = {name: facts(Folder("weights", base, name)) for name in CONFIGS if write_folder(base / name, CONFIGS[name])}
    return {name: model for name, model in found.items() if model is not None}


def test_a_stub_sets_nothing_but_its_status(known: dict[str, Facts]) -> None:
    for model in known.values():
        assert tomllib.loads(stub(model, "rtx", "vllm")) == {"status": "stub"}


def test_it_begins_with_the_schema_and_tells_the_facts(known: dict[str, Facts]) -> None:
    text = stub(dataclasses.replace(known["deepseek-v2"], generation={"temperature": 0.3, "top_k": 5}), "rtx", "vllm")
    lines = text.splitlines()
    assert lines[0] == "#:schema ../../build/active/schema/overlay.json"
    assert lines[1].startswith('status = "stub"')
    assert "# longest context: 163840 tokens (config.json: max_position_embeddings = 163840)" in lines
    assert "# max-model-len = 32768" in lines
    assert any(line.startswith("# trust-remote-code = true") for line in lines)
    assert lines[-3:] == ["# [sampling]", "# temperature = 0.3", "# top_k = 5"]


def test_what_it_suggests_is_toml(known: dict[str, Facts]) -> None:
    model = dataclasses.replace(known["llama-3.1"], generation={"temperature": 0.3, "eos_token_id": [1]})
    suggested = stub(model, "rtx", "vllm").split("\n\n")[2].replace("# ", "")
    assert tomllib.loads(suggested) == {
        "engine": "vllm",
        "vllm": {"max-model-len": 32768},
        "sampling": {"temperature": 0.3},
    }


def test_it_suggests_the_largest_context_that_surely_fits(known: dict[str, Facts]) -> None:
    weights = Weights(format="safetensors", bytes=15 << 30)
    model = dataclasses.replace(known["llama-3.1"], weights=weights)

    def suggested(gib: int) -> str:
        question = Question(model, Settings(), Gpu("a card", 1, gib << 30, 0, (8, 9)), "0.33.0")
        text = stub(model, "rtx", "vllm", question)
        assert tomllib.loads(text) == {"status": "stub"}
        return next(line for line in text.splitlines() if "max-model-len" in line)

    assert suggested(80) == "# max-model-len = 32768   # the whole context surely fits"
    value, _, said = suggested(24).removeprefix("# max-model-len = ").partition("   # up to ")
    assert said == f"{value} surely fit beside the weights"
    question = Question(model, Settings(max_model_len=int(value)), Gpu("a card", 1, 24 << 30, 0, (8, 9)), "0.33.0")
    assert question.answer().verdict == "fits"
    assert question.changed(max_model_len=int(value) + 16).answer().verdict != "fits"
    assert suggested(12).startswith("# max-model-len = 32768   # may not fit: with 131072 tokens it needs ")


anything = st.text(max_size=20)


@settings(max_examples=100)
@given(
    anything,
    anything,
    anything,
    st.dictionaries(st.sampled_from(["temperature", "top_p"]), anything | st.floats()),
)
def test_no_fact_can_break_out_of_its_comment(a: str, b: str, c: str, generation: dict[str, object]) -> None:
    model = Facts(
        source=ModelSource(provider="local", repo=a),
        location=Location(root="weights", path=b),
        weights=Weights(format="safetensors", bytes=1, dtypes={c: 1}),
        context=Context(tokens=5, evidence=b),
        quantization=Quantization(method=c),
        capabilities={a: b},
        license=c,
        generation=generation,
    )
    assert tomllib.loads(stub(model, "rtx", "vllm")) == {"status": "stub"}


def test_facts_survive_being_written_and_read(known: dict[str, Facts]) -> None:
    for model in known.values():
        assert ADAPTER.validate_json(write(model)) == model


def test_what_is_empty_is_not_written() -> None:
    model = Facts(
        source=ModelSource(provider="local"),
        location=Location(root="w", path="p"),
        weights=Weights(format="x"),
    )
    assert document(model) == {
        "format": 1,
        "source": {"provider": "local"},
        "location": {"root": "w", "path": "p"},
        "weights": {"format": "x"},
    }
    assert ADAPTER.validate_json(write(model)) == model


def test_the_seal_is_of_everything_else(known: dict[str, Facts]) -> None:
    content = json.loads(write(known["gemma3"]))
    assert content["seal"] == seal(content)
    content["context"]["tokens"] += 1
    assert content["seal"] != seal(content)


def test_the_files_are_read_from_the_package() -> None:
    here = Path(__file__).parents[3] / "compiler/stowplan/discover"
    for name in ("knowledge.json", "transformers.json"):
        tables = json.loads((here / name).read_text())
        assert tables
        for table in tables.values() if name == "knowledge.json" else ():
            assert table["source"]
