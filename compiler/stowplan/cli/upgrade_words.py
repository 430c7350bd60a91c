"""What `upgrade` says: for people, short and by model; and all of it, for programs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from stowplan.cli.fix import Fixed, Step, in_words
from stowplan.cli.preview import Moved, Preview
from stowplan.engines.advisories import SEVERITIES, Advisory
from stowplan.report.locate import Locator
from stowplan.words.diagnostic import Diagnostic, Fix, Severity

_LISTED = 5
_WIDEST = 44


def told(found: Sequence[Preview], result: Fixed, sources: Mapping[str, bytes]) -> Iterator[str]:
    """The preview, line by line. `sources` are the project as it is, and `result` what the fixes make of it then."""
    reasons = [(step.fix, step.reason or "") for step in result.left]
    locator = Locator(sources)
    for index, one in enumerate(found):
        if index:
            yield ""
        yield summary(one)
        for model in one.models:
            if model in one.problems:
                yield ""
                yield f"{model} {'breaks' if _errors(one.problems[model]) else 'starts, with a warning'}"
                yield from _problems(one.problems[model], locator, sources, reasons)
        if one.shared:
            yield ""
            yield f"the profile {'breaks, and with it every model of it' if _errors(one.shared) else 'has a warning'}"
            yield from _problems(one.shared, locator, sources, reasons)
        if one.moved:
            yield ""
            yield from _defaults(one)
        if one.fixed or one.added or one.stay:
            yield ""
            yield from _security(one)
        if one.program is not None:
            yield ""
            yield f"`executable` names no version: {one.program} has to be {one.kind} {one.new} by then"
        if one.mended:
            yield ""
            yield "mended:"
            yield from (f"  {problem_line(problem, locator)}" for problem in one.mended)


def summary(one: Preview) -> str:
    """`vllm 0.19.1 → 0.32.0 on rtx-4080-16g: 2 of 18 models break, 5 start differently, 11 unchanged`."""
    broken, different, count = len(one.broken), len(one.different), len(one.models)
    head = f"{one.kind} {one.old} → {one.new} on {one.profile}: "
    if count < 2:
        if not count:
            return f"{head}no model uses it" + (", and the profile breaks" if _errors(one.shared) else "")
        what = "breaks" if broken else "starts differently" if different else "starts as before"
        return f"{head}{one.models[0]} {what}"
    first, *more = [
        (broken, _verb(broken, "break"), ""),
        (different, _verb(different, "start"), " differently"),
        (count - broken - different, "unchanged", ""),
    ]
    if not broken:
        first, *more = [entry for entry in more if entry[0]]
        head += "nothing breaks, "
    rest = [f"{number} {verb}{how}" for number, verb, how in more if number]
    return head + ", ".join([f"{first[0]} of {count} models {first[1]}{first[2]}", *rest])


def as_json(
    found: Sequence[Preview], result: Fixed, edits: Iterable[str], remaining: Iterable[Diagnostic], written: bool
) -> str:
    """The same and more, for programs."""
    locator = Locator(result.compiled.sources)
    document = {
        "previews": [_document(one, locator) for one in found],
        "edits": list(edits),
        "fixes": [_step(step) for step in result.done],
        "left": [_step(step) for step in result.left],
        "remaining": [_problem(problem, locator) for problem in remaining],
        "written": written,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def problem_line(problem: Diagnostic, locator: Locator) -> str:
    """`models.d/a/rtx.toml:5: what is wrong`; a warning says so."""
    spot = None if problem.at is None else locator.locate(problem.at)
    where = "" if spot is None else f"{spot.file}:{spot.line}: " if spot.line is not None else f"{spot.file}: "
    return f"{where}{'' if problem.severity is Severity.ERROR else f'{problem.severity}: '}{problem.message}"


def _problems(
    problems: Iterable[Diagnostic],
    locator: Locator,
    sources: Mapping[str, bytes],
    reasons: Sequence[tuple[Fix, str]],
) -> Iterator[str]:
    for problem in sorted(problems, key=lambda problem: _position(problem, locator)):
        yield f"  {problem_line(problem, locator)}"
        reason = next((why for fix, why in reasons if fix == problem.fix), None)
        if problem.fix is not None and reason is None:
            yield f"    fix: {in_words(problem.fix, sources)}"
        elif reason is not None:
            yield f"    to decide: {reason}"
        elif problem.hint is not None:
            yield f"    to decide: {problem.hint}"


def _position(problem: Diagnostic, locator: Locator) -> tuple[str, int]:
    spot = None if problem.at is None else locator.locate(problem.at)
    return ("", 0) if spot is None else (spot.file, spot.line or 0)


def _defaults(one: Preview) -> Iterator[str]:
    yield f"defaults that move under models which leave them to {one.kind}:"
    rows = [(moved.default.flag, f"{_shown(moved.default.old)} → {_shown(moved.default.new)}") for moved in one.moved]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for moved, (flag, change) in zip(one.moved, rows, strict=True):
        about = "; ".join(_about(moved, one))
        yield f"  {flag.ljust(widths[0])}  {change.ljust(min(widths[1], _WIDEST))}  {about}".rstrip()


def _about(moved: Moved, one: Preview) -> Iterator[str]:
    """The version that moved it, what the scripts say, and which models it is about, where not all."""
    if moved.since is not None:
        yield f"in {moved.since}"
    if moved.script:
        many = len(moved.script) > 1
        said = [
            f"{_shown(value)} ({_count(count, 'model')})" if many else _shown(value) for value, count in moved.script
        ]
        yield f"pinned in the script: {', '.join(said)}"
    elif len(moved.models) < len(one.models):
        yield _listed(moved.models)


def _security(one: Preview) -> Iterator[str]:
    kinds = ((one.fixed, "fixed"), (one.stay, _verb(len(one.stay), "stay")), (one.added, "new"))
    yield "security advisories: " + ", ".join(f"{len(found)} {word}{_rated(found)}" for found, word in kinds if found)
    for advisory in one.added[:_LISTED]:
        yield f"  new: {advisory.id} ({advisory.severity}): {advisory.summary}"
    if len(one.added) > _LISTED:
        yield f"  new: {len(one.added) - _LISTED} more, none of them worse"


def _rated(found: Sequence[Advisory]) -> str:
    rated = [(severity, sum(one.severity == severity for one in found)) for severity in SEVERITIES[:2]]
    told = ", ".join(f"{count} {severity}" for severity, count in rated if count)
    return f" ({told})" if told else ""


def _document(one: Preview, locator: Locator) -> dict[str, Any]:
    return {
        "engine": one.kind,
        "profile": one.profile,
        "from": one.old,
        "to": one.new,
        "models": len(one.models),
        "breaks": list(one.broken),
        "differs": list(one.different),
        "problems": {model: [_problem(p, locator) for p in problems] for model, problems in one.problems.items()},
        "shared": [_problem(problem, locator) for problem in one.shared],
        "mended": [_problem(problem, locator) for problem in one.mended],
        "defaults": [
            {
                "flag": moved.default.flag,
                "old": moved.default.old,
                "new": moved.default.new,
                "since": moved.since,
                "models": list(moved.models),
                "script": [{"value": value, "models": count} for value, count in moved.script],
            }
            for moved in one.moved
        ],
        "flags": {"new": list(one.changes.flags.came), "gone": list(one.changes.flags.went)},
        "advisories": {
            word: [advisory.id for advisory in found]
            for word, found in (("fixed", one.fixed), ("stay", one.stay), ("new", one.added))
        },
    }


def _problem(problem: Diagnostic, locator: Locator) -> dict[str, Any]:
    spot = None if problem.at is None else locator.locate(problem.at)
    return {
        "id": problem.id,
        "severity": problem.severity.value,
        "message": problem.message,
        "file": None if spot is None else spot.file,
        "line": None if spot is None else spot.line,
        "help": problem.hint,
        "fixable": problem.fix is not None,
    }


def _step(step: Step) -> dict[str, Any]:
    return {"where": step.where, "what": step.what, "reason": step.reason}


def _errors(problems: Iterable[Diagnostic]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in problems)


def _shown(value: Any) -> str:
    if value is None:
        return "the engine decides"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{more}"


def _verb(count: int, verb: str) -> str:
    return f"{verb}s" if count == 1 else verb


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
