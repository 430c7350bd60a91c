"""The types: facts, overlay, profile, entry, launch, artifact. Frozen, slotted dataclasses."""
