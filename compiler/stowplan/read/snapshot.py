"""One generation of one profile, as it was published: it never changes, whatever is published after it."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stowplan.read.entry import Entry, Launch
from stowplan.read.mapped import Mapped


class UnknownModelError(KeyError):
    """No model answers to that name. Says which come close."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError shows its repr


class NoLaunchError(LookupError):
    """The model is served by something else, so there is nothing to start."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one generation says of one profile.

    `digest` is that of the profile's outputs: two generations with the same one are the same to a
    consumer. `path` is their folder in the store; files in it stay while the generation is kept.
    Reading what is damaged on the disk raises UnreadableBuildError.
    """

    generation: int
    profile: str
    digest: str
    path: Path = field(compare=False)
    _mapped: Mapped = field(compare=False, repr=False)

    def find(self, name: str) -> Entry | None:
        """The model that answers to `name`: a registry name, an alias, a folder, a display or served name.

        Compared as clients compare names: case, punctuation and Unicode's forms do not count. Names that
        people gave win over those that servers answer to.
        """
        return self._mapped.find(name)

    def get(self, name: str) -> Entry:
        """As `find`. Raises UnknownModelError, a KeyError, where that finds none."""
        entry = self._mapped.find(name)
        if entry is None:
            close = " or ".join(f"`{near}`" for near in self._mapped.near(name))
            hint = f"; did you mean {close}?" if close else ""
            where = f"profile `{self.profile}`, generation {self.generation}"
            raise UnknownModelError(f"no model is called `{name}` in {where}{hint}")
        return entry

    def entries(self) -> Iterator[Entry]:
        """Every model, by name; each is read when it is its turn."""
        return self._mapped.entries()

    def by_role(
        self,
        role: str,
        *,
        capabilities: Iterable[str] = (),
        max_vram: int | None = None,
        fit: Container[str | None] | None = None,
    ) -> tuple[Entry, ...]:
        """The models that take `role`, the preferred first; none for a role that nobody takes.

        With `capabilities`, only those that are known to have all of them; with `max_vram`, in MiB, only
        those whose need is estimated and no higher; with `fit`, only those of which it says one of these
        (`("fits", "tight")`). What is not known does not count as met.
        """
        wanted = frozenset(capabilities)
        takers = (self.get(name) for name in self._mapped.roles().get(role, ()))
        return tuple(
            entry
            for entry in takers
            if wanted <= entry.capabilities
            and (max_vram is None or (entry.vram is not None and entry.vram <= max_vram))
            and (fit is None or entry.fit in fit)
        )

    def endpoint(self, name: str, host: str | None = None) -> str:
        """The base URL of a model's API, `http://host:port/v1`; `host` stands in for the compiled one.

        Raises UnknownModelError.
        """
        entry = self.get(name)
        host = host or entry.host
        if ":" in host and not host.startswith("["):
            host = f"[{host.replace('%', '%25')}]"  # IPv6; RFC 6874 for a zone
        return f"http://{host}:{entry.port}/v1"

    def launch(self, name: str) -> Launch:
        """How a model's server is started. Raises UnknownModelError, NoLaunchError."""
        entry = self.get(name)
        config, about = entry.raw["backend_config"], entry.raw["metadata"]
        if entry.launch_digest is None:
            raise NoLaunchError(
                f"`{entry.name}` is served by {entry.backend} at {self.endpoint(name)}, not started from here"
            )
        env: Mapping[str, str] = config["env"]
        return Launch(entry.argv, env, config["pass_env"], self.path / about["script"], entry.launch_digest)
