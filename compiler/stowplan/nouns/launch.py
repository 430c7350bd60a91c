"""The launch: what starts one server, the one value that scripts, registry and targets are printed from."""

from collections.abc import Iterator
from dataclasses import dataclass

from stowplan.words.layered import Leaf


@dataclass(frozen=True, slots=True)
class Argument:
    """A flag with its values, or one positional, and the leaves it was made from (several where, say, a root and a
    path make one). No other argument is made from the same."""

    texts: tuple[str, ...]
    origins: tuple[Leaf, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """One text of the command line, and the leaves it was made from."""

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

    `arguments` are executable, `serve` and the model; then the reserved flags that the compiler sets (host, port,
    served name); then everything else, sorted by flag. `pass_env` names the variables a script lets through from its
    surroundings. `digest` covers what needs a restart when it changes, and nothing else.
    """

    engine: str
    version: str
    arguments: tuple[Argument, ...]
    env: tuple[EnvVar, ...]
    pass_env: tuple[str, ...]
    bind: str
    port: int
    digest: str

    @property
    def command(self) -> tuple[Token, ...]:
        """Executable, `serve`, model."""
        return tuple(token for argument in self.arguments[:3] for token in _tokens(argument))

    @property
    def address(self) -> tuple[Option, ...]:
        """The reserved flags."""
        return tuple(map(_tokens, self.arguments[3:6]))

    @property
    def options(self) -> tuple[Option, ...]:
        """The other flags."""
        return tuple(map(_tokens, self.arguments[6:]))

    @property
    def tokens(self) -> Iterator[Token]:
        """Every token of the command line in order."""
        return (token for argument in self.arguments for token in _tokens(argument))

    @property
    def argv(self) -> list[str]:
        """The command line, complete."""
        return [text for argument in self.arguments for text in argument.texts]

    @property
    def extra_args(self) -> list[str]:
        """The command line without executable, `serve`, model and the reserved flags."""
        return [text for argument in self.arguments[6:] for text in argument.texts]

    @property
    def executable(self) -> str:
        """The program."""
        return self.arguments[0].texts[0]

    @property
    def model_path(self) -> str:
        """The folder of the weights on the profile's machine."""
        return self.arguments[2].texts[0]


def _tokens(argument: Argument) -> Option:
    return tuple(Token(text, argument.origins) for text in argument.texts)
