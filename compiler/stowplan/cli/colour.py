"""Whether to colour, which even the shortest way to an answer must know."""

import os


def is_coloured(is_terminal: bool) -> bool:
    """Whether to colour: on a terminal, unless NO_COLOR (no-color.org) or a dumb terminal says no."""
    return is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
