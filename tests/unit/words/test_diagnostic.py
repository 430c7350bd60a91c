"""Problems as values."""

from stowplan.words.diagnostic import Label, Place, Severity, error, has_errors, note, warning


def test_each_severity_has_its_maker() -> None:
    made = [error("a", "m"), warning("a", "m"), note("a", "m")]
    assert [problem.severity for problem in made] == [Severity.ERROR, Severity.WARNING, Severity.NOTE]


def test_only_errors_are_errors() -> None:
    assert not has_errors([warning("a", "m"), note("a", "m")])
    assert has_errors([note("a", "m"), error("a", "m")])


def test_equal_problems_are_one() -> None:
    def made(text: str) -> object:
        return error("a", "m", Place("f", ("k", 0)), also=[Label(Place("g"), text)], hint="h")

    assert len({made("there"), made("there"), made("elsewhere")}) == 2
