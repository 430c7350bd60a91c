"""The shortcuts to a manifest's format answer as json.loads does, or leave it to that."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reader_cases import a_build

from stowplan.read import UnreadableBuildError
from stowplan.read.format import check_format
from stowplan.words.digest import canonical_json

_keys = st.sampled_from(["aaa", "compiler", "files", "format", "inputs", "profile", "zzz", 'x"format":9,', "é"])
_values = st.recursive(
    st.integers(0, 99) | st.text('a"\\{}:,é', max_size=4) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=8,
)
_manifests = st.dictionaries(_keys, _values, max_size=6)


def said(manifest: Any) -> str | None:
    """What is wrong with a manifest, told after it was parsed whole; None for nothing."""
    form = manifest.get("format")
    if not isinstance(form, int):
        return "no `format`"
    return f"has format {int(form)}" if form > 1 else None


@given(_manifests, st.booleans(), st.booleans(), st.integers(0, 40_000))
@example({"format": 12, "profile": "x"}, True, True, 0)
@example({"aaa": {"format": 9}, "format": 1}, True, True, 16_357)
@example({"files": {}, "format": 1, "profile": {"profile": "x"}}, True, True, 0)
def test_the_format_is_the_one_json_loads_finds(
    tmp_path_factory: pytest.TempPathFactory, manifest: dict[str, Any], close: bool, ended: bool, length: int
) -> None:
    """Also where there is much before it, or what is read first ends within it."""
    folder = tmp_path_factory.mktemp("format")
    manifest = {"a": "n" * length, **manifest}
    content = canonical_json(manifest) if close else json.dumps(manifest, indent=1).encode()
    (folder / "manifest.json").write_bytes(content + b"\n" * ended)
    wrong = said(manifest)
    if wrong is None:
        check_format(folder)
    else:
        with pytest.raises(UnreadableBuildError, match=wrong):
            check_format(folder)


@pytest.mark.parametrize("shift", range(-12, 3))
def test_a_number_at_the_end_of_what_is_read_first_is_read_whole(tmp_path: Path, shift: int) -> None:
    start = len(b'{"a":"","format":')
    content = canonical_json({"a": "n" * (16384 - start + shift), "format": 123456, "z": 1})
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(UnreadableBuildError, match="has format 123456;"):
        check_format(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format"', b"{[]:1}", b"\xff", b'"format"', b"null"])
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(UnreadableBuildError):
        check_format(tmp_path)


def test_what_the_compiler_writes_needs_no_parsing_of_it_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if the order of a manifest's members changes, and opening becomes slow."""
    build = a_build(1)
    monkeypatch.setattr(json, "loads", None)
    for manifest in (build.root.manifest, *(obj.manifest for obj in build.profiles.values())):
        (tmp_path / "manifest.json").write_bytes(manifest)
        check_format(tmp_path)
