"""Intervals and bootstrap bands: plain functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054  # two-sided 95 % of the normal distribution
Floats = NDArray[np.float64]
NONE = -math.inf  # the best of no score


def wilson(correct: int, words: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate ``correct / words``; (0, 1) where there are no words.

    Unlike the normal one it stays within 0 and 1 and is right near them.
    """
    if words <= 0:
        return 0.0, 1.0
    rate, z = correct / words, Z95
    shift = z * z / words
    centre = (rate + shift / 2) / (1 + shift)
    half = z / (1 + shift) * math.sqrt(rate * (1 - rate) / words + shift / (4 * words))
    # At the ends the interval is exact, but for rounding.
    return (0.0 if correct == 0 else centre - half), (1.0 if correct == words else centre + half)


@dataclass(frozen=True)
class Curve:
    """One trained net: its score after each cost, and what it cost in all."""

    costs: tuple[float, ...]
    scores: tuple[float, ...]
    total: float


@dataclass(frozen=True)
class Band:
    """Best score so far over cost: median, the middle 95 % and the mean over resampled orders.

    None where no net has a score yet; the mean, where some order has none.
    """

    cost: list[float]
    median: list[float | None]
    low: list[float | None]
    high: list[float | None]
    mean: list[float | None]


def best_so_far(curves: Sequence[Curve]) -> tuple[list[float], list[float]]:
    """Cost and best score so far where curves follow one another, from the first score on.

    Only the points where the best rises, and the end; nothing where there is no score.
    """
    costs: list[float] = []
    scores: list[float] = []
    spent = 0.0
    for curve in curves:
        for cost, score in zip(curve.costs, curve.scores, strict=True):
            if not scores or score > scores[-1]:
                costs.append(spent + cost)
                scores.append(score)
        spent += curve.total
    return ([*costs, spent], [*scores, scores[-1]]) if scores else ([], [])


def bootstrap(curves: Sequence[Curve], grid: Sequence[float], draws: int, seed: int) -> Floats:
    """Best score so far at each cost of ``grid``, ``[draws, grid]``: random search repeated in the mind.

    ``NONE`` where no net has a score yet.

    Every draw trains nets that are drawn with replacement from those that were trained, one after another,
    until the grid's last cost is spent.
    """
    found = np.full((draws, len(grid)), NONE)
    worth = [curve for curve in curves if curve.total > 0]
    if not worth or not len(grid):
        return found
    rng = np.random.default_rng(seed)
    points = np.asarray(grid, dtype=float)
    longest = math.ceil(points[-1] / min(curve.total for curve in worth)) + 1
    # A bound on memory and time where one net cost next to nothing.
    longest = min(longest, 50 * len(worth))
    for draw in range(draws):
        order = rng.integers(len(worth), size=longest)
        costs, scores = [0.0], [NONE]
        spent = 0.0
        for index in order:
            curve = worth[index]
            costs.extend(spent + cost for cost in curve.costs)
            scores.extend(curve.scores)
            spent += curve.total
            if spent >= points[-1]:
                break
        best = np.maximum.accumulate(np.asarray(scores))
        found[draw] = best[np.searchsorted(np.asarray(costs), points, side="right") - 1]
    return found


def band(curves: Sequence[Curve], grid: Sequence[float], draws: int = 2000, seed: int = 0) -> Band:
    """The bootstrap's median, its 2.5 and 97.5 percentiles and its mean at each cost."""
    found = bootstrap(curves, grid, draws, seed)
    # A percentile that is one of the values drawn: no score is shown that no net has.
    low, median, high = np.percentile(found, [2.5, 50, 97.5], axis=0, method="inverted_cdf")
    return Band(
        [float(cost) for cost in grid],
        *([known(value) for value in values] for values in (median, low, high, found.mean(axis=0))),
    )


def known(score: float) -> float | None:
    """A score, or None for that of no net."""
    return None if score == NONE else float(score)
