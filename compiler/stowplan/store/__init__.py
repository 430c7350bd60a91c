"""Immutable builds under names that move: objects, generations, and how one becomes current. Standard library only."""
