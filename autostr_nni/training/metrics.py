"""Word accuracy and 1-NED, as the field counts them. Light: no torch."""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from rapidfuzz.distance import Levenshtein

ALPHANUMERIC = frozenset(string.digits + string.ascii_lowercase)


def comparable(text: str) -> str:
    """The case-insensitive alphanumeric protocol: lower case, characters outside [0-9a-z] removed."""
    return "".join(c for c in text.lower() if c in ALPHANUMERIC)


@dataclass(frozen=True)
class Scores:
    """Counts over a set of words.

    ``word_accuracy`` and ``one_minus_ned`` follow the 36-character protocol over ``words`` words;
    words whose truth holds no alphanumeric character are counted in ``empty`` and leave the denominator.
    ``case_sensitive_accuracy`` is exact match of the whole text over ``words + empty``.
    """

    words: int
    correct: int
    empty: int
    word_accuracy: float
    case_sensitive_accuracy: float
    one_minus_ned: float

    def to_dict(self) -> dict[str, float | int]:
        """All figures by name."""
        return asdict(self)


def score(pairs: Iterable[tuple[str, str]]) -> Scores:
    """Compare (prediction, truth) pairs. All rates are 0 where there is nothing to count."""
    words = correct = empty = exact = 0
    distance = 0.0
    for prediction, truth in pairs:
        exact += prediction == truth
        p, t = comparable(prediction), comparable(truth)
        if not t:
            empty += 1
            continue
        words += 1
        correct += p == t
        distance += Levenshtein.distance(p, t) / max(len(p), len(t))
    return Scores(
        words=words,
        correct=correct,
        empty=empty,
        word_accuracy=correct / words if words else 0.0,
        case_sensitive_accuracy=exact / (words + empty) if words + empty else 0.0,
        one_minus_ned=1 - distance / words if words else 0.0,
    )
