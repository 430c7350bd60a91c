"""The smallest parts: key paths, digests, diagnostics, layered values. Standard library only."""
