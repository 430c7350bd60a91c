"""The law that no input ends in a traceback: whatever the files of a project hold, they are told what is wrong.

A sound project's files are cut, doubled, mixed up and sprinkled with what TOML can say and nobody means.
"""

import shutil
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from command import stowplan

SOUND = Path(__file__).parent / "cases/a-sound-project"
FILES = {path.relative_to(SOUND).as_posix(): path.read_bytes() for path in sorted(SOUND.rglob("*")) if path.is_file()}
LINES = sorted({line for name, text in FILES.items() if name.endswith(".toml") for line in text.splitlines(True)})
VALUES = (
    *(b"[]", b"{}", b'""', b"0", b"-1", b"true", b"nan", b"-inf", b"1e999", b"9223372036854775808", b"1979-05-27"),
    *(b'["a", 1, {}]', b'{ a = { b = "c" } }', b'"\\u0000"', b'"weights:../x"', b'"\xef\xbc\xa1"', b"'''\n'''"),
)
KEYS = (
    *(b"unset", b"status", b"engine", b"correct", b"extends", b"allow", b"external.model", b"vllm.hf-overrides"),
    *(b"vllm", b"env", b"roots", b"roots.weights", b"serving", b"serving.ports", b"defaults.vllm", b"defaults.env.A"),
    *(b'"a b".c', b"name", b"aliases", b"alias-of", b"port", b"served-name", b"roles.x", b"gpu.memory", b"enabled"),
)


@st.composite
def mutants(draw: st.DrawFn) -> dict[str, bytes]:
    """The sound project's files, some of them spoilt."""
    files = dict(FILES)
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(sorted(files)))
        files[name] = _spoilt(draw, files[name])
    return files


def _spoilt(draw: st.DrawFn, text: bytes) -> bytes:
    lines = text.splitlines(True)
    at = draw(st.integers(0, len(lines)))
    match draw(st.sampled_from(("cut", "byte", "line gone", "line twice", "line", "key", "value"))):
        case "cut":
            begin, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
            return text[:begin] + text[end:]
        case "byte":
            place = draw(st.integers(0, len(text)))
            return text[:place] + draw(st.binary(min_size=1, max_size=4)) + text[place:]
        case "line gone":
            del lines[at : at + 1]
        case "line twice":
            lines[at:at] = lines[at : at + 1]
        case "line":
            lines.insert(at, draw(st.sampled_from(LINES)))
        case "key":
            lines.insert(at, draw(st.sampled_from(KEYS)) + b" = " + draw(st.sampled_from(VALUES)) + b"\n")
        case "value" if at < len(lines) and b" = " in lines[at]:
            lines[at] = lines[at].split(b" = ")[0] + b" = " + draw(st.sampled_from(VALUES)) + b"\n"
    return b"".join(lines)


def test_whatever_the_files_hold_it_is_told_and_current_stays(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(SOUND, project)
    assert stowplan(project, "compile").code == 0
    current = project / "build/current"

    @settings(max_examples=150, deadline=None)
    @given(mutants())
    def law(files: dict[str, bytes]) -> None:
        for name, content in files.items():
            (project / name).write_bytes(content)
        checked = stowplan(project, "check")
        assert checked.code in (0, 1), checked.err
        if checked.code == 1:
            before = current.readlink()
            done = stowplan(project, "compile")
            assert done.code == 1, done.err
            assert current.readlink() == before
        else:
            done = stowplan(project, "compile", "--no-publish")
            assert done.code == 0, done.err

    law()
