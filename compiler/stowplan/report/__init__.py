"""Diagnostics for people and machines: where they point, what they mean, how they are written."""
