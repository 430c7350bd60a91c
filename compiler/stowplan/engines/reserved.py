"""What of an engine's command line and environment the compiler sets itself, or refuses."""

from collections.abc import Mapping

KEY_VARIABLE = "VLLM_API_KEY"
"""The variable vLLM reads its API key from (0.11.0 to 0.32.0, vllm/envs.py)."""

LAUNCH_VARIABLE = "STOWPLAN_LAUNCH"
"""The variable by which a running server tells the digest of its launch."""

RESERVED: Mapping[str, str] = {
    "host": "the profile's [serving] says where servers listen: `bind`",
    "port": "say `port = ...` at the top of the file, above the tables",
    "served-model-name": "say `served-name = ...` at the top of the file",
    "model": "the model is the folder that discovered.json names",
    "api-key": f'a key must not get into a build: list "{KEY_VARIABLE}" under `pass-env` of the profile\'s [serving]',
    "config": "a second file of flags would go unchecked; write its flags here",
}
"""Flags that the compiler sets itself or refuses, and where what they say belongs."""

LONGEST_ARGUMENT = (128 << 10) - 1
"""Bytes that one argument or variable may have (Linux, include/uapi/linux/binfmts.h, MAX_ARG_STRLEN, less its end)."""
