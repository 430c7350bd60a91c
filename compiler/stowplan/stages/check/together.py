"""What stands on one card at once, where a profile serves its models together.

Each server takes its whole grant, however little it needs, so the grants of all, and what is reserved, must be no
more than the card has: whichever comes last would not start (vLLM 0.32.0, vllm/v1/worker/utils.py,
`request_memory`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from stowplan.fit import remembered
from stowplan.fit.bars import Bar, bars, gib
from stowplan.fit.span import Span
from stowplan.fit.subject import Question, question
from stowplan.fit.together import Resident, order, resident
from stowplan.nouns.profile import Gpu, Profile
from stowplan.nouns.project import Fleet, State, Subject
from stowplan.stages.check.fit import granting
from stowplan.stages.check.places import place_of
from stowplan.stages.check.ways_to_fit import UTILIZATION, least
from stowplan.words.diagnostic import Diagnostic, Label, Place, Severity, error

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class _Tenant:
    """A server on a card: at the least and at the most it asks for and takes, and where its share is said."""

    subject: Subject
    asked: Question
    least: Resident
    most: Resident
    at: Place


def check(merged: Fleet) -> Iterator[Diagnostic]:
    """Each profile's first card that holds less than its servers take: surely (an error), else maybe (a warning)."""
    for profile in merged.profiles.values():
        gpu = profile.gpu
        if profile.one_at_a_time or gpu is None or gpu.memory is None:
            continue
        room = gpu.memory - gpu.reserved
        on: dict[int, list[_Tenant]] = {}
        for subject in merged.subjects:
            if subject.profile is profile and subject.state is State.ACTIVE and (tenant := _tenant(subject)):
                for card in _cards(tenant):
                    on.setdefault(card, []).append(tenant)
        shared = [(card, tenants) for card, tenants in sorted(on.items()) if len(tenants) > 1]
        surely = [(card, tenants) for card, tenants in shared if order([t.least for t in tenants], room) is None]
        maybe = [(card, tenants) for card, tenants in shared if order([t.most for t in tenants], room) is None]
        if surely:
            yield _told(profile, gpu, *surely[0], surely=True)
        elif maybe:
            yield _told(profile, gpu, *maybe[0], surely=False)


def _tenant(subject: Subject) -> _Tenant | None:
    asked = question(subject)
    found = None if asked is None else remembered.of(subject)
    most = None if asked is None or found is None else resident(subject.model, asked, found)
    if asked is None or found is None or most is None:
        return None
    # a grant is kept as a whole where a cache fills it; else what is taken is an estimate
    is_filled = asked.settings.kv_cache_memory_bytes is None and not found.plan.empty
    takes = found.granted if is_filled else found.needed.low
    asks = found.granted if asked.settings.kv_cache_memory_bytes is None else takes
    return _Tenant(subject, asked, Resident(subject.model, asks, takes), most, granting(subject, asked, found)[0])


def _cards(tenant: _Tenant) -> Sequence[int]:
    """The cards it is on: those that its environment names, else the first ones."""
    named = tenant.subject.value("env", VISIBLE)
    count = tenant.asked.settings.tensor_parallel * tenant.asked.settings.pipeline_parallel
    if isinstance(named, str):
        numbers = [part.strip() for part in named.split(",")]
        return [int(n) for n in numbers if n.isascii() and n.isdigit()][:count]
    return range(min(count, 1 << 10))


def _told(profile: Profile, gpu: Gpu, card: int, tenants: Sequence[_Tenant], *, surely: bool) -> Diagnostic:
    total = sum(tenant.least.takes for tenant in tenants)
    message = f"{len(tenants)} models of {profile.name} take {gib(total)} GiB together of "
    message += "a card" if gpu.count == 1 else f"card {card}"
    message += f" that has {gib(gpu.memory or 0)}"
    if gpu.reserved:
        message += f", {gib(gpu.reserved)} of them reserved"
    if not surely:
        message += "; what the driver takes beside them may find no room"
    drawn = [Bar(tenant.subject.model, Span.exact(tenant.least.takes)) for tenant in tenants]
    if gpu.reserved:
        drawn.append(Bar("reserved", Span.exact(gpu.reserved)))
    mode = profile.leaf("serving", "mode")
    at = Place(profile.file) if mode is None else place_of(mode)
    also = list(dict.fromkeys(Label(tenant.at, "granted here") for tenant in tenants))
    help_ = _help(gpu, tenants)
    label = "all of them at once"
    problem = error("fits-not-together", message, at, also=also, hint=help_, label=label, details=bars(drawn))
    return problem if surely else replace(problem, severity=Severity.WARNING)


def _help(gpu: Gpu, tenants: Sequence[_Tenant]) -> str:
    """Shares with which all fit, where there are such; else which of them do is for `stowplan fit` to say."""
    room = (gpu.memory or 0) - gpu.reserved
    shares = [least(tenant.asked) for tenant in tenants]
    residents = [_granted(tenant, share) for tenant, share in zip(tenants, shares, strict=True) if share is not None]
    whole = [one for one in residents if one is not None]
    if len(whole) == len(tenants) and order(whole, room) is not None:
        said = ", ".join(f"{share:g} for `{t.subject.model}`" for share, t in zip(shares, tenants, strict=True))
        return f"all fit with the least `{UTILIZATION}` that each needs: {said}"
    name = tenants[0].subject.profile.name
    listed = f"`stowplan fit --together -p {name}` lists which of them fit at once"
    return f"{listed}; disable the others, or serve them by turns"


def _granted(tenant: _Tenant, share: float) -> Resident | None:
    asked = tenant.asked.changed(gpu_memory_utilization=share)
    return resident(tenant.subject.model, asked, asked.answer())
