"""What holds for all tests."""

from hypothesis import settings

# A deadline is a timed assertion: it fails on a busy machine, and says nothing of the code.
settings.register_profile("stowplan", deadline=None)
settings.load_profile("stowplan")
