"""`verify`, `pin`, `unpin` and `gc`: whether what was published is whole, what is kept, and what goes."""

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import click

from stowplan.cli.console import OK, PROBLEMS, complain, remark, say
from stowplan.cli.fleet import generations_in_use
from stowplan.cli.workspace import Seconds, Workspace, complete_generation, complete_pin, format_option, pass_workspace
from stowplan.store.errors import NoGenerationError
from stowplan.store.gc import GRACE, KEEP, OLDER_THAN, Garbage, Policy, collect, garbage
from stowplan.store.generations import current, digest_of_generation, numbers
from stowplan.store.lock import locked
from stowplan.store.pins import pin, unpin
from stowplan.store.verify import Damage, look, profiles_of

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DAYS = f"{OLDER_THAN / 86400:g}d"


class Age(click.ParamType[float]):
    """How old something is: a whole number and s, m, h, d or w. As a value: seconds."""

    name = "age"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """`30d` → 2592000.0. Fails as click does."""
        match = re.fullmatch(r"([0-9]{1,6})([smhdw])", str(value))
        if match is None:
            self.fail(f"{value!r} is no age; write one as 30d, 12h or 90m", param, ctx)
        return float(int(match[1]) * _UNITS[match[2]])


@dataclass(frozen=True, slots=True)
class _Verified:
    """A generation, how many files of it were looked at, and what is not as it was published."""

    number: int
    digest: str
    files: int
    damage: tuple[Damage, ...]


@click.command("verify")
@click.argument("generation", type=int, required=False, shell_complete=complete_generation)
@click.option("--all", "everything", is_flag=True, help="Every generation there is.")
@format_option("text", "json")
@pass_workspace
def verify_command(workspace: Workspace, generation: int | None, everything: bool, form: str) -> int:
    """Look at every byte of what was published.

    The current generation is looked at, or the one that is named. Whatever is not as it was published is named: a
    file that changed, is missing, has another mode or was added. The exit code is 1 then.

    \b
    stowplan verify
    stowplan verify 41
    stowplan verify --all --format json
    """
    if everything and generation is not None:
        raise click.UsageError("give a GENERATION or --all")
    build = workspace.build
    found = [_verified(workspace, number) for number in _meant(workspace, generation, everything)]
    if form == "json":
        rows = [
            {
                "generation": one.number,
                "digest": one.digest,
                "files": one.files,
                "damage": [{"path": damage.path, "what": damage.what} for damage in one.damage],
            }
            for one in found
        ]
        say(json.dumps({"current": current(build), "generations": rows}, indent=2, ensure_ascii=False))
    else:
        for one in found:
            say("\n".join(_told(one)))
    damaged = [one.number for one in found if one.damage]
    if damaged and form == "text":
        which = "its inputs" if len(damaged) == 1 else "their inputs"
        complain("what was published is no longer whole", f"`stowplan compile` of {which} writes it anew")
    return PROBLEMS if damaged else OK


def _meant(workspace: Workspace, generation: int | None, everything: bool) -> Sequence[int]:
    build = workspace.build
    number = current(build) if generation is None else generation
    if number is None:
        raise NoGenerationError("there is no generation yet; run `stowplan compile`")
    return numbers(build) if everything else (number,)


def _verified(workspace: Workspace, number: int) -> _Verified:
    build = workspace.build
    digest = digest_of_generation(build, number)
    root = look(build, digest)
    files, damage = root.files, list(root.damage)
    for profile, inner in profiles_of(build, digest).items():
        seen = look(build, inner)
        files += seen.files
        damage += [Damage(f"{profile}/{each.path}", each.what) for each in seen.damage]
    return _Verified(number, digest, files, tuple(damage))


def _told(one: _Verified) -> list[str]:
    name = f"generation {one.number} ({one.digest[:12]})"
    if not one.damage:
        return [f"{name} is whole: {one.files} files"]
    return [f"{name} is damaged:", *(f"  {damage}" for damage in one.damage)]


