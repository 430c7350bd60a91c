"""One entry of a registry, and its launch, as a consumer holds them.

The law: what is handed out cannot be changed, or is a copy, so nobody changes what another sees. It is made
so when it is asked for, since most of an entry never is.
"""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from stowplan.read.running import VARIABLE, runs


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of a profile."""

    _members: dict[str, Any]

    @property
    def raw(self) -> Mapping[str, Any]:
        """The whole entry as docs/build.md describes it, tables read-only, lists as tuples."""
        return _frozen(self._members)  # type: ignore[no-any-return]

    @property
    def name(self) -> str:
        """The registry name."""
        return self._members["name"]  # type: ignore[no-any-return]

    @property
    def display_name(self) -> str:
        """The name for people."""
        return self._members["display_name"]  # type: ignore[no-any-return]

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names it answers to."""
        return tuple(self._members["model_aliases"])

    @property
    def model(self) -> str:
        """The model's folder below models.d."""
        return self._members["metadata"]["model"]  # type: ignore[no-any-return]

    @property
    def served_name(self) -> str:
        """What to put into `model` of a request."""
        return self._members["served_model_id"]  # type: ignore[no-any-return]

    @property
    def backend(self) -> str:
        """What serves it, in lower case: `vllm`, `ollama`, ..."""
        return self._members["backend"]  # type: ignore[no-any-return]

    @property
    def host(self) -> str:
        """Where consumers find the server."""
        return self._members["backend_config"]["host"]  # type: ignore[no-any-return]

    @property
    def port(self) -> int:
        """The port they find it at."""
        return self._members["backend_config"]["port"]  # type: ignore[no-any-return]

    @property
    def model_path(self) -> str:
        """The weights, on the machine that serves them."""
        return self._members["backend_config"]["model_path"]  # type: ignore[no-any-return]

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles it takes, the one it is best at first."""
        return tuple(self._members["roles"])

    @property
    def capabilities(self) -> frozenset[str]:
        """What it is known to be able to do; what is not known is not in it."""
        return frozenset(name for name, has in self._members["capabilities"].items() if has)

    @property
    def sampling(self) -> Mapping[str, Any]:
        """Defaults for requests: temperature, top_p, ..."""
        return _frozen(self._members["generation_defaults"])  # type: ignore[no-any-return]

    @property
    def vram(self) -> int | None:
        """GPU memory it is estimated to need, in MiB; None where that is not known."""
        return self._members.get("vram_estimate_mb")

    @property
    def fit(self) -> str | None:
        """Whether it fits its profile's card: `fits`, `tight` (it may not), `unknown`, or `does-not-fit` where that was
        allowed; None for what was not estimated."""
        found: dict[str, Any] = self._members["metadata"].get("fit", {})
        return found.get("verdict")

    @property
    def argv(self) -> tuple[str, ...]:
        """The server's whole command line; empty for what something else serves."""
        return tuple(self._members["backend_config"].get("argv", ()))

    @property
    def launch_digest(self) -> str | None:
        """Another digest, another server: a restart is due. None for what something else serves."""
        return self._members["metadata"].get("launch_digest")  # type: ignore[no-any-return]

    def plain(self) -> dict[str, Any]:
        """A copy of it all, as json.loads gives it, to change at will."""
        return deepcopy(self._members)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<Entry {self.name}>"


@dataclass(frozen=True, slots=True)
class Launch:
    """How the server of one model is started, for those who do so themselves.

    `script` stands in the store, by its absolute path: it looks first whether all is there, then becomes
    the server. `env` is set, `pass_env` names what the server gets of its surroundings.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    pass_env: tuple[str, ...]
    script: Path
    digest: str

    def environment(self, surroundings: Mapping[str, str]) -> dict[str, str]:
        """The environment that the script gives its server, for a process made of `argv` without it."""
        passed = {name: surroundings[name] for name in self.pass_env if name in surroundings}
        return {**passed, **self.env, VARIABLE: self.digest}

    def matches(self, pid: int) -> bool | None:
        """Whether process `pid` is a server of this launch. None if that cannot be told from here.

        True: its STOWPLAN_LAUNCH is our digest. Where its environment may not be read (another user's
        process), its command line ends in our `argv`, and what `env` says is not seen. False: anything
        else, no such process, and a script that has not yet become the server. A server's children
        match too, since they inherit the variable.
        """
        return runs(pid, self.digest, self.argv)

    def __hash__(self) -> int:
        return hash(self.digest)


def entry_of(line: bytes) -> Entry:
    """The entry that a line of the registry holds. Raises ValueError if it is no JSON object."""
    members = json.loads(line)
    if not isinstance(members, dict):
        raise ValueError("no entry")
    return Entry(members)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(inner) for key, inner in value.items()})
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    return value
