"""Word accuracy and 1-NED, as the field counts them. Light: no torch."""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

from autostr_nni.data.charset import NAMED, Charset
from autostr_nni.system.characters import composed

ALPHANUMERIC = frozenset(string.digits + string.ascii_lowercase)


@lru_cache(maxsize=32)
def _compared(charset: Charset) -> Charset | None:
    """The characters that are compared, in lower case; None for the 36 of the field."""
    characters, printable = set(charset.characters), set(NAMED["printable"][0])
    if characters <= set(NAMED["alphanumeric"][0]) or characters == printable:  # the latter is the paper's
        return None
    return Charset("".join(dict.fromkeys(_lower(charset.characters))))


def _lower(text: str) -> str:
    return "".join(c.lower() for c in text)  # one by one: a Greek sigma must not depend on its neighbours


def comparable(text: str, charset: Charset) -> str:
    """What is compared of a text: lower case, characters outside of what is compared removed.

    A charset of 0-9, a-z and A-Z alone, and the 94 of "printable", follow the field's protocol: 0-9a-z are
    compared. Of any other charset its own characters are, its accents, signs and blanks with them.
    """
    compared = _compared(charset)
    if compared is None:
        return "".join(c for c in composed(charset.cased(text)).lower() if c in ALPHANUMERIC)
    return composed(compared.clean(_lower(charset.cased(text)))[0])  # as the net is taught it


@dataclass(frozen=True)
class Scores:
    """Counts over a set of words.

    ``word_accuracy`` and ``one_minus_ned`` look at what is ``comparable``, over ``words`` words; words whose
    truth holds nothing of it are counted in ``empty`` and leave the denominator.
    ``case_sensitive_accuracy`` is exact match of the whole text over ``words + empty``. ``cer`` is the
    character error rate: all edits over all characters of the truths, of what is comparable.
    """

    words: int
    correct: int
    empty: int
    word_accuracy: float
    case_sensitive_accuracy: float
    one_minus_ned: float
    cer: float

    def to_dict(self) -> dict[str, float | int]:
        """All figures by name."""
        return asdict(self)


def score(pairs: Iterable[tuple[str, str]], charset: Charset) -> Scores:
    """Compare (prediction, truth) pairs of a recognizer with that charset.

    All rates are 0 where there is nothing to count.
    """
    words = correct = empty = exact = edits = characters = 0
    distance = 0.0
    for prediction, truth in pairs:
        exact += composed(prediction) == composed(truth)
        p, t = comparable(prediction, charset), comparable(truth, charset)
        if not t:
            empty += 1
            continue
        words += 1
        correct += p == t
        found = Levenshtein.distance(p, t)
        edits, characters = edits + found, characters + len(t)
        distance += found / max(len(p), len(t))
    return Scores(
        words=words,
        correct=correct,
        empty=empty,
        word_accuracy=correct / words if words else 0.0,
        case_sensitive_accuracy=exact / (words + empty) if words + empty else 0.0,
        one_minus_ned=1 - distance / words if words else 0.0,
        cer=edits / characters if characters else 0.0,
    )
