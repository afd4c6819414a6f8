"""Which letters can be drawn one after the other, from left to right. Light: no imaging."""

from __future__ import annotations

import unicodedata

#: Letters that join though they run from left to right: conjoining Hangul, Mongolian, Phags-pa.
_JOINING = ((0x1100, 0x11FF), (0x1800, 0x18AF), (0xA840, 0xA87F), (0xA960, 0xA97F), (0xD7B0, 0xD7FF))


def needs_shaping(character: str) -> bool:
    """Whether a character runs from right to left, joins its neighbours, or stands above or below them.

    Pillow draws such scripts only with libraries that not every machine has; here letters are set one by one.
    Accents are no matter where there is a letter with the accent: texts are composed.
    """
    return (
        unicodedata.bidirectional(character) in ("R", "AL")
        or unicodedata.category(character).startswith("M")
        or any(first <= ord(character) <= last for first, last in _JOINING)
    )
