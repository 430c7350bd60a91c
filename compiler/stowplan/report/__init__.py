"""Diagnostics for people and machines: where they point, what they mean, how they are written."""

from collections.abc import Iterable, Mapping

from stowplan.report import as_json, github, sarif, text
from stowplan.report.locate import Locator
from stowplan.report.paint import ansi, plain
from stowplan.report.text import summary
from stowplan.words.diagnostic import Diagnostic

__all__ = ["FORMATS", "render", "summary"]

FORMATS = ("text", "json", "github", "sarif")


def render(
    form: str, diagnostics: Iterable[Diagnostic], sources: Mapping[str, bytes], *, coloured: bool = False
) -> str:
    """Diagnostics in one of FORMATS, with a line break at the end; as text, "" for none.

    `sources` are the inputs they speak of, by path relative to the project. Only text is ever coloured.
    """
    locator = Locator(sources)
    match form:
        case "text":
            return text.render(diagnostics, locator, ansi if coloured else plain)
        case "json":
            return as_json.render(diagnostics, locator)
        case "github":
            return github.render(diagnostics, locator)
        case "sarif":
            return sarif.render(diagnostics, locator)
    raise ValueError(f"no such format: {form}")
