"""Known security advisories of the engine versions that profiles pin, where they matter.

An advisory that matters to any server is told once for the profile's engine; one that takes a flag, a
capability or a kind of model once for all subjects that have it. Whoever accepts one lists
`advisory:CVE-...` (or its GHSA identifier) under the profile's `allow`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from stowplan.engines.advisories import Advisory, Need, affecting, fixed_in
from stowplan.engines.flags import version_key, versions
from stowplan.nouns.facts import Facts
from stowplan.nouns.profile import Engine, Profile
from stowplan.nouns.project import Subject
from stowplan.stages.check.places import place_of
from stowplan.words.diagnostic import Diagnostic, Label, Place, warning
from stowplan.words.layered import Leaf, Tree, leaves

WORD = "advisory:"
"""What an item of `allow` begins with that accepts an advisory."""

_LISTED = 6  # identifiers in one message; the worst come first
_SHOWN = 3  # settings that are shown beside a message
_Reasons = dict[str, list[tuple[str, Leaf | None]]]  # identifier → what makes it matter, in words and as a setting


@dataclass(frozen=True, slots=True)
class _Watch:
    """The advisories of one engine version that take something, and the names they ask for."""

    found: tuple[Advisory, ...]
    flags: frozenset[str]
    env: frozenset[str]
    capabilities: frozenset[str]
    architectures: frozenset[str]
    weights: frozenset[str]


@dataclass(slots=True)
class _Group:
    """The subjects of one engine of a profile to which advisories matter, and why each of those does."""

    profile: Profile
    engine: Engine
    watch: _Watch
    subjects: list[str] = field(default_factory=list)
    reasons: _Reasons = field(default_factory=dict)
    added: dict[int, _Reasons] = field(default_factory=dict)  # by identity, and kept so that none is taken again

    def add(self, reasons: _Reasons) -> None:
        """What one subject has; many models have the very same, which is looked at once."""
        if id(reasons) not in self.added:
            self.added[id(reasons)] = reasons
            for advisory, why in reasons.items():
                self.reasons.setdefault(advisory, []).extend(why)


def check_engines(profile: Profile) -> Iterator[Diagnostic]:
    """One warning for each engine of the profile whose version has advisories that matter to any server."""
    passed = profile.value("serving", "pass-env") or ()
    for engine in profile.engines.values():
        affected = affecting(engine.kind, engine.version.value)
        anywhere = [one for one in affected if not one.needs or any(need.pass_env in passed for need in one.needs)]
        if found := _unaccepted(anywhere, profile):
            yield _problem(profile, engine, found)


def check(subjects: Iterable[Subject]) -> Iterator[Diagnostic]:
    """One warning for each engine whose subjects have flags, variables or models that make further advisories of
    its version matter."""
    groups: dict[tuple[str, str], _Group] = {}
    for subject in subjects:
        engine = subject.engine
        if engine is None or not (watch := _watch(engine.kind, engine.version.value)).found:
            continue
        model, settings = _reasons(watch, subject, engine)
        if model or settings:
            at = (subject.profile.name, engine.label)
            group = groups.setdefault(at, _Group(subject.profile, engine, watch))
            group.subjects.append(subject.name)
            group.add(model)
            group.add(settings)
    for group in groups.values():
        if found := _unaccepted([one for one in group.watch.found if one.id in group.reasons], group.profile):
            because = ", ".join(dict.fromkeys(words for one in found for words, _ in group.reasons[one.id]))
            them = f"`{group.subjects[0]}`" if len(group.subjects) == 1 else f"{len(group.subjects)} models"
            whom = f" that {'matters' if len(found) == 1 else 'matter'} to {them} with {because}"
            yield _problem(group.profile, group.engine, found, whom, _labels(found, group.reasons))


def _reasons(watch: _Watch, subject: Subject, engine: Engine) -> tuple[_Reasons, _Reasons]:
    """What makes advisories matter to a subject: its model, and its settings."""
    flags, env = subject.table(engine.kind), subject.table("env")
    model: _Reasons = {}
    if (facts := subject.facts) is not None and not (
        watch.capabilities.isdisjoint(facts.capabilities)
        and watch.architectures.isdisjoint(facts.architecture.names)
        and facts.weights.format not in watch.weights
    ):
        model = _of_model(engine.kind, engine.version.value, *_traits(facts))
    if watch.flags.isdisjoint(flags) and watch.env.isdisjoint(env):
        return model, {}
    return model, _of_settings(watch, flags, env, facts)


def _problem(
    profile: Profile, engine: Engine, found: Sequence[Advisory], whom: str = "", also: Sequence[Label] = ()
) -> Diagnostic:
    ids = tuple(one.id for one in found)
    has, told, way_out = _words(engine.kind, engine.version.value, ids)
    hint = f'{way_out}; to accept one, add "{WORD}{ids[0]}" to `allow` in {profile.file}'
    return warning("engine-advisory", f"{has}{whom}: {told}", place_of(engine.version), also=also, hint=hint)


@cache
def _watch(kind: str, version: str) -> _Watch:
    """What depends on the version alone, so that a subject with nothing of it costs next to nothing."""
    found = tuple(one for one in affecting(kind, version) if any(_is_of_subject(need) for need in one.needs))
    needs = [need for one in found for need in one.needs if _is_of_subject(need)]
    return _Watch(
        found,
        flags=frozenset(need.flag for need in needs if need.flag is not None),
        env=frozenset(need.env for need in needs if need.env is not None),
        capabilities=frozenset(name for need in needs for name in need.capability),
        architectures=frozenset(name for need in needs for name in need.architecture),
        weights=frozenset(need.weights for need in needs if need.weights is not None),
    )


def _is_of_subject(need: Need) -> bool:
    return need.elsewhere is None and need.pass_env is None


def _takes_setting(need: Need) -> bool:
    return need.flag is not None or need.env is not None


def _traits(facts: Facts | None) -> tuple[frozenset[str], tuple[str, ...], str]:
    """Capabilities, architectures and format of the weights."""
    if facts is None:
        return frozenset(), (), ""
    return frozenset(facts.capabilities), facts.architecture.names, facts.weights.format


@cache
def _of_model(
    kind: str, version: str, capabilities: frozenset[str], architectures: tuple[str, ...], weights: str
) -> _Reasons:
    """What the model alone makes matter; many models of a fleet are alike in this."""
    reasons: _Reasons = {}
    for one in _watch(kind, version).found:
        for need in one.needs:
            if _is_of_subject(need) and not _takes_setting(need):
                words = _model_words(need, capabilities, architectures, weights)
                if words is not None:
                    reasons[one.id] = [(word, None) for word in words]
    return reasons


def _of_settings(watch: _Watch, flags: Tree, env: Tree, facts: Facts | None) -> _Reasons:
    """What flags and variables make matter, where the model is as the advisory needs it, too."""
    reasons: _Reasons = {}
    traits = _traits(facts)
    for one in watch.found:
        for need in one.needs:
            words = _model_words(need, *traits) if _takes_setting(need) else None
            if words is None:
                continue
            settings: list[tuple[str, Leaf | None]] = []
            if need.flag is not None:
                settings.append((f"`{need.flag}`", _flag(need, flags.get(need.flag))))
            if need.env is not None:
                settings.append((f"`{need.env}`", _variable(env.get(need.env))))
            if all(leaf is not None for _, leaf in settings):
                reasons[one.id] = [*settings, *((word, None) for word in words)]
    return reasons


def _model_words(
    need: Need, capabilities: frozenset[str], architectures: tuple[str, ...], weights: str
) -> list[str] | None:
    """What of the model a need asks for and finds; None if it asks for what is not there."""
    asked = [(need.capability, capabilities), (need.architecture, architectures)]
    asked.append(((need.weights,) if need.weights is not None else (), (weights,)))
    words: list[str] = []
    for wanted, has in asked:
        common = [name for name in wanted if name in has]
        if wanted and not common:
            return None
        words += common[:1]
    return words


def _variable(leaf: Leaf | None) -> Leaf | None:
    return None if leaf is None or leaf.value in ("", "0") else leaf


def _flag(need: Need, node: Leaf | Tree | None) -> Leaf | None:
    """The leaf of a flag that makes the need hold, None if nothing does."""
    for _, leaf in leaves({"": node} if node is not None else {}):
        value = leaf.value
        if need.value is not None:
            holds = type(value) is type(need.value) and value == need.value
        elif need.above is not None:
            holds = isinstance(value, int | float) and value > need.above
        elif need.names:
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            holds = any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) for name in need.names)
        else:
            holds = value is not False
        if holds:
            return leaf
    return None


def _unaccepted(found: Sequence[Advisory], profile: Profile) -> Sequence[Advisory]:
    accepted = {word for word in profile.value("allow") or () if word.startswith(WORD)}
    if not accepted:
        return found
    return [one for one in found if accepted.isdisjoint(WORD + name for name in one.names)]


def _labels(found: Sequence[Advisory], reasons: _Reasons) -> list[Label]:
    """Each setting that makes some of them matter, with their identifiers."""
    at: dict[Place, list[str]] = {}
    for one in found:
        for _, leaf in reasons[one.id]:
            if leaf is not None:
                at.setdefault(place_of(leaf), []).append(one.id)
    return [Label(place, f"makes {_listed(ids)} matter") for place, ids in list(at.items())[:_SHOWN]]


@cache
def _words(kind: str, version: str, ids: tuple[str, ...]) -> tuple[str, str, str]:
    """What an engine has, which they are, and what to do; a fleet says the same of many subjects."""
    found = [one for one in affecting(kind, version) if one.id in ids]
    many = "1 known security advisory" if len(found) == 1 else f"{len(found)} known security advisories"
    counts = {severity: sum(one.severity == severity for one in found) for severity in ("critical", "high")}
    worst = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
    has = f"{kind} {version} has {many}" + (f" ({worst})" if worst else "")
    told = _listed(ids) if len(found) > 1 else f"{ids[0]} ({found[0].summary.removesuffix('.')})"
    unfixed = [one.id for one in found if one.fixed is None]
    if (fixed := fixed_in(found)) is None:
        return has, told, f"no fix is named for {'it' if len(found) == 1 else 'them'}"
    rest = f" (no fix is named for {_listed(unfixed)})" if unfixed else ""
    return has, told, f"fixed in {fixed}{rest}: `stowplan upgrade {kind} {_target(kind, fixed)}`"


def _listed(ids: Sequence[str]) -> str:
    more = f", and {len(ids) - _LISTED} more" if len(ids) > _LISTED else ""
    return ", ".join(ids[:_LISTED]) + more


def _target(kind: str, fixed: str) -> str:
    """The first version from `fixed` on that has a flag table, else `fixed` itself."""
    return next((known for known in versions(kind) if version_key(known) >= version_key(fixed)), fixed)
