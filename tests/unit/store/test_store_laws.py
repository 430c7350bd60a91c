"""What holds after any sequence of publishing, going back, choosing a profile and doing damage."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from store_cases import A, B, C, leftovers

from stowplan.nouns.artifact import Build
from stowplan.store import disk, generations, layout, verify
from stowplan.store.errors import DamagedGenerationError, NoGenerationError
from stowplan.store.publish import Outcome, What, publish, rollback, use

BUILDS = {build.root.digest: build for build in (A, B, C)}


class Store(RuleBasedStateMachine):
    """A store, and beside it the simplest model: a list of digests, and a position in it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.build = Path(self.folder.name) / "build"
        self.published: list[str] = []
        self.now = 0
        self.rolled_back = False
        self.damaged: set[str] = set()
        self.active: str | None = None

    @initialize()
    def begin(self) -> None:
        self.publish(A)

    @rule(new=st.sampled_from((A, B, C)))
    def publish(self, new: Build) -> None:
        outcome = publish(self.build, new, commit=None, changed=["x"])
        digest = new.root.digest
        self.damaged -= {obj.digest for obj in (new.root, *new.profiles.values())}
        if self.now and self.published[self.now - 1] == digest:
            assert outcome == Outcome(What.UNCHANGED, self.now, len(self.published))
        elif self.rolled_back and self.published[-1] == digest:
            assert outcome == Outcome(What.ROLLED_BACK, self.now, len(self.published))
        else:
            self.published.append(digest)
            self.now, self.rolled_back = len(self.published), False
            assert outcome == Outcome(What.PUBLISHED, self.now, self.now, ("x",))

    @precondition(lambda self: self.now)
    @rule(to=st.one_of(st.none(), st.integers(0, 9)))
    def go_back(self, to: int | None) -> None:
        number = self.now - 1 if to is None else to
        if not 1 <= number <= len(self.published):
            with pytest.raises(NoGenerationError):
                rollback(self.build, to, commit=None)
        elif self.damaged & self._objects(number):
            with pytest.raises(DamagedGenerationError):
                rollback(self.build, to, commit=None)
        else:
            assert rollback(self.build, to, commit=None) == number
            self.now, self.rolled_back = number, True

    @rule(profile=st.sampled_from(("card", "shared")))
    def use(self, profile: str) -> None:
        use(self.build, profile)
        self.active = profile

    @precondition(lambda self: self.now)
    @rule(data=st.data(), remove=st.booleans())
    def damage(self, data: st.DataObject, remove: bool) -> None:
        digest = data.draw(st.sampled_from(sorted(set().union(*map(self._objects, range(1, len(self.published) + 1))))))
        place = layout.path_of(self.build, digest)
        if remove and place.exists():
            disk.discard(place)
        elif place.exists():
            place.chmod(0o755)
            (place / "manifest.json").chmod(0o644)
        self.damaged.add(digest)

    @invariant()
    def the_model_is_the_disk(self) -> None:
        assert generations.digests(self.build) == dict(enumerate(self.published, 1))
        assert (generations.current(self.build) or 0) == self.now
        assert {row.action for row in generations.history(self.build)} <= {"publish", "rollback"}
        for number in range(1, len(self.published) + 1):
            damaged = self.damaged & self._objects(number)
            assert bool(verify.build_differences(self.build, self.published[number - 1])) == bool(damaged)
        assert leftovers(self.build) == set()
        if self.active:
            assert str((self.build / "active").readlink()) == f"current/{self.active}"

    def _objects(self, number: int) -> set[str]:
        build = BUILDS[self.published[number - 1]]
        return {build.root.digest, *(profile.digest for profile in build.profiles.values())}

    def teardown(self) -> None:
        for place in (self.build / "store").glob("*"):
            disk.discard(place)
        self.folder.cleanup()


TestStore = Store.TestCase
TestStore.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
