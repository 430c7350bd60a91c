"""Whether one name can only be another one misspelt."""

import difflib

ALIKE = 0.8
"""How alike (difflib's ratio) two words must be for one to be the other with a slip in it."""


def is_slip(written: str, meant: str) -> bool:
    """Whether each word of `written` is the one of `meant` at its place, shortened, drawn out or with a letter wrong.

    `max_model_length` is `max-model-len`; but `min-num-seqs` is not `max-num-seqs`, nor is `disable-x` `x`: a word
    more, less or other may be the opposite.
    """
    mine, theirs = (name.lower().replace("_", "-").split("-") for name in (written, meant))
    return len(mine) == len(theirs) and all(map(_same_word, mine, theirs))


def _same_word(one: str, other: str) -> bool:
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    return (len(short) >= 3 and long.startswith(short)) or difflib.SequenceMatcher(None, one, other).ratio() >= ALIKE
