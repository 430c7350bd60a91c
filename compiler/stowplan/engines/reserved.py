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
    "uds": "consumers are told an address and a port; a socket file is neither",
    "headless": "consumers are told where the server answers, and a headless one does not",
}
"""Flags that the compiler sets itself or refuses, and where what they say belongs."""

RESERVED_VARIABLES: Mapping[str, str] = {
    LAUNCH_VARIABLE: "remove it: every launch script sets it to the launch's digest",
    KEY_VARIABLE: "list it under `pass-env` of the profile's [serving], and set it where the script runs",
}
"""Variables that `[env]` cannot set, and what to do instead."""

OTHER_ADDRESS = ("root-path", "ssl-ca-certs", "ssl-cert-reqs", "ssl-certfile", "ssl-keyfile")
"""Flags that make a server answer elsewhere than at http://host:port/v1, which is what consumers are told."""

LONGEST_ARGUMENT = (128 << 10) - 1
"""Bytes that one argument or variable may have (Linux, include/uapi/linux/binfmts.h, MAX_ARG_STRLEN, less its end)."""
