"""The launch: what starts one server, the one value that scripts, registry and targets are printed from."""

from collections.abc import Iterator
from dataclasses import dataclass

from stowplan.words.layered import Leaf


@dataclass(frozen=True, slots=True)
class Token:
    """One argument, and the leaves it was made from (several where, say, a root and a path make one)."""

    text: str
    origins: tuple[Leaf, ...]


@dataclass(frozen=True, slots=True)
class EnvVar:
    """One variable of the server's environment, and the leaf it was made from."""

    name: str
    value: str
    origins: tuple[Leaf, ...]


Option = tuple[Token, ...]
"""A flag and its values, or one positional."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How one server is started.

    `command` is executable, `serve` and the model; `address` the reserved flags that the compiler
    sets (host, port, served name); `options` everything else, sorted by flag. `pass_env` names the
    variables a script lets through from its surroundings. `digest` covers what needs a restart when
    it changes, and nothing else.
    """

    engine: str
    version: str
    command: tuple[Token, Token, Token]
    address: tuple[Option, ...]
    options: tuple[Option, ...]
    env: tuple[EnvVar, ...]
    pass_env: tuple[str, ...]
    bind: str
    port: int
    digest: str

    @property
    def tokens(self) -> Iterator[Token]:
        """Every token of the command line in order."""
        yield from self.command
        for option in (*self.address, *self.options):
            yield from option

    @property
    def argv(self) -> list[str]:
        """The command line, complete."""
        return [token.text for token in self.tokens]

    @property
    def extra_args(self) -> list[str]:
        """The command line without executable, `serve`, model and the reserved flags."""
        return [token.text for option in self.options for token in option]

    @property
    def executable(self) -> str:
        """The program."""
        return self.command[0].text

    @property
    def model_path(self) -> str:
        """The folder of the weights on the profile's machine."""
        return self.command[2].text
