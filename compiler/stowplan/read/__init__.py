"""What was published, for those who use it: `from stowplan.read import Registry`. Standard library only."""

from stowplan.read.entry import Entry, Launch
from stowplan.read.profile import ProfileNotChosenError
from stowplan.read.reader import Registry
from stowplan.read.registry import UnreadableBuildError
from stowplan.read.snapshot import NoLaunchError, Snapshot, UnknownModelError
from stowplan.read.watch import Subscription, Watch

__all__ = [
    "Entry",
    "Launch",
    "NoLaunchError",
    "ProfileNotChosenError",
    "Registry",
    "Snapshot",
    "Subscription",
    "UnknownModelError",
    "UnreadableBuildError",
    "Watch",
]
