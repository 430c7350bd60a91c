"""What discover derives is what the real vLLM derives from the same folders."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from discover_cases import CONFIGS, write_folder

from stowplan.discover.files import Folder
from stowplan.discover.folder import facts
from stowplan.nouns.facts import Facts

pytestmark = pytest.mark.engine

REPOSITORY = Path(__file__).parents[3]
PYTHON = REPOSITORY / ".venv-vllm/bin/python"
FIXTURES = REPOSITORY.parent / "shared/fixtures/model-folders"

ASK = """
import json, sys
from pathlib import Path
from vllm.config.model import _get_and_verify_max_len
from vllm.transformers_utils.config import (
    get_config, get_hf_text_config, get_sentence_transformer_tokenizer_config, iter_rope_parameters)
from vllm.transformers_utils.model_arch_config_convertor import (
    MODEL_ARCH_CONFIG_CONVERTORS, ModelArchConfigConvertorBase)

answers = {}
for path in map(Path, sys.argv[1:]):
    config = get_config(path, trust_remote_code=False)
    text = get_hf_text_config(config)
    convertor = MODEL_ARCH_CONFIG_CONVERTORS.get(config.model_type, ModelArchConfigConvertorBase)(config, text)
    numbers = convertor.convert()
    longest = _get_and_verify_max_len(
        hf_config=text, model_arch_config=numbers, tokenizer_config=None, max_model_len=None,
        disable_sliding_window=False, sliding_window=None,
        encoder_config=get_sentence_transformer_tokenizer_config(path))
    kinds = getattr(text, "layer_types", None)
    answers[path.name] = {
        "context": longest, "layers": numbers.total_num_hidden_layers, "heads": numbers.total_num_attention_heads,
        "kv_heads": numbers.total_num_kv_heads, "hidden_size": numbers.hidden_size, "vocab_size": numbers.vocab_size,
        "experts": numbers.num_experts, "per_token": numbers.num_experts_per_token,
        "head_size": numbers.head_size, "quantization": (numbers.quantization_config or {}).get("quant_method"),
        "sliding_window": getattr(text, "sliding_window", None),
        "sliding_layers": None if kinds is None else sum(kind == "sliding_attention" for kind in kinds)}
print("ANSWERS" + json.dumps(answers))
"""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Facts, dict[str, object]]]:
    if not os.environ.get("STOWPLAN_ENGINE_TESTS") or not PYTHON.exists():
        pytest.skip("asks the real vLLM: make test-vllm")
    base = tmp_path_factory.mktemp("weights")
    for name, config in CONFIGS.items():
        write_folder(base / name, config)
    for folder in FIXTURES.iterdir() if FIXTURES.is_dir() else ():
        write_folder(base / folder.name, json.loads((folder / "config.json").read_text()))
    folders = sorted(base.iterdir())
    command = [PYTHON, "-c", ASK, *folders]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=offline, check=False)
    assert "ANSWERS" in done.stdout, done.stderr[-4000:]
    answers = json.loads(done.stdout.split("ANSWERS")[1])
    found = {folder.name: facts(Folder("weights", base, folder.name)) for folder in folders}
    return {name: (seen, answers[name]) for name, seen in found.items() if seen is not None}


def ours(seen: Facts) -> dict[str, object]:
    """The same numbers, as the facts have them."""
    numbers, experts, mla = seen.architecture, seen.architecture.experts, seen.architecture.mla
    assert seen.context is not None
    latent = None if mla is None else mla.kv_lora_rank + mla.qk_rope_head_dim
    return {
        "context": seen.context.default or seen.context.tokens,
        "layers": numbers.layers,
        "heads": numbers.heads,
        "kv_heads": numbers.kv_heads,
        "hidden_size": numbers.hidden_size,
        "vocab_size": numbers.vocab_size,
        "experts": experts.count if experts else 0,
        "per_token": (experts.per_token or 0) if experts else 0,
        "head_size": latent or numbers.head_dim,
        "quantization": seen.quantization.method if seen.quantization else None,
        "sliding_window": numbers.sliding_window,
        "sliding_layers": sum(run.count for run in numbers.attention if run.kind == "sliding"),
    }


def test_every_number_is_the_engines(asked: dict[str, tuple[Facts, dict[str, object]]]) -> None:
    assert len(asked) >= len(CONFIGS)
    for name, (seen, answer) in asked.items():
        expected = {key: value for key, value in answer.items() if key != "sliding_layers" or value is not None}
        if expected["sliding_window"] is None:
            expected.pop("sliding_layers", None)
        mine = ours(seen)
        assert {key: mine[key] for key in expected} == expected, name
