"""Diagnostics for people, in plain text."""

from collections import Counter
from collections.abc import Iterable, Iterator

from stowplan.report.locate import Locator, Spot
from stowplan.report.located import Located, located
from stowplan.report.paint import Paint, Part, plain
from stowplan.report.visible import visible, visible_line, width
from stowplan.words.diagnostic import Diagnostic, Severity

WINDOW = 140
"""Characters of a source line that are shown at most."""
_BEFORE = 40
"""Of these, how many stand before the place in question."""


def render(diagnostics: Iterable[Diagnostic], locator: Locator, paint: Paint = plain) -> str:
    """Every diagnostic with its source lines, a blank line between them; empty for none."""
    return "\n".join("".join(f"{line}\n" for line in _lines(item, paint)) for item in located(diagnostics, locator))


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """`1 error, 2 warnings`; `no problems` for none."""
    count = Counter(problem.severity for problem in diagnostics)
    told = [f"{count[s]} {s}{'' if count[s] == 1 else 's'}" for s in Severity if count[s]]
    return ", ".join(told) or "no problems"


def _lines(item: Located, paint: Paint) -> Iterator[str]:
    problem = item.problem
    severity: Part = problem.severity.value
    yield paint(severity, f"{severity}[{problem.id}]") + paint("message", f": {visible(problem.message)}")
    spots = [spot for spot in (item.at, *item.also) if spot is not None]
    margin = " " * max((len(str(spot.line or 1)) for spot in spots), default=1)
    if item.at is not None:
        yield f"{margin}{paint('frame', '-->')} {visible(str(item.at))}"
        said = "" if problem.label is None else f" {visible(problem.label)}"
        yield from _snippet(item.at, said, margin, severity, paint)
    for line in problem.details:
        yield f"{margin}   {visible(line)}".rstrip()
    for label, spot in zip(problem.also, item.also, strict=True):
        text = visible(label.text)
        if spot.text is None:
            yield f"{margin}{paint('frame', ':::')} {visible(str(spot))}: {text}"
        else:
            yield f"{margin}{paint('frame', ':::')} {visible(str(spot))}"
            yield from _snippet(spot, f" {text}", margin, severity, paint)
    if problem.advice is not None:
        yield f"{margin} {paint('frame', '=')} {paint('help', 'help')}: {visible(problem.advice)}"


def _snippet(spot: Spot, label: str, margin: str, severity: Part, paint: Paint) -> Iterator[str]:
    """The source line of a spot and carets below it; nothing if there is no line to show."""
    if spot.text is None or spot.line is None or spot.column is None:
        return
    line, indent, carets = _window(spot.text, spot.column - 1, _end(spot, spot.text))
    bar = paint("frame", "|")
    yield f"{margin} {bar}"
    yield f"{paint('frame', str(spot.line).rjust(len(margin)))} {bar}" + (f" {line}" if line else "")
    yield f"{margin} {bar} {indent}{paint(severity, carets + label)}"


def _end(spot: Spot, text: str) -> int:
    """Where the carets end: with the place, or with its first line."""
    return spot.end_column - 1 if spot.end_line == spot.line and spot.end_column is not None else len(text)


def _window(text: str, start: int, end: int) -> tuple[str, str, str]:
    """`text` as shown (a part of it if it is long), the blanks below it up to `start`, the carets to `end`."""
    left = max(0, min(start - _BEFORE, len(text) - WINDOW))
    right = left + WINDOW
    before, marked = visible_line(text[left:start]), visible_line(text[start : min(end, right)])
    opening, closing = "…" if left else "", "…" if right < len(text) else ""
    line = opening + before + marked + visible_line(text[min(end, right) : right]) + closing
    indent = " " * len(opening) + "\t".join(" " * width(part) for part in before.split("\t"))
    return line, indent, "^" * max(1, width(marked.rstrip()))
