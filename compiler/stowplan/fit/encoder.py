"""What a vision or audio encoder takes at its height, and the embeddings that it leaves behind.

vLLM runs it once, too, on as many of the largest items as a batch has tokens for, and on one at least (0.32.0,
vllm/multimodal/encoder_budget.py; vllm/v1/core/encoder_cache_manager.py, `compute_mm_encoder_budget`). A processor
decides how large they are: preprocessor_config.json may say it, else memory.json knows some kinds of encoders
(`towers`), else a range stands for all. That a video may be longer than the largest image is not followed.
"""

from collections.abc import Mapping

from stowplan.fit.constants import Constants
from stowplan.fit.lacking import Lacking
from stowplan.fit.settings import Settings
from stowplan.nouns.facts import Architecture, Tower

ITEM = (256, 2048, 16384)
PATCHES = (1, 4, 16)
"""Tokens of the largest image, and patches for a token, of an encoder nothing is known of: least, likely, most."""

Range = tuple[float, float, float]
NO_ENCODER: Range = (0.0, 0.0, 0.0)


def encoder(
    of: Architecture, settings: Settings, known: Constants, tokens: int, more: Lacking, size: int
) -> tuple[Range, Range, bool]:
    """Bytes of the pass and of what it leaves behind: least, likely, most; and whether they are a guess.

    `tokens` are a batch's, `size` the bytes of a number of the model.
    """
    tower = of.vision or of.audio
    if tower is None or not settings.encoder or not settings.encoder_profiled:
        return NO_ENCODER, NO_ENCODER, False
    row: Mapping[str, int] = known.towers.get(tower.model_type or "", {})
    patches = more.encoder_patches or tower.token_patches or row.get("patches")
    item = more.encoder_item or _item(tower, settings, patches) or row.get("item")
    each = PATCHES if patches is None else (patches, patches, patches)
    items = ITEM if item is None else (item, item, item)
    width = known.encoder * (tower.hidden_size or of.hidden_size or 0) * size
    left = known.encoder_cache * (of.hidden_size or 0) * size
    low, likely, high = (max(tokens, most) for most in items)
    pass_ = (low * each[0] * width, likely * each[1] * width, high * each[2] * width)
    return pass_, (low * left, likely * left, high * left), item is None or patches is None


def _item(tower: Tower, settings: Settings, patches: int | None) -> int | None:
    """Tokens of the largest image: of as many pixels as the launch lets in, else as the processor's file says."""
    pixels, side = settings.image_pixels, tower.patch_size
    if pixels is not None and side and patches:
        return max(1, pixels // (side * side * patches))
    return tower.image_tokens
