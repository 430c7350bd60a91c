"""A server as it was compiled: what its entry in the registry says, and which launches its subject had before."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
"""One entry of a registry, as its JSON says."""

TOGETHER = "together"
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Launched:
    """A launch of some generation: the newest generation that has it, and the variables of its `[env]`."""

    generation: int
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Server:
    """One server as it was compiled.

    `names` are those by which a person may mean it, `passed` those of the variables that come from the
    surroundings; `script` is the launch script in the store. `launches` maps the digest of every launch its
    subject has or had to what is known of it. `is_published` is False for a server that only earlier
    generations have: nothing starts it any more, but it may still run.
    """

    model: str
    profile: str
    names: tuple[str, ...]
    digest: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    passed: frozenset[str]
    served: str
    script: Path
    engine: str
    version: str
    gpu: str | None
    takes_turns: bool
    launches: Mapping[str, Launched]
    is_published: bool

    @property
    def name(self) -> str:
        """`MODEL/PROFILE`."""
        return f"{self.model}/{self.profile}"

    @property
    def bind(self) -> str:
        """The address it listens at."""
        return options(self.argv).get("--host", "127.0.0.1")

    @property
    def port(self) -> int:
        """The port it listens at."""
        return int(options(self.argv)["--port"])

    @property
    def address(self) -> str:
        """Where this machine reaches it: its address, or loopback where it listens at all of them."""
        return _WILDCARDS.get(self.bind, self.bind)

    @property
    def generation(self) -> int:
        """The newest generation that has it as it is."""
        return self.launches[self.digest].generation

    def launched(self, digest: str | None) -> Launched | None:
        """The launch of its subject that has this digest; None where it is another's, or none."""
        return None if digest is None else self.launches.get(digest)


def servers(registries: Mapping[int, tuple[Path, Sequence[Row]]], current: int) -> tuple[Server, ...]:
    """The servers of one profile, from its folder and registry in each generation: sorted by model, those of the
    generation `current` first, then those that only others have, as the newest of these has them.

    Entries without a launch are served by something else, and left out.
    """
    found: dict[str, tuple[Path, Row]] = {}
    launches: dict[str, dict[str, Launched]] = {}
    for generation in sorted(registries, key=lambda number: (number == current, number)):
        folder, rows = registries[generation]
        for row in rows:
            about = row["metadata"]
            if "launch_digest" in about:
                found[about["model"]] = folder, row
                launched = Launched(generation, row["backend_config"]["env"])
                launches.setdefault(about["model"], {})[about["launch_digest"]] = launched
    published = {row["metadata"]["model"] for row in registries[current][1]}
    return tuple(
        _server(*found[model], launches[model], is_published=model in published)
        for model in sorted(found, key=lambda model: (model not in published, model))
    )


def _server(folder: Path, row: Row, launches: Mapping[str, Launched], *, is_published: bool) -> Server:
    config, about = row["backend_config"], row["metadata"]
    return Server(
        model=about["model"],
        profile=about["profile"],
        names=(about["model"], row["name"], row["display_name"], *row["model_aliases"]),
        digest=about["launch_digest"],
        argv=tuple(config["argv"]),
        env=config["env"],
        passed=frozenset(config["pass_env"]),
        served=row["served_model_id"],
        script=folder / about["script"],
        engine=about["engine"],
        version=about["engine_version"],
        gpu=about.get("gpu"),
        takes_turns=about.get("serving_mode") != TOGETHER,
        launches=launches,
        is_published=is_published,
    )


def options(argv: Sequence[str]) -> dict[str, str]:
    """A command line as flag → value: "" for a switch, shell-quoted words for several values.

    What stands before `serve` is left out but for the `executable`, and what comes after it is the `model`.
    A running one may begin with an interpreter. Flags are as vLLM reads them: `--max_model_len` is
    `--max-model-len` (FlexibleArgumentParser of vllm/utils/argparse_utils.py, 0.32.0).
    """
    if "serve" not in argv[1:]:
        return {}
    at = argv.index("serve", 1)
    found = {"executable": argv[at - 1]}
    name, values = "model", list[str]()
    for word in (*argv[at + 1 :], "--"):
        if not _is_flag(word):
            values.append(word)
            continue
        if values or name != "model":
            found[name] = values[0] if len(values) == 1 else shlex.join(values)
        name, equals, value = word.partition("=")
        name = name.replace("_", "-") if name.startswith("--") else name
        values = [value] if equals else []
    return found


def _is_flag(word: str) -> bool:
    return word.startswith("--") or (word[:1] == "-" and word[1:2].isalpha())
