"""Stowplan: a declarative compiler for model serving."""

__version__ = "0.1.0"
