"""Characters as Unicode composes them, so that a word has one spelling. Light: no torch."""

from __future__ import annotations

import unicodedata


def composed(text: str) -> str:
    """A text with accents joined to their letters where there is such a character (Unicode's NFC)."""
    return unicodedata.normalize("NFC", text)


def listed(characters: str) -> str:
    """A list of distinct characters, as it stands; else with the accents that follow letters joined to them.

    So "eé" is two characters however the second is written, and a list of letters and bare accents remains.
    """
    if len(set(characters)) == len(characters):
        return characters
    found: list[str] = []
    for character in characters:
        joined = composed(found[-1] + character) if found else ""
        if len(joined) == 1:
            found[-1] = joined
        else:
            found.append(character)
    return "".join(found)


def controls(text: str) -> str:
    """Those characters of a text that end a line, move the cursor or steer a terminal: no part of a word."""
    return "".join(c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp"))
