"""The largest image of an encoder: what processors' files say of it, in the forms that published models take."""

from pathlib import Path
from typing import Any

import pytest
from discover_cases import CONFIGS, LLAMA, write_folder

from stowplan.discover.files import Folder
from stowplan.discover.folder import facts
from stowplan.nouns.facts import Tower

QWEN_2 = {
    "image_processor_type": "Qwen2VLImageProcessor",
    "max_pixels": 12845056,
    "merge_size": 2,
    "min_pixels": 3136,
    "patch_size": 14,
    "temporal_patch_size": 2,
}
QWEN_3 = {
    "image_processor_type": "Qwen2VLImageProcessorFast",
    "size": {"longest_edge": 16777216, "shortest_edge": 65536},
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
}
KIMI = {
    "image_processor_type": "KimiVLImageProcessor",
    "in_token_limit": 4096,
    "patch_size": 14,
    "merge_kernel_size": [2, 2],
}
QWEN = CONFIGS["qwen2.5-vl"]


def tower(base: Path, config: Any, **files: Any) -> Tower:
    folder = Folder("weights", base, write_folder(base / "Model", config, **files).relative_to(base).as_posix())
    found = facts(folder)
    assert (found is not None, folder.problems) == (True, [])
    assert found is not None
    assert found.architecture.vision is not None
    return found.architecture.vision


@pytest.mark.parametrize(
    ("processor", "tokens", "patches"),
    [
        (QWEN_2, 16384, 4),
        (QWEN_3, 16384, 4),
        (KIMI, 1024, 4),
        ({**QWEN_2, "max_pixels": 1003520}, 1280, 4),
        ({**QWEN_2, "max_pixels": None, "size": {"longest_edge": 1003520}}, 1280, 4),
        ({**KIMI, "merge_kernel_size": 2}, 1024, 4),
        ({**QWEN_2, "merge_size": "2"}, None, None),
        ({**QWEN_2, "merge_size": 0}, None, None),
        ({**QWEN_2, "max_pixels": -1}, None, None),
        ({**KIMI, "merge_kernel_size": [2, 2, 2]}, None, None),
        ({**QWEN_2, "image_processor_type": "AnotherImageProcessor"}, None, None),
        ({"image_processor_type": ["Qwen2VLImageProcessor"]}, None, None),
        ({}, None, None),
    ],
)
def test_a_processor_says_how_large_an_image_is(
    tmp_path: Path, processor: dict[str, Any], tokens: int | None, patches: int | None
) -> None:
    found = tower(tmp_path, QWEN, preprocessor_config__json=processor)
    assert (found.image_tokens, found.token_patches) == (tokens, patches)


def test_newer_models_have_one_file_for_all_processors(tmp_path: Path) -> None:
    found = tower(tmp_path, QWEN, processor_config__json={"image_processor": QWEN_3, "video_processor": {}})
    assert (found.image_tokens, found.token_patches) == (16384, 4)


def test_some_models_make_as_many_tokens_of_any_image(tmp_path: Path) -> None:
    config = {**LLAMA, "mm_tokens_per_image": 256, "vision_config": {"image_size": 896, "patch_size": 14}}
    found = tower(tmp_path, config)
    assert (found.image_tokens, found.token_patches) == (256, 16)


def test_without_a_processor_it_is_not_known(tmp_path: Path) -> None:
    found = tower(tmp_path, QWEN)
    assert (found.image_tokens, found.token_patches) == (None, None)
