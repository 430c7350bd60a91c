"""The catalogue holds every diagnostic id of the sources, and no other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import stowplan
from stowplan.report.catalogue import Rule, rules

PACKAGE = Path(stowplan.__file__).parent
MAKERS = {"error": 0, "warning": 0, "note": 0, "Diagnostic": 0, "Misfit": 0, "graded": 0}
"""What makes a diagnostic, or half of one, and which of its arguments is the id."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def ids_in(source: str) -> set[str]:
    """Every id that `source` may give to a diagnostic.

    An id is a literal, a name that the function assigns literals to, a parameter (then it is what the
    function's callers in that file pass), or the `id` of something that was itself made with one.
    Anything else fails: it could not be held against the catalogue.
    """
    tree, makers, found = ast.parse(source), dict(MAKERS), set[str]()
    seen = 0
    while seen != len(makers):  # until no function turns up that passes an id on
        seen = len(makers)
        for function in [tree, *(node for node in ast.walk(tree) if isinstance(node, Function))]:
            for call in _calls(function):
                name = _name(call.func)
                if name in makers and (argument := _argument(call, makers[name])) is not None:
                    found |= _follow(argument, function, makers)
    return found


def _follow(value: ast.expr, function: ast.AST, makers: dict[str, int]) -> set[str]:
    match value:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.IfExp(body=body, orelse=other):
            return _follow(body, function, makers) | _follow(other, function, makers)
        case ast.Attribute(attr="id"):
            return set()
        case ast.Name(id=name) if isinstance(function, Function):
            parameters = [a.arg for a in function.args.args]
            if name in parameters:
                makers[function.name] = parameters.index(name)
                return set()
            given = [found for node in _own(function) for found in _assigned(node, name)]
            if given:
                return set().union(*(_follow(item, function, makers) for item in given))
    raise AssertionError(f"line {value.lineno}: the id `{ast.unparse(value)}` cannot be followed to a literal")


def _assigned(node: ast.AST, name: str) -> Iterator[ast.expr]:
    if not isinstance(node, ast.Assign):
        return
    for target in node.targets:
        if isinstance(target, ast.Name) and target.id == name:
            yield node.value
        elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = zip(target.elts, node.value.elts, strict=True)
            yield from (item for part, item in pairs if isinstance(part, ast.Name) and part.id == name)


def _calls(function: ast.AST) -> Iterator[ast.Call]:
    return (node for node in _own(function) if isinstance(node, ast.Call))


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """What stands in a function or module itself, not in a function inside it."""
    for inner in ast.iter_child_nodes(node):
        if not isinstance(inner, Function):
            yield inner
            yield from _own(inner)
        elif isinstance(node, ast.Module | ast.ClassDef | Function):
            yield from (deeper for decorator in inner.decorator_list for deeper in _own(decorator))


def _name(callee: ast.expr) -> str | None:
    """A function's or a method's name; `getLogger(...).warning(...)` makes no diagnostic."""
    match callee:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name() | ast.Attribute(), attr=name):
            return name
    return None


def _argument(call: ast.Call, position: int) -> ast.expr | None:
    named = next((keyword.value for keyword in call.keywords if keyword.arg == "id"), None)
    return call.args[position] if position < len(call.args) else named


USED = {
    path.relative_to(PACKAGE).as_posix(): ids_in(path.read_text("utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "words/diagnostic.py"  # it defines the makers
}
KNOWN = {rule.id for rule in rules()}


@pytest.mark.parametrize("file", [file for file, ids in USED.items() if ids])
def test_every_id_is_in_the_catalogue(file: str) -> None:
    assert sorted(USED[file] - KNOWN) == []


def test_no_entry_is_without_use() -> None:
    assert sorted(KNOWN - set().union(*USED.values())) == []


@pytest.mark.parametrize(
    ("source", "ids"),
    [
        ("error('a', 'b')", {"a"}),
        ("diagnostic.warning(id='a', message='b')", {"a"}),
        ("def f(x):\n    kind = 'a' if x else 'b'\n    return note(kind, '')", {"a", "b"}),
        ("def f(x):\n    message, kind = '', 'a'\n    kind = 'b'\n    return error(kind, message)", {"a", "b"}),
        ("def f():\n    return g('', 'a')\ndef g(text, kind):\n    return error(kind, text)", {"a"}),
        ("error(problem.id, '')", set()),
    ],
)
def test_ids_are_found_however_they_are_passed(source: str, ids: set[str]) -> None:
    assert ids_in(source) == ids


def test_an_id_that_is_computed_is_refused() -> None:
    with pytest.raises(AssertionError, match="cannot be followed"):
        ids_in("error('a' + 'b', '')")


@pytest.mark.parametrize("rule", list(rules()), ids=lambda rule: rule.id)
def test_each_entry_reads_as_a_sentence_and_a_paragraph(rule: Rule) -> None:
    assert len(rule.title) <= 72
    assert rule.title[-1].isalnum() or rule.title[-1] in "`)"
    assert rule.text.endswith(".")
    assert 80 <= len(rule.text) <= 600
    assert "  " not in rule.text


def test_entries_are_sorted() -> None:
    ids = [rule.id for rule in rules()]
    file = (PACKAGE / "report/catalogue.toml").read_text("utf-8")
    assert [line.strip("[]") for line in file.splitlines() if line.startswith("[")] == ids
