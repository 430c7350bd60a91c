"""The stages: pure functions from a value to (value, diagnostics), ignorant of each other.

No clock, no environment, no working directory, no disk. `pipeline.py` alone knows their order.
"""
