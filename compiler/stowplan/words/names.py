"""Names as clients compare them."""

import unicodedata


def fold(name: str) -> str:
    """`name` as it is compared: NFKC-normalised, case-folded, letters and digits only.

    A name of punctuation alone folds to its case-folded self.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    kept = "".join(character for character in folded if character.isalnum())
    return unicodedata.normalize("NFKC", kept) or folded  # letters that have come together may be one (Korean)