@click.command("pin")
@click.argument("name", shell_complete=complete_pin)
@click.argument("generation", type=int, required=False, shell_complete=complete_generation)
@pass_workspace
def pin_command(workspace: Workspace, name: str, generation: int | None) -> int:
    """Give a generation a name, and keep it.

    The current generation is taken, or the one that is named. A pinned generation is never collected, and
    build/pins/NAME leads to it. A name that is taken moves.

    \b
    stowplan pin stable
    stowplan pin before-upgrade 41
    """
    build = workspace.build
    with locked(build, timeout=None, waiting=remark):
        number = current(build) if generation is None else generation
        if number is None:
            raise NoGenerationError("there is no generation yet; run `stowplan compile`")
        before = pin(build, name, number)
    moved = f"; it was {before}" if before not in (None, number) else ""
    say(f"{name} is generation {number}{moved}")
    return OK


@click.command("unpin")
@click.argument("name", shell_complete=complete_pin)
@pass_workspace
def unpin_command(workspace: Workspace, name: str) -> int:
    """Take a name off a generation.

    The generation stays until `stowplan gc` finds nothing else that keeps it.

    \b
    stowplan unpin before-upgrade
    """
    with locked(workspace.build, timeout=None, waiting=remark):
        number = unpin(workspace.build, name)
    say(f"{name} was generation {number}")
    return OK


@click.command("gc")
@click.option("--keep", type=click.IntRange(min=1), default=KEEP, show_default=True, help="Keep the newest so many.")
@click.option(
    "--older-than", type=Age(), default=_DAYS, show_default=True, help="Keep what was current within that time."
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.option("--lock-timeout", type=Seconds(), metavar="SECONDS", help="How long to wait for another stowplan.")
@format_option("text", "json")
@pass_workspace
def gc_command(
    workspace: Workspace, keep: int, older_than: float, dry_run: bool, lock_timeout: float | None, form: str
) -> int:
    """Remove generations that nobody needs.

    A generation goes if it is not among the newest and was not current for long. The current one, pinned ones, and
    those that a running server was started from stay in any case, and so does what was written or current in the
    last minutes. Numbers are never used again.

    \b
    stowplan gc --dry-run
    stowplan gc --keep 5 --older-than 7d
    """
    build = workspace.build
    with locked(build, timeout=lock_timeout, waiting=remark):
        found = garbage(build, Policy(keep, older_than, GRACE), generations_in_use(build), time.time())
        if not dry_run:
            collect(build, found)
    say(_as_json(found, dry_run) if form == "json" else "\n".join(_lines(found, dry_run)))
    return OK


def _lines(found: Garbage, dry_run: bool) -> list[str]:
    """What went, or would, and why the rest stays."""
    would = "would remove" if dry_run else "removed"
    things = {
        "generation": len(found.generations),
        "object": len(found.objects),
        "damaged object": len(found.damaged),
        "leftover": len(found.leftovers),
    }
    counted = [f"{count} {what}{'' if count == 1 else 's'}" for what, count in things.items() if count]
    which = f" ({', '.join(map(str, found.generations))})" if 0 < len(found.generations) <= 20 else ""
    lines = [f"{would} {', '.join(counted)}: {found.bytes / (1 << 20):.1f} MiB" if counted else "nothing to remove"]
    if which:
        lines.append(f"  generations{which}")
    reasons: dict[str, list[int]] = {}
    for number, why in found.kept.items():
        reasons.setdefault(why.value, []).append(number)
    lines += [f"  kept, {why}: {_ranges(kept)}" for why, kept in reasons.items()]
    return lines


def _ranges(found: Sequence[int]) -> str:
    """`1-3, 7`."""
    spans: list[list[int]] = []
    for number in sorted(found):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def _as_json(found: Garbage, dry_run: bool) -> str:
    return json.dumps(
        {
            "dry_run": dry_run,
            "generations": list(found.generations),
            "kept": {str(number): why.value for number, why in found.kept.items()},
            "objects": [path.name for path in found.objects],
            "damaged": [path.name for path in found.damaged],
            "leftovers": [path.name for path in found.leftovers],
            "bytes": found.bytes,
        },
        indent=2,
    )
