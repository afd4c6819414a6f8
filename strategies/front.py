"""Nets along cost and accuracy: non-dominated sorting with crowding distance, as in NSGA-II.

Deb, Pratap, Agarwal and Meyarivan 2002. A point is the cost of a net, the less the better, and its score, the
more the better. A point beats another that costs no less and scores no more, and differs from it; of equal
points the first beats the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .trials import finite, has_learnt, merit

Point = tuple[float, float]  # cost, score


def pareto_front(points: Sequence[Point]) -> list[int]:
    """Indices of the points that no other one beats, by rising cost."""
    front: list[int] = []
    best = -math.inf
    for index in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1], i)):
        if points[index][1] > best:
            best = points[index][1]
            front.append(index)
    return front


def fronts(points: Sequence[Point]) -> list[list[int]]:
    """Indices in fronts: what no other point beats, then what only those beat, and so on."""
    found: list[list[int]] = []
    left = list(range(len(points)))
    while left:
        front = [left[place] for place in pareto_front([points[index] for index in left])]
        if not front:  # the rest have scores that are no numbers
            return [*found, *([index] for index in left)]
        found.append(front)
        taken = set(front)
        left = [index for index in left if index not in taken]
    return found


def crowding(front: Sequence[Point]) -> list[float]:
    """The crowding distance of every point of a front, which comes by rising cost: the gap between its two
    neighbours in cost and in score, each over that of the whole front; infinite at both ends."""
    if len(front) < 3:
        return [math.inf] * len(front)
    width, height = (front[-1][axis] - front[0][axis] for axis in (0, 1))
    inner = [
        (after[0] - before[0]) / width + (after[1] - before[1]) / height
        for before, after in zip(front, front[2:], strict=False)
    ]
    return [math.inf, *inner, math.inf]


def spread(front: Sequence[Point]) -> list[int]:
    """Places in a front, which comes by rising cost: the first k of them are the k points to be kept.

    The best comes first and the cheapest second. Of the others the most crowded one is last, the most crowded
    one without it the last but one, and so on: distances are taken anew, or of two that are near to one
    another both would go.
    """
    left, gone = list(range(len(front))), []
    while len(left) > 2:
        distances = crowding([front[place] for place in left])
        gone.append(left.pop(min(range(1, len(left) - 1), key=distances.__getitem__)))
    return [*reversed(left), *reversed(gone)]


def ordered(points: Sequence[Point]) -> list[int]:
    """All indices, front after front, each as `spread` has it."""
    return [front[place] for front in fronts(points) for place in spread([points[index] for index in front])]


def chosen(points: Sequence[Point], size: int) -> list[int]:
    """Indices of so many points of the first front at most, by rising cost; the last is the best of all."""
    front = pareto_front(points)
    return [front[place] for place in sorted(spread([points[index] for index in front])[:size])]


def hypervolume(points: Sequence[Point], low: float, high: float) -> float:
    """The area below a front between two costs over their distance: the mean, over all budgets from `low` to
    `high`, of the best score at a cost within the budget, 0 where nothing is. Scores must not be negative."""
    front = [points[index] for index in pareto_front(points)]
    ends = [*(cost for cost, _ in front[1:]), high]
    widths = (max(0.0, min(end, high) - max(cost, low)) for (cost, _), end in zip(front, ends, strict=False))
    return sum(score * width for (_, score), width in zip(front, widths, strict=True)) / (high - low)


def handed_over(
    nets: Sequence[tuple[float | None, Mapping[str, Any] | None]], size: int, learnt_above: float
) -> list[int]:
    """Which of the trained nets a search hands over, by rising cost; the last is the most accurate.

    That is the best by `merit` where one net is wanted, or none has learnt anything.

    Args:
        nets: the cost of each, None where it is not known, and its final metrics.
        size: so many at most.
        learnt_above: nets that read no more of the validation words are left out (`evaluation.learnt_above`).
    """
    known = [
        (index, (cost, float(metrics["default"])))
        for index, (cost, metrics) in enumerate(nets)
        if cost is not None
        and metrics is not None
        and finite(metrics.get("default"))
        and has_learnt(metrics, learnt_above)
    ]
    if size > 1 and known:
        return [known[place][0] for place in chosen([point for _, point in known], size)]
    best = max(range(len(nets)), key=lambda index: merit(nets[index][1]), default=None)
    return [] if best is None else [best]
