"""What one merge notes on its way."""

from dataclasses import dataclass, field

from stowplan.words.diagnostic import Diagnostic, Place, warning


@dataclass(slots=True)
class Ledger:
    """Problems of one merge, each once, and what every `unset` took away in any subject."""

    problems: dict[tuple[str, Place | None, str], Diagnostic] = field(default_factory=dict)
    unsets: dict[Place, tuple[str, bool]] = field(default_factory=dict)

    def add(self, problem: Diagnostic) -> None:
        """Note a problem, unless it was."""
        self.problems.setdefault((problem.id, problem.at, problem.message), problem)

    def unset(self, place: Place, text: str, took: bool) -> None:
        """Note an `unset`, and whether it took anything away this time."""
        self.unsets[place] = (text, took or self.unsets.get(place, ("", False))[1])

    def close(self) -> list[Diagnostic]:
        """Every problem; an `unset` that took nothing away in any subject is one."""
        for place, (text, took) in self.unsets.items():
            if not took:
                hint = "no layer below sets it: remove this line, or correct the path"
                self.add(warning("unset-nothing", f"unset `{text}` removes nothing", place, hint=hint))
        return list(self.problems.values())
