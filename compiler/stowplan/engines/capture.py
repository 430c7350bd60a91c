"""Flag tables made: asking an engine itself what it accepts.

A probe (`probes/<kind>_probe`) runs under the interpreter of an environment that has the engine, or at least
what the engine imports: then the engine's Python files come out of its wheel, and nothing compiled is
loaded. The table holds no path and no date, so capturing twice gives the same bytes.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stowplan.engines.flags import FORMAT, examined

PROBES = Path(__file__).parent / "probes"
HELP = 240
"""Characters that a help text may have; a longer one ends with the last sentence that fits."""
LINES = {
    "flags": 1,
    "objects": 2,
    "names": 2,
    "quantization": 1,
    "attention": 1,
    "considered": 1,
    "variables": 1,
    "unread": 1,
}
"""Levels of a section whose members have a line each: a change of one shows as one."""
TIMEOUT = 600
ABOUT = ".dist-info/METADATA"
"""How the member of a wheel ends that says what it is."""
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9A-Za-z]+)*")


class CaptureError(Exception):
    """The engine could not be asked; says why, and what to do."""


def kinds_with_probe() -> tuple[str, ...]:
    """The engines that can be captured."""
    return tuple(sorted(path.name.removesuffix("_probe") for path in PROBES.glob("*_probe")))


def capture(kind: str, version: str, python: Path, wheel: Path | None = None) -> bytes:
    """The flag table of `kind` `version`, as its file's bytes.

    `python` is an interpreter that has the engine installed; with `wheel`, one that has what the engine
    imports, and the engine's own files come from the wheel. Raises `CaptureError`.
    """
    if wheel is None:
        return _table(kind, version, _asked(kind, python, ()))
    with unpacked(kind, version, wheel) as folder:
        return _table(kind, version, _asked(kind, python, (folder,)))


def download(kind: str, version: str, folder: Path) -> Path:
    """The engine's wheel, fetched by this interpreter's pip into `folder`, whatever platform it is for.

    Raises `CaptureError`, with pip's own words.
    """
    if not _PLAIN.fullmatch(version):
        raise CaptureError(f"`{version}` is no version; wanted is one as 0.33.0")
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), f"{kind}=={version}"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise CaptureError("pip could not fetch it:\n" + "\n".join(f"  {line}" for line in lines[-5:]))
    return wheels[0]


@contextmanager
def unpacked(kind: str, version: str, wheel: Path) -> Iterator[Path]:
    """A folder with the wheel's Python and JSON files, gone afterwards. Raises `CaptureError`."""
    with tempfile.TemporaryDirectory(prefix="stowplan-capture-") as name:
        folder = Path(name)
        try:
            about = _extracted(kind, wheel, folder)
        except FileNotFoundError as problem:
            raise CaptureError(f"there is no file `{wheel}`") from problem
        except (EOFError, NotImplementedError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as problem:
            raise CaptureError(f"`{wheel}` is no wheel that can be read: {problem}") from problem
        told = about.removesuffix(ABOUT).partition("-")[2]
        if told.partition("+")[0] != version:
            raise CaptureError(f"`{wheel.name}` holds {kind} {told}, not {version}")
        # an engine asks for its own version by name, and "+cpu" lets vLLM start without a GPU
        metadata = folder / f"{kind}-{version}+cpu{ABOUT}"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {kind}\nVersion: {version}+cpu\n", "utf-8")
        yield folder


def _extracted(kind: str, wheel: Path, folder: Path) -> str:
    """Takes the engine's own files out of its wheel. Out: the name of its METADATA. Raises `CaptureError`."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        abouts = [name for name in names if name.endswith(ABOUT) and name.count("/") == 1]
        if len(abouts) != 1 or not any(name.startswith(f"{kind}/") for name in names):
            raise CaptureError(f"`{wheel}` is no wheel of {kind}: it wants {kind}/ and one METADATA")
        if (outside := next((name for name in names if ".." in name.split("/")), None)) is not None:
            raise CaptureError(f"`{wheel}` is no wheel: `{outside}` leads out of it")
        for name in names:
            if name.startswith(f"{kind}/") and name.endswith((".py", ".json")):
                archive.extract(name, folder)
    return abouts[0]


def _asked(kind: str, python: Path, path: Iterable[Path]) -> dict[str, Any]:
    """What the probe found."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VLLM_"))}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, path))
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    # not -P, which Python has since 3.11 only: what a probe's folder holds is ours
    command = [str(python), "-m", f"{kind}_probe"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=environment, timeout=TIMEOUT, cwd=PROBES
        )
    except OSError as problem:
        raise CaptureError(f"cannot run `{python}`: {problem.strerror}") from problem
    except subprocess.TimeoutExpired as problem:
        raise CaptureError(f"`{python}` did not answer within {TIMEOUT} s") from problem
    if done.returncode != 0:
        raise CaptureError(f"`{python}` could not say what {kind} takes: {_last_words(done.stderr)}")
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError as problem:
        raise CaptureError(f"`{python}` gave no answer: is it the interpreter of that environment?") from problem
    return found


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = lines[-1] if lines else "it ended without a word"
    absent = re.search(r"No module named '([^'.]+)", last)
    return f"{last}\n  install `{absent[1]}` into that environment" if absent else last


def _table(kind: str, version: str, found: dict[str, Any]) -> bytes:
    """The file: one flag, one field and one name a line."""
    told = found["version"].partition("+")[0]
    if told != version:
        raise CaptureError(f"that environment has {kind} {told}, not {version}")
    document = {
        "format": FORMAT,
        "engine": kind,
        "version": version,
        "source": f"the parser, configuration classes and registries of {kind} {version}",
        "allow_abbrev": found["allow_abbrev"],
        "flags": {name: _short(entry, "help") for name, entry in found["flags"].items()},
        "objects": {
            name: {field: _short(shape, "description") for field, shape in fields.items()}
            for name, fields in sorted(found["objects"].items())
        },
        "names": found["names"],
        "quantization": found["quantization"],
        "attention": found["attention"],
        "considered": found["considered"],
        "variables": found["variables"],
        "unread": [line.partition(":")[0] for line in found["unread"]],
    }
    source = _written(document).encode()
    examined(source)  # what cannot be read again is no table
    return source


def _short(entry: dict[str, Any], words: str) -> dict[str, Any]:
    text = entry.get(words, "")
    if len(text) <= HELP:
        return entry
    cut = text[:HELP]
    end = max(cut.rfind(stop) for stop in (". ", "! ", "? ", "; "))
    return entry | {words: cut[: end + 1] if end > HELP // 3 else cut.rsplit(" ", 1)[0] + " …"}


def _written(document: dict[str, Any]) -> str:
    members = (f' "{key}": {_spread(value, LINES.get(key, 0), 1)}' for key, value in document.items())
    return "{\n" + ",\n".join(members) + "\n}\n"


def _spread(value: Any, levels: int, depth: int) -> str:
    """JSON with a line for each member of the first `levels` levels."""
    if not value or levels == 0:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    indent, outdent = " " * (depth + 1), " " * depth
    if isinstance(value, list):
        inner = [f"{indent}{_spread(item, levels - 1, depth + 1)}" for item in value]
        return "[\n" + ",\n".join(inner) + f"\n{outdent}]"
    inner = [
        f"{indent}{json.dumps(key)}: {_spread(item, levels - 1, depth + 1)}" for key, item in sorted(value.items())
    ]
    return "{\n" + ",\n".join(inner) + f"\n{outdent}}}"
