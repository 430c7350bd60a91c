"""Ask, and write what was found. Nothing else gets to stdout, whatever vLLM prints while it is imported."""

import importlib
import json
import os
import sys
from contextlib import redirect_stdout

from .cards import attention, considered, methods
from .configuration import Objects
from .flags import flags, serve_parser
from .modules import prepare
from .named import names

QUIET = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1", "VLLM_PLUGINS": "", "HF_HUB_OFFLINE": "1"}
"""No plugin of that environment is loaded, nothing is fetched, and nobody is told."""


def main() -> None:
    os.environ |= QUIET
    with redirect_stdout(sys.stderr):
        prepare()
        sys.argv = ["vllm", "serve", "--help"]  # only with --help does vLLM collect its help texts
        importlib.import_module("vllm.engine.arg_utils")
        sys.argv = ["vllm", "serve"]  # with it, `--model` is left out
        unread: list[str] = []
        objects = Objects()
        parser = serve_parser()
        found = {
            "version": importlib.import_module("vllm").__version__,
            "allow_abbrev": getattr(parser, "allow_abbrev", True),
            "flags": flags(parser, objects),
            "objects": objects.shapes,
            "names": names(),
            "quantization": methods(unread),
            "attention": attention(unread),
            "considered": considered(unread),
            "variables": sorted(importlib.import_module("vllm.envs").environment_variables),
            "unread": unread,
        }
    json.dump(found, sys.stdout, sort_keys=True)


if __name__ == "__main__":
    main()
