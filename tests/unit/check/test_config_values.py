"""Values by themselves, where they are told, and what the check remembers from one subject to the next."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from configured import LLAMA, brief, errors, fleet, told, warnings
from hypothesis import given
from hypothesis import strategies as st

from sources import BASE, OVERLAY, PROFILE, PROFILE_TEXT, examined, facts, sources, toml
from stowplan.engines.flags import flag_table
from stowplan.nouns.facts import Architecture, Mla, Quantization, Weights
from stowplan.stages.check import config
from stowplan.words.diagnostic import Severity, has_errors

LEGACY = Path(__file__).parents[4] / "shared" / "fixtures" / "legacy-registry"
WRONG_THERE = {("--kv-cache-memory", "an abbreviation of --kv-cache-memory-bytes, which the compiler does not resolve")}
"""What is wrong in the old registry, and why."""


def test_numbers_have_bounds() -> None:
    assert errors({"gpu-memory-utilization": 1.2}) == [("bad-value", "gpu-memory-utilization")]
    assert errors({"gpu-memory-utilization": 0}) == [("bad-value", "gpu-memory-utilization")]
    assert told({"gpu-memory-utilization": 1}) == []
    assert errors({"max-num-seqs": 0}) == [("bad-value", "max-num-seqs")]
    assert told({"max-num-seqs": 1}) == []
    assert errors({"watermark": 1.0}) == [("bad-value", "watermark")]
    assert told({"gpu-memory-utilization": 1.2}, version="0.11.0") == [], "its parser and classes have no bounds"


def test_names_stand_in_registries() -> None:
    assert errors({"load-format": "safetensor"}) == [("bad-choice", "load-format")]
    assert told({"load-format": "SAFETENSORS"}) == []
    assert errors({"reasoning-parser": "deepseek"}) == [("bad-choice", "reasoning-parser")]
    assert told({"reasoning-parser": "deepseek", "reasoning-parser-plugin": "/srv/plugin.py"}) == []
    assert told({"reasoning-parser": "deepseek"}, env={"VLLM_PLUGINS": "mine"}) == []
    assert told({"reasoning-parser": "DEEPSEEK_R1"}) != [], "here the case of letters counts"
    (problem,) = told({"load-format": "safetensor"})
    assert "`safetensors`" in str(problem.hint)


def test_names_inside_a_table_stand_in_registries_too() -> None:
    connector = {"kv_connector": "nobody", "kv_role": "kv_both"}
    assert errors({"kv-transfer-config": connector}) == [("bad-choice", "kv_connector")]
    assert told({"kv-transfer-config": {**connector, "kv_connector_module_path": "mine.connector"}}) == []
    assert told({"kv-transfer-config": connector}, env={"VLLM_PLUGINS": "mine"}) == []
    assert errors({}, defaults={"kv-transfer-config": connector}) == [("bad-choice", "kv_connector")]
    assert told({}, defaults={"kv-transfer-config": connector}, env={"VLLM_PLUGINS": "mine"}) == []
    draft = {"method": "ngram", "num_speculative_tokens": 3, "quantization": "nobody"}
    assert warnings({"speculative-config": draft}) == [("bad-choice", "quantization")]


def test_a_tool_parser_is_looked_up_only_where_tools_are_chosen() -> None:
    assert warnings({"tool-call-parser": "nobody"}) == [("bad-choice", "tool-call-parser")]
    both = {"tool-call-parser": "nobody", "enable-auto-tool-choice": True}
    assert errors(both) == [("bad-choice", "tool-call-parser")]
    assert told({**both, "tool-parser-plugin": "/srv/plugin.py"}) == []


def test_nobody_looks_at_what_is_for_other_models() -> None:
    assert warnings({"video-pruning-rate": 1.0}) == [("bad-value", "video-pruning-rate")]
    assert warnings({"mm-encoder-attn-backend": "nobody"}) == [("bad-choice", "mm-encoder-attn-backend")]
    assert warnings({"max-loras": 0}) == [("bad-value", "max-loras")]
    assert ("bad-value", "max-loras") in errors({"max-loras": 0, "enable-lora": True})


def test_what_is_nested_is_told_at_its_own_key() -> None:
    (problem,) = told({"compilation-config": {"pass_config": {}, "custom_ops": ["all", 1]}})
    assert problem.at is not None
    assert problem.at.key == ("vllm", "compilation-config", "custom_ops", 1)
    (problem,) = told({"compilation-config": {"cudagraph_capture_size": [1]}})
    assert (problem.id, problem.severity, problem.at and problem.at.part) == ("unknown-field", Severity.ERROR, "key")
    (problem,) = told({"compilation-config": {"cudagraph_capture_size": [1]}}, version="0.11.0")
    assert problem.severity is Severity.WARNING, "pydantic drops it there"
    assert problem.fix is not None
    assert problem.fix.put == ((("vllm", "compilation-config", "cudagraph_capture_sizes"), [1]),)


def test_a_field_that_went_is_told_with_what_became_of_it() -> None:
    (problem,) = told({"compilation-config": {"use_inductor": True}})
    assert problem.message.startswith(
        "`compilation-config.use_inductor` became `compilation-config.backend` in vllm 0."
    )
    (level,) = told({"compilation-config": {"level": 3}})
    assert level.fix is not None
    assert level.fix.put == ((("vllm", "compilation-config", "mode"), 3),)


def test_a_default_of_the_profile_is_told_once() -> None:
    bad = {"max-num-seqs": 0, "compilation-config": {"nonsense": 1}}
    found = told({}, defaults=bad)
    assert brief(found) == [("error", "bad-value", "max-num-seqs"), ("error", "unknown-field", "nonsense")]
    assert all(problem.at is not None and problem.at.file == PROFILE for problem in found)
    assert errors({"max-num-seqs": 4}, defaults={"max-num-seqs": 0}) == [("bad-value", "max-num-seqs")]


def test_a_value_that_is_merged_is_told_where_it_was_written() -> None:
    made = sources(
        {
            BASE: "[vllm.compilation-config]\nnonsense = 1\n",
            OVERLAY: "[vllm.compilation-config]\nmode = 3\n",
        }
    )
    (subject,) = examined(made)[1].subjects
    (problem,) = config.checker()(subject)
    assert problem.at is not None
    assert (problem.at.file, problem.at.key) == (BASE, ("vllm", "compilation-config", "nonsense"))


def test_engines_of_another_kind_are_left_alone() -> None:
    made = fleet({"max-num-seqs": 0})
    assert list(config.checker()(made.subjects[0])) != []
    external = 'engine = "external"\nport = 1\n[external]\nbackend = "ollama"\nmodel = "x"\n[vllm]\nmax-num-seqs = 0\n'
    (subject,) = examined(sources({OVERLAY: external}))[1].subjects
    assert list(config.checker()(subject)) == []


def both(first: dict[str, Any], second: dict[str, Any]) -> list[list[tuple[str, str, str]]]:
    """What one run says of two models on one card; each is `flags`, perhaps `env`, and facts."""
    files: dict[str, str | bytes | None] = {"models.d/qwen/discovered.json": None, OVERLAY: None, BASE: None}
    for name, about in (("a", first), ("b", second)):
        env = "[env]\n" + toml(about["env"]) if "env" in about else ""
        shape = Architecture(**{**LLAMA, **about.get("shape", {})})
        method = Quantization(method=about["method"]) if "method" in about else None
        weights = Weights(format=about.get("format", "safetensors"), bytes=1, headers_sha256=name * 64)
        files[f"models.d/{name}/discovered.json"] = facts(
            name, architecture=shape, quantization=method, weights=weights
        )
        files[f"models.d/{name}/rtx.toml"] = "[vllm]\n" + toml(about.get("flags", {})) + env
    check = config.checker()
    return [brief(list(check(subject))) for subject in examined(sources(files))[1].subjects]


PLUGIN = {"VLLM_PLUGINS": "mine"}


@pytest.mark.parametrize(
    ("sound", "not_sound", "kind"),
    [
        ({}, {"shape": {"names": ("NobodyModel",)}}, "architecture-unknown"),
        (
            {"env": PLUGIN, "shape": {"names": ("NobodyModel",)}},
            {"shape": {"names": ("NobodyModel",)}},
            "architecture-unknown",
        ),
        (
            {"flags": {"dtype": "half"}, "method": "awq"},
            {"flags": {"dtype": "float"}, "method": "awq"},
            "flags-conflict",
        ),
        ({"flags": {"dtype": "float"}}, {"flags": {"dtype": "float"}, "method": "awq"}, "flags-conflict"),
        (
            {"method": "gpt_oss_mxfp4"},
            {"method": "gpt_oss_mxfp4", "shape": {"dtype": "float16"}},
            "flags-conflict",
        ),
        (
            {"flags": {"quantization": "fp8"}, "method": "awq", "shape": {"model_type": "gpt_oss"}},
            {"flags": {"quantization": "fp8"}, "method": "awq", "shape": {"model_type": "llama"}},
            "quantization-differs",
        ),
        (
            {"flags": {"quantization": "fp8"}, "method": "awq", "format": "gguf"},
            {"flags": {"quantization": "fp8"}, "method": "awq"},
            "quantization-differs",
        ),
        (
            {"flags": {"kv-cache-dtype": "nvfp4_ds_mla"}, "shape": {"mla": Mla(kv_lora_rank=512, qk_rope_head_dim=64)}},
            {"flags": {"kv-cache-dtype": "nvfp4_ds_mla"}},
            "gpu-too-old",
        ),
        (
            {"flags": {"quantization": "fbgemm_fp8", "allow-deprecated-quantization": True}},
            {"flags": {"quantization": "fbgemm_fp8", "allow-deprecated-quantization": False}},
            "quantization-unsupported",
        ),
        (
            {"flags": {"reasoning-parser": "mine"}, "env": PLUGIN},
            {"flags": {"reasoning-parser": "mine"}},
            "bad-choice",
        ),
        ({"flags": {"max-num-seqs": 1}}, {"flags": {"max-num-seqs": 0}}, "bad-value"),
        ({"flags": {"max-num-seqs": True}}, {"flags": {"max-num-seqs": 0}}, "bad-value"),
    ],
)
def test_what_is_sound_in_one_model_is_not_so_in_another(
    sound: dict[str, Any], not_sound: dict[str, Any], kind: str
) -> None:
    first, second = both(sound, not_sound)
    assert first == []
    assert [found for _, found, _ in second] == [kind]


FLAGS = st.fixed_dictionaries(
    {},
    optional={
        "max-num-seqs": st.sampled_from([0, 1, 256]),
        "max-num-batched-tokens": st.sampled_from([128, 2048]),
        "gpu-memory-utilization": st.sampled_from([0.5, 1, 1.5]),
        "quantization": st.sampled_from(["awq", "fp8", "nobody", "marlin"]),
        "dtype": st.sampled_from(["auto", "half", "bfloat16", "float"]),
        "kv-cache-dtype": st.sampled_from(["auto", "fp8", "fp8_inc"]),
        "reasoning-parser": st.sampled_from(["qwen3", "nobody"]),
        "reasoning-parser-plugin": st.just("/srv/plugin.py"),
        "model-impl": st.sampled_from(["auto", "vllm"]),
        "tensor-parallel-size": st.sampled_from([1, 3]),
        "enforce-eager": st.booleans(),
        "max-cudagraph-capture-size": st.just(8),
        "compilation-config": st.sampled_from([{"mode": 3}, {"nonsense": 1}]),
    },
)
MODELS = [
    {"architecture": Architecture(names=("LlamaForCausalLM",), heads=32, dtype="bfloat16")},
    {"architecture": Architecture(names=("NobodyForCausalLM",), heads=30, dtype="float16")},
    {"architecture": Architecture(), "context": None},
]


@given(st.lists(st.tuples(FLAGS, st.sampled_from(range(3)), st.booleans()), min_size=2, max_size=5))
def test_what_was_seen_before_changes_nothing(subjects: list[tuple[dict[str, Any], int, bool]]) -> None:
    """The memory of one run makes no difference: each subject gets what it would get alone."""
    files: dict[str, str | bytes | None] = {"models.d/qwen/discovered.json": None, OVERLAY: None, BASE: None}
    for number, (flags, model, plugin) in enumerate(subjects):
        env = '[env]\nVLLM_PLUGINS = "mine"\n' if plugin else ""
        files[f"models.d/m{number}/discovered.json"] = facts(f"o/m{number}", **MODELS[model])
        files[f"models.d/m{number}/rtx.toml"] = "[vllm]\n" + toml(flags) + env
    files[PROFILE] = PROFILE_TEXT + "[defaults.vllm]\nmax-logprobs = -7\n"
    made = examined(sources(files))[1]
    together = config.checker()
    for subject in made.subjects:
        assert list(together(subject)) == list(config.checker()(subject))
        assert list(together(subject)) == list(config.checker()(subject))


def old_rows() -> Iterator[tuple[str, list[str]]]:
    """Each list of arguments of the old registry, with the name of its model."""
    if not LEGACY.is_dir():
        pytest.skip(f"the old registry is not beside the repository: no {LEGACY}")
    for file in sorted(LEGACY.glob("*/*.json")):
        rows = json.loads(file.read_text("utf-8"))
        for row in rows if isinstance(rows, list) else ():
            arguments = (row.get("backend_config") or {}).get("extra_args") or []
            if row.get("backend") == "vllm" and arguments:
                yield f"{file.parent.name}/{file.stem}: {row['name']}", [str(word) for word in arguments]


def typed(arguments: list[str]) -> tuple[dict[str, Any], set[tuple[str, str]]]:
    """Arguments as flags with TOML values, and those that are no flag's name."""
    table = flag_table("vllm", "0.11.0")
    assert table is not None
    flags: dict[str, Any] = {}
    none: set[tuple[str, str]] = set()
    words = list(arguments)
    while words:
        option, _, joined = words.pop(0).partition("=")
        name = option.removeprefix("--")
        value = joined or (words.pop(0) if words and not words[0].startswith("--") else True)
        if name not in table.flags:
            none.add((option, str(value)))
            continue
        kind = table.flags[name].type
        if isinstance(value, str) and kind not in ("str", "str|json"):
            value = json.loads(value)
        flags[name] = value
    return flags, none


def test_what_the_old_registry_used_is_let_through() -> None:
    """All flags and values of the old registry with 0.11.0, but for those that are wrong there."""
    wrong: set[str] = set()
    for name, arguments in old_rows():
        flags, none = typed(arguments)
        wrong |= {option for option, _ in none}
        path = {"chat-template": "weights:x/template.jinja"} if "chat-template" in flags else {}
        text = "[vllm]\n" + toml({**flags, **path})
        allow = 'allow = ["remote-code:qwen"]\n'
        files: dict[str, str | bytes | None] = {
            OVERLAY: text,
            PROFILE: allow + PROFILE_TEXT.replace("0.33.0", "0.11.0"),
        }
        problems = examined(sources(files))[2]
        assert not has_errors(problems), (name, shlex.join(arguments), problems)
        assert told(flags, version="0.11.0", method="fp8") == [], name
    assert wrong == {option for option, _ in WRONG_THERE}
