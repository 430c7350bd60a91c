"""discover: facts read off model folders. Plain Hugging Face folders with safetensors weights.

`discover` computes and writes nothing, `write` writes and decides nothing.
"""

from stowplan.discover.run import Discovered, Discovery, Stub, discover, write

__all__ = ["Discovered", "Discovery", "Stub", "discover", "write"]
