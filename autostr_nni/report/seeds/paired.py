"""What paired differences tell: mean with interval, an exact test, wins. Plain functions of numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import NamedTuple

LEAST = 3  # pairs of which an interval is made: fewer tell next to nothing of how much seeds differ
MOST = 20  # pairs of which all signs are gone through
SURE = 0.95


class Paired(NamedTuple):
    """Mean of the differences, two-sided t interval ``low`` to ``high``, ``p`` of the exact sign-flip test.

    The interval and ``p`` are None where the pairs are too few, ``p`` also where they are too many.
    """

    mean: float
    low: float | None
    high: float | None
    p: float | None


def paired(differences: Sequence[float], comparisons: int = 1) -> Paired:
    """The figures of at least one difference.

    ``comparisons``: how many are made side by side; the interval is so wide that all of them together hold
    with 95 % (Bonferroni).
    """
    from scipy.stats import t

    mean, count = fmean(differences), len(differences)
    if count < LEAST:
        return Paired(mean, None, None, None)
    reach = float(t.ppf(1 - (1 - SURE) / comparisons / 2, count - 1)) * stdev(differences) / math.sqrt(count)
    return Paired(mean, mean - reach, mean + reach, sign_flip(differences))


def sign_flip(differences: Sequence[float]) -> float | None:
    """How many of all ways to give the differences a sign lead as far from 0 as they do, as a share.

    With five pairs it is 1/16 at least.
    """
    if len(differences) > MOST:
        return None
    reached = abs(math.fsum(differences)) - 1e-12
    first, *others = differences
    signs = itertools.product((-1, 1), repeat=len(others))  # the other half mirrors these
    sums = [abs(math.fsum([first, *(s * d for s, d in zip(flip, others, strict=True))])) for flip in signs]
    return sum(found >= reached for found in sums) / len(sums)


def wins(pairs: Sequence[tuple[float | None, float | None]]) -> tuple[int, int, int]:
    """Pairs in which the first is ahead, both are level, the second is ahead.

    Who has no net yet is behind who has one; a pair without any counts for none of the three.
    """
    known = [pair for pair in pairs if pair != (None, None)]
    scores = [(-math.inf if a is None else a, -math.inf if b is None else b) for a, b in known]
    first, second = sum(a > b for a, b in scores), sum(a < b for a, b in scores)
    return first, len(known) - first - second, second
