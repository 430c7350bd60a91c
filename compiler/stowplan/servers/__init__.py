"""Servers: starting and stopping what was compiled, and what runs against what was compiled."""
