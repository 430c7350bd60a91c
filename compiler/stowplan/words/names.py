"""Names as clients compare them."""

import unicodedata

_ASIDE = bytes(code for code in range(128) if not chr(code).isalnum())


def fold(name: str) -> str:
    """`name` as it is compared: NFKC-normalised, case-folded, letters and digits only.

    A name of punctuation alone folds to its case-folded self.
    """
    if name.isascii():  # as below, where nothing is left to normalise
        folded = name.lower()
        return folded.encode().translate(None, _ASIDE).decode() or folded
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    kept = "".join(character for character in folded if character.isalnum())
    return unicodedata.normalize("NFKC", kept) or folded  # letters that have come together may be one (Korean)
