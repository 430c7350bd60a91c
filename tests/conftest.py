"""What holds for all tests."""

import os

from hypothesis import settings

# A deadline is a timed assertion: it fails on a busy machine, and says nothing of the code. What is drawn at
# random is drawn anew by those who develop; a run that must be repeatable draws the same each time.
settings.register_profile("stowplan", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("stowplan")
