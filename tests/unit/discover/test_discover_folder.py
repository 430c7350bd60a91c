"""What else a folder tells: weights, templates, vectors, licence, origin, files; and folders that do harm."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from discover_cases import CONFIGS, LLAMA, ONE_LAYER, header, write_folder, write_weights

from stowplan.discover.files import Folder
from stowplan.discover.folder import facts
from stowplan.nouns.facts import Embedding, Facts, ModelSource, Template, Tokenizer
from stowplan.words.diagnostic import Diagnostic, Place

FIXTURES = Path(__file__).parents[4] / "shared/fixtures/model-folders"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "weights/Org/Model", LLAMA)


def read(model: Path) -> tuple[Facts | None, list[Diagnostic]]:
    folder = Folder("weights", model.parents[1], f"{model.parent.name}/{model.name}")
    return facts(folder), folder.problems


def sound(model: Path) -> Facts:
    found, problems = read(model)
    assert problems == []
    assert found is not None
    return found


def only(model: Path) -> Diagnostic:
    found, (problem,) = read(model)
    assert found is None
    assert problem.severity == "error"
    assert problem.hint
    return problem


def shards(model: Path, names: dict[str, str]) -> None:
    """An index, and a one-tensor file for each shard it names."""
    (model / "model.safetensors").unlink()
    for tensor, file in names.items():
        write_weights(model / file, header({tensor: ("BF16", (4, 4))}))
    (model / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))


class TestWeights:
    def test_bytes_by_type_and_group(self, model: Path) -> None:
        tensors = {
            "model.embed_tokens.weight": ("BF16", (10, 4)),
            "model.layers.0.mlp.experts.0.up_proj.weight": ("F8_E4M3", (4, 4)),
            "model.layers.0.mlp.experts.0.up_proj.weight_scale": ("F32", (1,)),
            "model.layers.0.self_attn.q_proj.weight": ("BF16", (4, 4)),
            "model.visual.blocks.0.attn.qkv.weight": ("BF16", (4, 2)),
            "mtp.layers.0.weight": ("BF16", (2,)),
            "model.norm.weight": ("BF16", (4,)),
            "lm_head.weight": ("BF16", (10, 4)),
        }
        write_weights(model / "model.safetensors", header(tensors))
        held = sound(model).weights
        assert held.dtypes == {"BF16": 80 + 32 + 16 + 4 + 8 + 80, "F32": 4, "F8_E4M3": 16}
        assert held.groups == {
            "draft": 4,
            "embedding": 80,
            "experts": 20,
            "head": 80,
            "layers": 32,
            "other": 8,
            "vision": 16,
        }
        assert held.bytes == sum(held.dtypes.values()) == sum(held.groups.values())

    def test_layers_that_predict_ahead_stand_among_the_others(self, tmp_path: Path) -> None:
        tensors = {
            "model.layers.3.mlp.up_proj.weight": ("BF16", (4, 4)),
            "model.layers.4.mlp.experts.0.up_proj.weight": ("BF16", (2, 2)),
            "model.layers.4.enorm.weight": ("BF16", (4,)),
            "model.mtp_layers.0.input_proj.weight": ("BF16", (3,)),
        }
        config = {**LLAMA, "num_hidden_layers": 4}
        for name, ahead, groups in (
            ("Ahead", 1, {"draft": 8 + 8 + 6, "layers": 32}),
            ("None", 0, {"draft": 6, "experts": 8, "layers": 32 + 8}),
        ):
            model = write_folder(tmp_path / name, {**config, "num_nextn_predict_layers": ahead}, tensors)
            assert sound(model).weights.groups == groups

    def test_shards_are_summed_and_strangers_are_not(self, model: Path) -> None:
        shards(
            model,
            {"a.weight": "model-00001-of-00002.safetensors", "b.weight": "model-00002-of-00002.safetensors"},
        )
        write_weights(model / "adapter_model.safetensors", header(ONE_LAYER))
        found = sound(model)
        assert found.weights.bytes == 64
        headers = {file.path: file.header_sha256 for file in found.files}
        assert headers["model-00001-of-00002.safetensors"]
        assert headers["adapter_model.safetensors"] is None

    def test_consolidated_weights_are_the_ones_that_vllm_loads(self, model: Path) -> None:
        write_weights(model / "consolidated.safetensors", header({"a": ("BF16", (4,))}))
        assert sound(model).weights.bytes == 8

    def test_a_missing_shard_is_named(self, model: Path) -> None:
        shards(
            model,
            {"a.weight": "model-00001-of-00002.safetensors", "b.weight": "model-00002-of-00002.safetensors"},
        )
        (model / "model-00002-of-00002.safetensors").unlink()
        problem = only(model)
        assert problem.id == "weights-incomplete"
        assert "1 of 2 shards are missing: `model-00002-of-00002.safetensors`" in problem.message
        (model / "model.safetensors.index.json").unlink()
        assert only(model).id == "weights-incomplete"

    @pytest.mark.parametrize("name", ["../../other.safetensors", "/etc/x.safetensors", "model.bin", "a\nb.safetensors"])
    def test_an_index_may_name_only_files_of_its_folder(self, model: Path, name: str) -> None:
        index = {"weight_map": {"a": name}}
        (model / "model.safetensors.index.json").write_text(json.dumps(index))
        assert only(model).id == "unsafe-path"

    @pytest.mark.parametrize("index", [{}, {"weight_map": []}, {"weight_map": {"a": 1}}])
    def test_an_index_must_name_files(self, model: Path, index: Any) -> None:
        (model / "model.safetensors.index.json").write_text(json.dumps(index))
        assert only(model).id == "weights-incomplete"

    def test_a_download_cut_short_is_named(self, model: Path) -> None:
        write_weights(model / "model.safetensors", header(ONE_LAYER), short=24)
        problem = only(model)
        assert problem.id == "weights-truncated"
        assert "`model.safetensors` is cut short" in problem.message
        assert "24 are missing" in problem.message
        assert problem.at is not None
        assert problem.at.file == "weights:Org/Model/model.safetensors"

    def test_the_digest_is_of_the_headers_and_not_of_the_place(self, model: Path, tmp_path: Path) -> None:
        elsewhere = write_folder(tmp_path / "weights/Other/Name", LLAMA)
        assert sound(model).weights.headers_sha256 == sound(elsewhere).weights.headers_sha256
        write_weights(elsewhere / "model.safetensors", header({"a": ("BF16", (4,))}))
        assert sound(model).weights.headers_sha256 != sound(elsewhere).weights.headers_sha256


class TestTemplates:
    def test_the_order_is_jinja_wrapper_tokenizer(self, model: Path) -> None:
        (model / "chat_template.jinja").write_text("ä jinja\n", encoding="utf-8")
        (model / "chat_template.json").write_text('{"chat_template": "wrapped"}')
        (model / "tokenizer_config.json").write_text('{"chat_template": "inside"}')
        assert sound(model).templates == (
            Template(file="chat_template.jinja", kind="jinja", sha256=digest("ä jinja\n")),
            Template(file="chat_template.json", kind="wrapper", sha256=digest("wrapped")),
            Template(file="tokenizer_config.json", kind="tokenizer", sha256=digest("inside")),
        )

    def test_named_templates_come_after_the_default(self, model: Path) -> None:
        named = [{"name": "tool_use", "template": "{{ tools }}"}, {"name": "default", "template": "plain"}]
        (model / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
        (model / "additional_chat_templates").mkdir()
        (model / "additional_chat_templates/rag.jinja").write_text("rag")
        found = sound(model).templates
        assert [(template.file, template.name) for template in found] == [
            ("tokenizer_config.json", None),
            ("tokenizer_config.json", "tool_use"),
            ("additional_chat_templates/rag.jinja", "rag"),
        ]
        assert found[0].sha256 == digest("plain")

    def test_a_template_the_owner_put_there_is_known_and_does_not_hold(self, model: Path) -> None:
        (model / "tokenizer_config.json").write_text(json.dumps({"chat_template": "plain"}))
        (model / "my_template.jinja").write_text("mine")
        found = sound(model)
        assert [(t.file, t.name) for t in found.own_templates] == [("tokenizer_config.json", None)]
        assert [(t.file, t.name, t.sha256) for t in found.templates[1:]] == [
            ("my_template.jinja", "my_template", digest("mine"))
        ]

    @pytest.mark.parametrize("value", [7, [1], [{"name": "x"}], "\ud800"])
    def test_an_odd_template_is_left_out(self, model: Path, value: Any) -> None:
        (model / "tokenizer_config.json").write_text(json.dumps({"chat_template": value}))
        found, (problem,) = read(model)
        assert problem.id == "config-odd"
        assert found is not None
        assert found.templates == ()

    def test_tools_and_reasoning_by_marks_in_the_text(self, model: Path) -> None:
        (model / "chat_template.jinja").write_text("{% if tools %}<think>{% endif %}")
        abilities = sound(model).capabilities
        assert abilities["tools"] == "chat_template.jinja: `if tools`"
        assert abilities["reasoning"] == "chat_template.jinja: `<think>`"

    def test_a_template_is_never_rendered(self, model: Path) -> None:
        (model / "chat_template.jinja").write_text("{{ 1 // 0 }}{% for x in range(10**9) %}{% endfor %}")
        assert len(sound(model).templates) == 1


class TestVectors:
    def test_embedding_wins_over_architectures(self, model: Path) -> None:
        modules = [
            {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "path": "2_Dense", "type": "sentence_transformers.models.Dense"},
            {"idx": 3, "path": "3_Normalize", "type": "sentence_transformers.models.Normalize"},
        ]
        (model / "modules.json").write_text(json.dumps(modules))
        (model / "1_Pooling").mkdir()
        pooling = {
            "word_embedding_dimension": 4096,
            "pooling_mode_mean_tokens": False,
            "pooling_mode_lasttoken": True,
        }
        (model / "1_Pooling/config.json").write_text(json.dumps(pooling))
        assert sound(model).embedding == Embedding(pooling="LAST", dimension=4096, normalized=True)
        (model / "2_Dense").mkdir()
        (model / "2_Dense/config.json").write_text('{"in_features": 4096, "out_features": 768}')
        found = sound(model)
        assert found.embedding == Embedding(pooling="LAST", dimension=768, normalized=True)
        assert found.capabilities == {"embedding": "modules.json: a pooling module"}

    def test_a_module_may_not_lead_out(self, model: Path) -> None:
        module = {"path": "../../secret", "type": "sentence_transformers.models.Pooling"}
        (model / "modules.json").write_text(json.dumps([module]))
        _, (problem,) = read(model)
        assert problem.id == "config-odd"


class TestOrigin:
    def test_the_location_tells_the_repository(self, model: Path) -> None:
        assert sound(model).source == ModelSource(provider="huggingface", repo="Org/Model", evidence="location")

    def test_name_or_path_is_believed_only_of_the_same_name(self, tmp_path: Path) -> None:
        model = write_folder(tmp_path / "x/models/All-MiniLM-L6-v2", {**CONFIGS["bert"], "_name_or_path": "a/MiniLM"})
        assert sound(model).source.repo == "models/All-MiniLM-L6-v2"
        write_folder(model, {**CONFIGS["bert"], "_name_or_path": "sentence-transformers/all-MiniLM-L6-v2"})
        assert sound(model).source == ModelSource(
            provider="huggingface",
            repo="sentence-transformers/all-MiniLM-L6-v2",
            evidence="config.json: _name_or_path",
        )

    def test_a_folder_at_the_top_is_local(self, tmp_path: Path) -> None:
        write_folder(tmp_path / "model", LLAMA)
        found = facts(Folder("weights", tmp_path, "model"))
        assert found is not None
        assert found.source == ModelSource(provider="local")

    def test_the_revision_is_what_the_downloads_metadata_agree_on(self, model: Path) -> None:
        metadata = model / ".cache/huggingface/download"
        metadata.mkdir(parents=True)
        (metadata / "config.json.metadata").write_text(f"{COMMIT}\netag\n1700000000.0\n")
        assert sound(model).source.revision == COMMIT
        (metadata / "model.safetensors.metadata").write_text(f"{COMMIT[::-1]}\netag\n1700000000.0\n")
        assert sound(model).source.revision is None

    @pytest.mark.parametrize(
        ("file", "text", "expected"),
        [
            ("README.md", "---\nlicense: apache-2.0\ntags:\n- x\n---\n# hi", "apache-2.0"),
            ("README.md", "---\nlicense: other\nlicense_name: tongyi-qianwen\n---\n", "tongyi-qianwen"),
            ("README.md", "---\ntags: []\n---\nlicense: mit\n", None),
            ("README.md", "# no front matter\nlicense: mit\n", None),
            ("LICENSE", "\n        Apache License\n   Version 2.0, January 2004\n", "apache-2.0"),
            (
                "LICENSE.txt",
                "LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\nLlama 3.1 Version Release Date",
                "llama3.1",
            ),
            ("LICENSE", "All rights reserved", None),
        ],
    )
    def test_the_licence(self, model: Path, file: str, text: str, expected: str | None) -> None:
        (model / file).write_text(text)
        assert sound(model).license == expected


class TestFiles:
    def test_sizes_and_digests_of_what_is_cheap(self, model: Path) -> None:
        (model / "tokenizer.json").write_text("{}")
        (model / "model.safetensors:Zone.Identifier").write_text("[ZoneTransfer]")
        for junk in (".gitattributes", "logs/run.log", ".cache/x", "__pycache__/m.pyc"):
            (model / junk).parent.mkdir(exist_ok=True)
            (model / junk).write_text("junk")
        (model / "1_Pooling").mkdir()
        (model / "1_Pooling/config.json").write_text("{}")
        listed = {file.path: file for file in sound(model).files}
        assert list(listed) == ["1_Pooling/config.json", "config.json", "model.safetensors", "tokenizer.json"]
        assert listed["config.json"].sha256 == digest((model / "config.json").read_text())
        assert listed["tokenizer.json"].sha256 is None
        assert listed["model.safetensors"].size == (model / "model.safetensors").stat().st_size

    def test_generation_and_tokenizer(self, model: Path) -> None:
        generation = {"_from_model_config": True, "eos_token_id": [1, 2], "temperature": 0.7, "top_k": None}
        (model / "generation_config.json").write_text(json.dumps({**generation, "transformers_version": "4.44.0"}))
        tokenizer = {"tokenizer_class": "Qwen2Tokenizer", "model_max_length": 1000000000000000019884624838656}
        (model / "tokenizer_config.json").write_text(json.dumps(tokenizer))
        found = sound(model)
        assert found.generation == {"eos_token_id": [1, 2], "temperature": 0.7}
        assert found.tokenizer == Tokenizer(kind="Qwen2Tokenizer")

    @pytest.mark.parametrize(
        "value", [float("nan"), float("inf"), 10**40, -(10**400), "a\nb", {"a": 1}, [[1]], "\ud800"]
    )
    def test_odd_generation_defaults_are_left_out(self, model: Path, value: Any) -> None:
        (model / "generation_config.json").write_text(json.dumps({"temperature": value}))
        found, (problem,) = read(model)
        assert problem.id == "config-odd"
        assert found is not None
        assert found.generation == {}


class TestHarm:
    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"{", "not JSON"),
            (b"[]", "no JSON object"),
            (b"null", "no JSON object"),
            (b"\xff\xfe{}", "no UTF-8"),
            (b'{"a":' * 65 + b"1" + b"}" * 65, "64 levels deep"),
            (b"[" * 1_000_000, "64 levels deep"),
            (b"9" * 10_000, "not JSON"),
            (b" " * (4 * 1024 * 1024 + 1), "may have 4194304"),
        ],
    )
    def test_a_config_that_cannot_be_read_is_named(self, model: Path, content: bytes, words: str) -> None:
        (model / "config.json").write_bytes(content)
        problem = only(model)
        assert problem.id == "unreadable-file"
        assert words in problem.message

    def test_a_byte_order_mark_is_no_harm(self, model: Path) -> None:
        (model / "config.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(LLAMA).encode())
        assert sound(model).architecture.layers == 32

    @pytest.mark.parametrize("file", ["config.json", "model.safetensors", "chat_template.jinja", "README.md", "x.txt"])
    def test_a_link_out_of_the_root_is_not_followed(self, model: Path, tmp_path: Path, file: str) -> None:
        secret = tmp_path / "secret"
        secret.write_text("{}")
        (model / file).unlink(missing_ok=True)
        (model / file).symlink_to(secret)
        found, problems = read(model)
        assert found is None
        assert {problem.id for problem in problems} <= {"unsafe-path", "weights-incomplete"}
        assert "leads out of the root" in problems[0].message

    def test_a_link_inside_the_root_is(self, model: Path) -> None:
        blobs = model.parents[1] / "blobs"
        blobs.mkdir()
        (model / "model.safetensors").rename(blobs / "abc")
        (model / "model.safetensors").symlink_to("../../blobs/abc")
        assert sound(model).weights.bytes == 7424

    @pytest.mark.parametrize("file", ["config.json", "model.safetensors", "chat_template.jinja"])
    def test_a_pipe_does_not_wait(self, model: Path, file: str) -> None:
        (model / file).unlink(missing_ok=True)
        os.mkfifo(model / file)
        found, problems = read(model)
        assert found is None or file == "chat_template.jinja"
        assert {problem.severity for problem in problems} <= {"error"}

    def test_links_in_a_circle(self, model: Path) -> None:
        (model / "config.json").unlink()
        (model / "config.json").symlink_to("config.json")
        assert read(model)[0] is None

    @pytest.mark.parametrize("file", ["loop", "README.md", "LICENSE", "images/cat.png"])
    def test_a_link_in_a_circle_that_nobody_needs_is_left_out(self, model: Path, file: str) -> None:
        (model / file).parent.mkdir(exist_ok=True)
        (model / file).symlink_to((model / file).name)
        found, problems = read(model)
        assert found is not None
        assert {(p.id, p.severity, p.at) for p in problems} == {
            ("unreadable-file", "warning", Place(f"weights:Org/Model/{file}"))
        }
        assert [listed.path for listed in found.files] == ["config.json", "model.safetensors"]

    @pytest.mark.parametrize("file", ["more.safetensors", "tokenizer_config.json", "chat_template.jinja"])
    def test_a_link_in_a_circle_where_facts_are_read_from_is_an_error(self, model: Path, file: str) -> None:
        (model / file).symlink_to(file)
        found, problems = read(model)
        assert found is None
        assert {(p.id, p.severity, p.at) for p in problems} == {
            ("unreadable-file", "error", Place(f"weights:Org/Model/{file}"))
        }

    def test_names_that_cannot_be_shown_are_left_out(self, model: Path) -> None:
        (model / "evil\n\u202e.txt").write_text("")
        os.close(os.open(os.fsencode(model) + b"/\xff\xfe.txt", os.O_CREAT))
        found, problems = read(model)
        assert found is not None
        assert [problem.id for problem in problems] == ["unsafe-path", "unsafe-path"]
        assert [file.path for file in found.files] == ["config.json", "model.safetensors"]


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the shared model folders are not beside this repository")
class TestPublishedFolders:
    def published(self, tmp_path: Path, name: str) -> Facts:
        model = write_folder(tmp_path / "weights/Org" / name, {})
        for file in (FIXTURES / name).iterdir():
            if file.name != "model.safetensors.index.json":
                (model / file.name).write_bytes(file.read_bytes())
        return sound(model)

    def test_qwen2_vl(self, tmp_path: Path) -> None:
        found = self.published(tmp_path, "Qwen2-VL-7B-Instruct")
        assert found.architecture.head_dim == 128
        assert found.architecture.sliding_window is None
        assert [template.kind for template in found.templates] == ["wrapper", "tokenizer"]
        assert set(found.capabilities) == {"text", "vision"}
        assert found.generation["temperature"] == 0.01

    def test_llava_awq(self, tmp_path: Path) -> None:
        found = self.published(tmp_path, "llava-1.5-7b-hf-awq")
        assert found.quantization is not None
        assert (found.quantization.method, found.quantization.bits, found.quantization.group_size) == (
            "awq",
            4,
            128,
        )
        assert found.architecture.layers == 32

    def test_minilm(self, tmp_path: Path) -> None:
        found = self.published(tmp_path, "all-MiniLM-L6-v2")
        assert set(found.capabilities) == {"embedding"}
        assert found.source.repo == "Org/all-MiniLM-L6-v2"
