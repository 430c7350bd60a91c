"""load: input files → a project in memory, each file past its gate.

A file that cannot be parsed is named and remembered as unreadable, so that what depends on it stays
quiet; a part that does not fit is named and left out, so that the rest is still checked.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from stowplan.engines.flags import TableUnreadableError, examined, table_file
from stowplan.nouns.facts import FORMAT, seal_of
from stowplan.nouns.flags import FlagTable
from stowplan.nouns.measured import FOLDER, Measured
from stowplan.nouns.names import taken, unsafe
from stowplan.nouns.overlay import Base, Overlay
from stowplan.nouns.profile import ProfileShape
from stowplan.nouns.project import Document, FactsDocument, Model, Project
from stowplan.stages.gate import facts_in, settle
from stowplan.stages.load.measured import measured
from stowplan.stages.load.syntax import parse
from stowplan.stages.load.tidy import tidy
from stowplan.words.diagnostic import Diagnostic, Place, error
from stowplan.words.digest import canonical_json
from stowplan.words.keypath import format_keypath
from stowplan.words.shown import shown

FACTS_FILE = "discovered.json"
_MEASURED = FOLDER.split("/")


def load(sources: Mapping[str, bytes], unread: Collection[str] = ()) -> tuple[Project, list[Diagnostic]]:
    """The project that the input files describe, and every problem with their form.

    `unread` are inputs, and folders of them, that are there and could not be read, which is told already.
    """
    problems: list[Diagnostic] = []
    profiles: dict[str, Document] = {}
    broken = {PurePosixPath(name).stem for name in _names_in("profiles", unread) if "/" not in name}
    models: dict[str, dict[str, bytes]] = {}
    tables: dict[str, dict[str, FlagTable]] = {}
    starts: dict[str, Measured] = {}
    for file, content in sources.items():
        *folders, last = file.split("/")
        stem = last.rpartition(".")[0]
        if folders == _MEASURED:
            if (seen := measured(file, content, problems)) is not None:
                starts[stem] = seen
        elif folders[0] == "profiles":
            document = None
            if _is_safe(stem, file, problems) and _is_free(stem, file, problems):
                document = _document(file, content, ProfileShape, problems)
            if document is None:
                broken.add(stem)
            else:
                profiles[stem] = document
        elif folders[0] == "engines":
            if (table := _table(file, content, problems)) is not None:
                tables.setdefault(table.engine, {})[table.version] = table
        elif len(folders) == 1:
            message = f"`{file}` belongs to no model"
            hint = f"move it to models.d/<model>/{last}, named after a profile"
            problems.append(error("orphan-overlay", message, Place(file), hint=hint))
        elif (model := folders[1]) in models or _is_safe(model, file, problems):
            models.setdefault(model, {})[last] = content
    loaded = {name: _model(name, files, unread, problems) for name, files in models.items()}
    if "profiles" in unread:  # any name may be a profile's
        broken |= {name for model in loaded.values() for name in model.overlays}
    return Project(profiles, loaded, frozenset(broken), tables, starts), problems


def _names_in(folder: str, unread: Collection[str]) -> set[str]:
    return {file.removeprefix(f"{folder}/") for file in unread if file.startswith(f"{folder}/")}


def _is_safe(name: str, file: str, problems: list[Diagnostic]) -> bool:
    """Folder and file names become names of outputs, so they must be plain."""
    if (why := unsafe(name)) is None:
        return True
    problem = error("unsafe-name", f"`{name}` cannot name a model or profile", Place(file), hint=why)
    if not any(p.message == problem.message for p in problems):
        problems.append(problem)
    return False


def _is_free(name: str, file: str, problems: list[Diagnostic]) -> bool:
    """Some plain names mean something else where a profile's name is used."""
    if (why := taken(name)) is not None:
        problems.append(error("unsafe-name", f"`{name}` cannot name a profile", Place(file), hint=why))
    return why is None


