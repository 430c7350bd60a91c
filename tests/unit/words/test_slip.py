"""A slip is a slip in a letter; another word is another meaning."""

import pytest

from stowplan.engines.flags import flag_table, versions
from stowplan.words.slip import is_slip


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("max_model_length", "max-model-len"),
        ("max-modle-len", "max-model-len"),
        ("gpu-memory-utilisation", "gpu-memory-utilization"),
        ("custom_op", "custom_ops"),
    ],
)
def test_a_letter_is_a_slip(written: str, meant: str) -> None:
    assert is_slip(written, meant)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("min-num-seqs", "max-num-seqs"),
        ("enable-async-scheduling", "disable-async-scheduling"),
        ("async-scheduling", "disable-async-scheduling"),
        ("no-enforce-eager", "enforce-eager"),
        ("enable_any_whitespace", "disable_any_whitespace"),
    ],
)
def test_a_word_is_none(written: str, meant: str) -> None:
    assert not is_slip(written, meant)


@pytest.mark.parametrize("version", versions("vllm"))
def test_no_flag_is_its_opposite_with_a_slip(version: str) -> None:
    table = flag_table("vllm", version)
    assert table is not None
    for name in table.flags:
        rest = name.partition("-")[2]
        opposites = [f"{word}-{other}" for word in ("no", "enable", "disable") for other in (name, rest)] + [rest]
        assert not any(is_slip(opposite, name) for opposite in opposites if opposite != name), name
