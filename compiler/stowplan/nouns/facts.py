"""Facts: what can be read off a model's files. Never edited by hand, always rebuildable.

`discovered.json` is `FORMAT`, these fields (absent ones left out, never null), and a seal: the sha256
of the canonical JSON of everything else. There is no absolute path, no date and no launch argument
in it, and its keys are sorted, so that scanning twice gives the same bytes.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from stowplan.nouns.gate import FactsShape
from stowplan.nouns.state import State
from stowplan.words.digest import canonical_json, sha256

FORMAT = 1
CAPABILITIES = ("text", "vision", "audio", "embedding", "reranking", "tools", "reasoning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Location(FactsShape):
    """Where the weights lie: a root the profile names, and a path below it (POSIX, relative)."""

    root: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource(FactsShape):
    """Where the model comes from.

    `provider` is `huggingface`, `ollama` or `local`; `repo` and `revision` as that provider writes
    them, and `evidence` says what they were read from. `origin` says where facts come from that no
    scan of the weights produced.
    """

    provider: str
    repo: str | None = None
    revision: str | None = None
    evidence: str | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mla(FactsShape):
    """Multi-head latent attention (DeepSeek-V2, section 2.1): its ranks and head sizes."""

    kv_lora_rank: int
    qk_rope_head_dim: int
    qk_nope_head_dim: int | None = None
    v_head_dim: int | None = None
    q_lora_rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts(FactsShape):
    """Mixture of experts: how many there are and how many serve one token."""

    count: int
    per_token: int | None = None
    shared: int | None = None
    intermediate_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tower(FactsShape):
    """A vision or audio encoder beside the language model.

    `image_tokens` are those that the largest image makes, `token_patches` how many patches of it make one.
    """

    model_type: str | None = None
    layers: int | None = None
    hidden_size: int | None = None
    heads: int | None = None
    patch_size: int | None = None
    image_size: int | None = None
    image_tokens: int | None = None
    token_patches: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRun(FactsShape):
    """`count` consecutive layers of one kind.

    `full`, `sliding` and `chunked` keep keys and values of all, of the window's and of the chunk's
    tokens, `cross` of what an encoder made; `linear`, `mamba` and `conv` keep a state, and `hybrid`
    one beside keys and values of all; `encoder` and `none` keep nothing. `kv_heads`, `head_dim` and
    `value_dim` are these layers' own where they are not the model's.
    """

    kind: str
    count: int
    kv_heads: int | None = None
    head_dim: int | None = None
    value_dim: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rope(FactsShape):
    """Rotary positions: kind (`default`, `linear`, `yarn`, `longrope`, `mrope` ...) and its numbers."""

    kind: str
    factor: float | None = None
    original_max_positions: int | None = None
    theta: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture(FactsShape):
    """The numbers of config.json, from the language model's part where the model has several.

    What config.json leaves out is what transformers assumes for that model type.
    `head_dim` is the explicit one, else hidden size over heads; with `mla` only an explicit one counts.
    `value_dim` is a value head's size where it is not the key's. Of `layers`, the last `kv_shared_layers` keep no
    keys and values of their own; `draft_layers` more of them predict ahead. Of a model with encoder and decoder
    `attention` is the decoder's, and looks at `encoder_tokens` at most. `unfollowed` are keys that are stated
    and change what is kept of a sequence in ways that facts do not hold.
    """

    names: tuple[str, ...] = ()
    model_type: str | None = None
    dtype: str | None = None
    layers: int | None = None
    hidden_size: int | None = None
    intermediate_size: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None
    value_dim: int | None = None
    vocab_size: int | None = None
    tied_embeddings: bool | None = None
    max_positions: int | None = None
    sliding_window: int | None = None
    chunk_size: int | None = None
    attention: tuple[LayerRun, ...] = ()
    kv_shared_layers: int | None = None
    draft_layers: int | None = None
    encoder_tokens: int | None = None
    state: State | None = None
    unfollowed: tuple[str, ...] = ()
    rope: Rope | None = None
    mla: Mla | None = None
    experts: Experts | None = None
    vision: Tower | None = None
    audio: Tower | None = None
    remote_code: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(FactsShape):
    """The longest context the model takes by itself, in tokens, and the key that says so.

    `default` is what vLLM takes when nobody asks, where that is less.
    """

    tokens: int
    evidence: str
    default: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights(FactsShape):
    """The tensors: bytes in all, per dtype (safetensors names) and per group of tensors.

    The groups are `layers`, `experts`, `embedding`, `head`, `vision`, `audio`, `draft` and `other`.

    `headers_sha256` identifies the weights without reading them: the sha256 over the safetensors
    headers in file order.
    """

    format: str
    bytes: int | None = None
    dtypes: dict[str, int] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    headers_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization(FactsShape):
    """How the checkpoint is quantised; `method` as vLLM (or Ollama) names it, `format` as compressed-tensors does.

    `kv_cache` is the dtype that the checkpoint wants its KV cache in, as vLLM names it.
    """

    method: str
    format: str | None = None
    bits: int | None = None
    group_size: int | None = None
    kv_cache: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template(FactsShape):
    """One chat template: the file that holds it, how, and the sha256 of the template text.

    `kind`: `jinja` (a file of its own), `wrapper` (JSON around it: chat_template.json) or `tokenizer`
    (inside tokenizer_config.json). The first in the list is the one that holds; one that stands
    beside a default, or is there to be chosen, has a `name`.
    """

    file: str
    kind: str
    sha256: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding(FactsShape):
    """What sentence-transformers' modules say: pooling, dimension, whether vectors are normalised."""

    pooling: str | None = None
    dimension: int | None = None
    normalized: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizer(FactsShape):
    """The tokenizer's class and the context length it claims, in tokens."""

    kind: str | None = None
    max_length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile(FactsShape):
    """One file: path below the model's folder, size in bytes, digests where cheap.

    `header_sha256` of a safetensors header; `sha256` of a small file that was read whole.
    """

    path: str
    size: int
    header_sha256: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(FactsShape):
    """All that is known of one model. `capabilities` maps each to its evidence."""

    format: int = FORMAT
    source: ModelSource
    location: Location
    weights: Weights
    architecture: Architecture = field(default_factory=Architecture)
    context: Context | None = None
    quantization: Quantization | None = None
    capabilities: dict[str, str] = field(default_factory=dict)
    templates: tuple[Template, ...] = ()
    tokenizer: Tokenizer | None = None
    embedding: Embedding | None = None
    generation: dict[str, Any] = field(default_factory=dict)
    family: str | None = None
    license: str | None = None
    files: tuple[ModelFile, ...] = ()

    @property
    def own_templates(self) -> tuple[Template, ...]:
        """The templates without a name, the one that holds first: what a chat gets if nobody chooses."""
        return tuple(template for template in self.templates if template.name is None)


def document(facts: Facts) -> dict[str, Any]:
    """The facts as plain JSON values, without the seal; what is None or empty is left out."""
    return _plain(facts)  # type: ignore[no-any-return]


def seal(content: dict[str, Any]) -> str:
    """The seal of a discovered.json's content (its own `seal` does not count): `sha256:...`."""
    return seal_of(canonical_json({key: value for key, value in content.items() if key != "seal"}))


def seal_of(canonical: bytes) -> str:
    """The same of the content's canonical JSON, without a seal in it."""
    return f"sha256:{sha256(canonical)}"


def write(facts: Facts) -> bytes:
    """The bytes of discovered.json: sealed, sorted, two spaces, one newline at the end."""
    content = document(facts)
    sealed = content | {"seal": seal(content)}
    return (json.dumps(sealed, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        members = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {field.name: _plain(member) for field, member in members if not _is_absent(field, member)}
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _is_absent(field: dataclasses.Field[Any], value: Any) -> bool:
    if field.default_factory is not dataclasses.MISSING:
        return bool(value == field.default_factory())
    return value is None or value == ()
