"""Which layers see how far: the kind of attention of every layer, in whatever form config.json tells it."""

from itertools import groupby

from stowplan.discover import knowledge
from stowplan.discover.heads import Heads, blocks, own_heads
from stowplan.discover.section import Section, is_count, is_plain
from stowplan.nouns.facts import LayerRun

MAX_LAYERS = 4096


def sliding_window(text: Section) -> int | None:
    """The window in tokens, None if it is switched off (`use_sliding_window: false`) or there is none."""
    if text.truth("use_sliding_window") is False:
        return None
    return text.count("sliding_window", "sliding_window_size")


def attention(
    text: Section, layers: int | None, encoded: bool, heads: int | None, usual: Heads
) -> tuple[LayerRun, ...]:
    """The layers in runs of one kind; empty where their number is unknown or beyond belief.

    `encoded` says whether they are a decoder's beside an encoder, so that each looks at that as well. `heads` are
    the model's query heads, `usual` its heads of keys and values.
    """
    if encoded:
        layers = text.count("decoder_layers", "num_decoder_layers") or layers
    if layers is None or layers > MAX_LAYERS:
        return ()
    kinds = _listed(text, layers) or _coded(text, layers) or _numbered(text, layers) or _spelled(text, layers)
    kinds = kinds or _every_nth(text, layers) or _in_blocks(text, layers) or _usual(text, layers)
    if sliding_window(text) is None:
        kinds = ["full" if kind == "sliding" else kind for kind in kinds]
    own = own_heads(text, kinds, heads, usual)
    runs = [
        LayerRun(kind=kind, count=len(list(run)), kv_heads=has.kv_heads, head_dim=has.head_dim, value_dim=has.value_dim)
        for (kind, has), run in groupby(zip(kinds, own, strict=True))
    ]
    return (*runs, LayerRun(kind="cross", count=layers)) if encoded else tuple(runs)


def _coded(text: Section, layers: int) -> list[str] | None:
    """A list of numbers, one for each layer."""
    for name, words in knowledge.table("layer_kinds")["codes"].items():
        listed = text.values.get(name)
        if isinstance(listed, list) and len(listed) >= layers and all(type(code) is int for code in listed):
            return [words[code] if 0 <= code < len(words) else "full" for code in listed[:layers]]
    return None


def _numbered(text: Section, layers: int) -> list[str] | None:
    """The numbers of the layers of one kind; the others are of a lesser kind."""
    for row in knowledge.table("layer_kinds")["numbered"]:
        part = text.values.get(row["section"]) if "section" in row else text.values
        listed = part.get(row["list"]) if isinstance(part, dict) else None
        if isinstance(listed, list) and all(type(index) is int for index in listed):
            those = {index - row["from"] for index in listed}
            return [row["kind"] if i in those else row["others"] for i in range(layers)]
    return None


def _in_blocks(text: Section, layers: int) -> list[str] | None:
    """Blocks that a search made: some have no attention (vLLM 0.32.0, vllm/model_executor/models/nemotron_nas.py)."""
    found = blocks(text.folder, text.values)
    if len(found) < layers:
        return None
    without = ("no_op", "replace_with_linear")
    return ["none" if any(part.values.get(key) is True for key in without) else "full" for part in found[:layers]]


def _listed(text: Section, layers: int) -> list[str] | None:
    """A list that names each layer's kind."""
    table = knowledge.table("layer_kinds")
    found = text.find(*table["lists"])
    if found is None:
        return None
    name, listed, _ = found
    if not isinstance(listed, list) or len(listed) < layers or not all(is_plain(word) for word in listed):
        text.odd(name, listed, f"a list of {layers} layer kinds")
        return None
    strange = sorted({word for word in listed if word not in table["words"]})
    if strange:
        text.odd(name, strange[0], "a known kind of layer (counted as full attention)")
    return [table["words"].get(word, "full") for word in listed[:layers]]


def _spelled(text: Section, layers: int) -> list[str] | None:
    """A pattern of letters, repeated as often as needed: `LLLG`, `M-M*-`."""
    for name, letters in knowledge.table("layer_kinds")["letters"].items():
        pattern = text.values.get(name)
        if isinstance(pattern, str) and pattern and set(pattern) <= set(letters):
            return [letters[pattern[i % len(pattern)]] for i in range(layers)]
    return None


def _every_nth(text: Section, layers: int) -> list[str] | None:
    """Every nth layer sees everything, the others are of a lesser kind."""
    for name, lesser in knowledge.table("layer_kinds")["every_nth_is_full"].items():
        nth = text.values.get(name)
        if is_count(nth):
            ends = knowledge.table("layer_kinds")["full_at_the_end"].get(name) in text.values
            whole = layers // nth * nth if ends else layers
            return [lesser if (i + 1) % nth and i < whole else "full" for i in range(layers)]
    for name, (offset, lesser) in knowledge.table("layer_kinds")["every_nth_from"].items():
        nth, first = text.values.get(name), text.values.get(offset)
        if is_count(nth) and type(first) is int:
            return ["full" if i % nth == first else lesser for i in range(layers)]
    return None


def _usual(text: Section, layers: int) -> list[str]:
    """What the model type is known for; else all sliding where there is a window, all full where not.

    Qwen2 (transformers 5.19.0, configuration_qwen2.py) lets the first `max_window_layers` see everything.
    """
    table = knowledge.table("layer_kinds")
    if text.model_type in table["without_attention"]:
        return [table["without_attention"][text.model_type]] * layers
    if text.model_type in table["encoders"] and text.values.get("is_decoder") is not True:
        return ["encoder"] * layers
    pattern = knowledge.assumed(text.model_type).get("pattern")
    if pattern:
        return [table["words"].get(pattern[i % len(pattern)], "full") for i in range(layers)]
    if sliding_window(text) is None:
        return ["full"] * layers
    full = min(text.count("max_window_layers") or 0, layers)
    return ["full"] * full + ["sliding"] * (layers - full)
