"""The safetensors header reader: sound files are read, all others are named, none crashes it."""

import io
import json

import pytest
from discover_cases import ONE_LAYER, header
from hypothesis import given, settings
from hypothesis import strategies as st

from stowplan.discover.safetensors import MAX_HEADER, BadHeaderError, Header, TruncatedError, read


def packed(text: bytes, data: int) -> bytes:
    return len(text).to_bytes(8, "little") + text + bytes(data)


SOUND = packed(json.dumps(header(ONE_LAYER)).encode(), 7424)


def reading(content: bytes) -> Header:
    return read(io.BytesIO(content), len(content))


def entry(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_a_sound_file_is_read() -> None:
    found = reading(SOUND)
    assert found.bytes == 100 * 16 * 2 * 2 + 32 * 16 * 2
    assert [tensor.name for tensor in found.tensors] == list(ONE_LAYER)
    assert found.size == len(SOUND)


def test_small_types_pack_into_bytes() -> None:
    text = json.dumps({"a": entry("F4", (3, 2), (0, 3)), "b": entry("F8_E4M3", (5,), (3, 8))}).encode()
    assert [tensor.bytes for tensor in reading(packed(text, 8)).tensors] == [3, 5]


@pytest.mark.parametrize("kept", [0, 5, 8, 40, len(SOUND) - 1])
def test_a_file_cut_short_is_truncated(kept: int) -> None:
    with pytest.raises(TruncatedError):
        reading(SOUND[:kept])


def test_the_missing_bytes_are_counted() -> None:
    with pytest.raises(TruncatedError, match=rf"has {len(SOUND) - 7} bytes of {len(SOUND)}; 7 are missing"):
        reading(SOUND[:-7])


@pytest.mark.parametrize(
    ("members", "data", "words"),
    [
        ({"a": entry()}, 9, "1 bytes follow"),
        ({"a": entry(offsets=(0, 4))}, 4, "takes 4 bytes; its dtype and shape say 8"),
        ({"a": entry(offsets=(4, 12))}, 12, "begins at data byte 4; 0 was expected"),
        ({"a": entry(), "b": entry(offsets=(4, 12))}, 12, "begins at data byte 4; 8 was expected"),
        ({"a": entry(offsets=(8, 0))}, 8, "takes -8 bytes"),
        ({"a": entry(dtype="F5")}, 8, "unknown dtype `F5`"),
        ({"a": entry(dtype=["F32"])}, 8, "unknown dtype"),
        ({"a": entry(shape=[True, 2])}, 8, "shape"),
        ({"a": entry(shape=[-2])}, 8, "shape"),
        ({"a": entry(shape=[2.0])}, 8, "shape"),
        ({"a": entry(shape=[1 << 62] * 33)}, 8, "shape"),
        ({"a": entry("F4", (3,), (0, 1))}, 1, "takes 1 bytes"),
        ({"a": entry(offsets=[0])}, 8, "offsets"),
        ({"a": []}, 0, "not an object"),
        ({"__metadata__": {"a": 1}}, 0, "__metadata__"),
        ({"__metadata__": []}, 0, "__metadata__"),
    ],
)
def test_an_unsound_header_is_named(members: object, data: int, words: str) -> None:
    with pytest.raises(BadHeaderError, match=words):
        reading(packed(json.dumps(members).encode(), data))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        ((MAX_HEADER + 1).to_bytes(8, "little") + bytes(8), "allows 100000000"),
        (packed(b"[]", 0), "does not begin"),
        (packed(b"{", 0), "not JSON"),
        (packed(b'{"\xff": 1}', 0), "no UTF-8"),
        (packed(b'{"a":1,"a":2}', 0), "`a` stands twice"),
        (packed(b'{"a":' + b"[" * 100_000, 0), "levels deep"),
        (packed(b'{"a":' + b"9" * 5000 + b"}", 0), "not JSON"),
    ],
)
def test_what_is_no_safetensors_file_is_named(content: bytes, words: str) -> None:
    with pytest.raises(BadHeaderError, match=words):
        reading(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(st.sampled_from(list(ONE_LAYER)), st.sampled_from(["dtype", "shape", "data_offsets", None]), json_values)
def test_any_value_anywhere_is_read_or_named(name: str, key: str | None, value: object) -> None:
    members = header(ONE_LAYER)
    if key is None:
        members[name] = value
    else:
        members[name][key] = value
    try:
        found = reading(packed(json.dumps(members).encode(), 7424))
    except (BadHeaderError, TruncatedError):
        return
    assert found.bytes == 7424


@settings(max_examples=100)
@given(st.integers(0, len(SOUND) - 7425), st.binary(min_size=1, max_size=4))
def test_any_damage_to_the_header_is_read_or_named(at: int, damage: bytes) -> None:
    damaged = SOUND[:at] + damage + SOUND[at + len(damage) :]
    try:
        found = reading(damaged)
    except (BadHeaderError, TruncatedError):
        return
    assert found.bytes == 7424
    assert found.size == len(SOUND)