def _model(name: str, files: Mapping[str, bytes], unread: Collection[str], problems: list[Diagnostic]) -> Model:
    folder = f"models.d/{name}"
    unreadable = _names_in(folder, unread)
    facts: FactsDocument | None = None
    base: Document | None = None
    overlays: dict[str, Document] = {}
    for file_name, content in files.items():
        file = f"{folder}/{file_name}"
        if file_name == FACTS_FILE:
            facts = _facts(file, content, problems)
            if facts is None:
                unreadable.add(file_name)
            continue
        shape = Base if file_name == "base.toml" else Overlay
        document = _document(file, content, shape, problems)
        if document is None:
            unreadable.add(file_name)
        elif file_name == "base.toml":
            base = document
        else:
            overlays[file_name.removesuffix(".toml")] = document
    return Model(name, facts, base, overlays, frozenset(unreadable))


def _table(file: str, content: bytes, problems: list[Diagnostic]) -> FlagTable | None:
    again = "make it anew with `stowplan engine capture`"
    try:
        table = examined(content)
    except TableUnreadableError as problem:
        problems.append(error("flag-table-unreadable", f"not a flag table: {problem}", Place(file), hint=again))
        return None
    if table_file(table.engine, table.version) != file:
        message = f"it is the flag table of {table.engine} {table.version}"
        hint = f"call it `{table_file(table.engine, table.version)}`"
        problems.append(error("flag-table-unreadable", message, Place(file, ("version",)), hint=hint))
        return None
    return table


def _document(file: str, content: bytes, shape: type, problems: list[Diagnostic]) -> Document | None:
    parsed = parse(file, content)
    if isinstance(parsed, Diagnostic):
        problems.append(parsed)
        return None
    kept, untidy = tidy(parsed, file)
    kept, misfits = settle(shape, kept, file)
    if shape is Base and "status" in kept:
        hint = "a stub is one profile's file; remove it here"
        misfits.append(
            error("misplaced-key", "`status` stands only in <profile>.toml", Place(file, ("status",), "key"), hint=hint)
        )
        kept = {key: value for key, value in kept.items() if key != "status"}
    problems += untidy + misfits
    return Document(file, kept, broken=bool(untidy or misfits))


def _facts(file: str, content: bytes, problems: list[Diagnostic]) -> FactsDocument | None:
    rescan = "run `stowplan discover` to make it anew; corrections belong under [correct] in base.toml"
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as problem:
        line, column = getattr(problem, "lineno", 1), getattr(problem, "colno", 1)
        message = f"not JSON: {_reason(problem)}"
        problems.append(error("facts-unreadable", message, Place(file, line=line, column=column), hint=rescan))
        return None
    if not isinstance(document, dict):
        problems.append(error("facts-unreadable", "not a JSON object", Place(file), hint=rescan))
        return None
    form = document.get("format")
    if isinstance(form, int) and form > FORMAT:
        message = f"format {form} is newer than this Stowplan reads (format {FORMAT})"
        problems.append(error("newer-format", message, Place(file, ("format",)), hint="install a newer Stowplan"))
        return None
    facts = {key: value for key, value in document.items() if key != "seal"}
    try:
        canonical = canonical_json(facts)
    except (ValueError, RecursionError) as problem:
        message = f"not canonical JSON: {_reason(problem)}"
        problems.append(error("facts-unreadable", message, Place(file), hint=rescan))
        return None
    if document.get("seal") != seal_of(canonical):
        message = "the facts were edited by hand: their seal does not match their content"
        problems.append(error("facts-edited", message, Place(file, ("seal",)), hint=rescan))
        return None
    if type(form) is not int or form != FORMAT:
        message = f"`format` wants {FORMAT}, not {shown(form)}"
        problems.append(error("facts-unreadable", message, Place(file, ("format",)), hint=rescan))
        return None
    typed, misfits = facts_in(canonical)
    for path, reason in misfits:
        message = f"`{format_keypath(path)}` {reason}" if path else f"the facts cannot be read: {reason}"
        problems.append(error("facts-unreadable", message, Place(file, path), hint=rescan))
    return None if typed is None else FactsDocument(file, facts, typed)


def _reason(problem: ValueError | RecursionError) -> str:
    """What is wrong, without Python's own words for its own limits."""
    if isinstance(problem, RecursionError):
        return "nested too deeply"
    return str(getattr(problem, "msg", problem))
