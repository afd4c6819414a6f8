"""Non-dominated sorting, crowding and hypervolume, by hand and against what their definitions say."""

from __future__ import annotations

import math
import random

import pytest

from autostr_nni.strategies.front import (
    Point,
    chosen,
    crowding,
    fronts,
    handed_over,
    hypervolume,
    ordered,
    pareto_front,
    spread,
)


def drawn(seed: int, count: int = 40) -> list[Point]:
    """Points on a coarse grid, so that many tie."""
    rng = random.Random(seed)
    return [(float(rng.randrange(12)), rng.randrange(12) / 10) for _ in range(count)]


def test_pareto_front() -> None:
    points = [(3.0, 0.9), (1.0, 0.5), (2.0, 0.5), (2.0, 0.7), (4.0, 0.9), (1.0, 0.5), (0.5, 0.1)]
    assert pareto_front(points) == [6, 1, 3, 0]
    assert pareto_front([(1.0, 0.3), (1.0, 0.5), (1.0, 0.4)]) == [1]  # of equal costs the best alone
    assert pareto_front([]) == []


def test_fronts_by_hand() -> None:
    """The first is a staircase, each further one what is left of it."""
    points = [(1, 1), (2, 3), (3, 2), (2, 2), (4, 4), (4, 1), (2, 3)]
    assert fronts(points) == [
        [0, 1, 4],
        [6],
        [3],
        [2],
        [5],
    ]  # (2, 3) is there twice: the first beats the other
    assert fronts([]) == []


@pytest.mark.parametrize("seed", range(5))
def test_fronts_by_definition(seed: int) -> None:
    """The front of a point is one more than the highest of those that beat it (Deb et al. 2002)."""
    points = drawn(seed)
    places = range(len(points))

    def beats(one: int, other: int) -> bool:
        (cost, score), (dearer, lower) = points[one], points[other]
        return cost <= dearer and score >= lower and (points[one] != points[other] or one < other)

    rank: dict[int, int] = {}
    while len(rank) < len(points):
        free = [
            i for i in places if i not in rank and all(j in rank for j in places if j != i and beats(j, i))
        ]
        rank.update(
            {i: 1 + max((rank[j] for j in places if j != i and beats(j, i)), default=-1) for i in free}
        )
    found = fronts(points)
    assert {i: number for number, front in enumerate(found) for i in front} == rank
    for front in found:
        costs = [points[i][0] for i in front]
        assert costs == sorted(set(costs))


def test_crowding_by_hand() -> None:
    """Widths are 10 in cost and 1 in score: (3 - 0) / 10 + (0.5 - 0) / 1 and so on."""
    front = [(0.0, 0.0), (1.0, 0.4), (3.0, 0.5), (10.0, 1.0)]
    assert crowding(front) == pytest.approx([math.inf, 0.3 + 0.5, 0.9 + 0.6, math.inf])
    assert crowding(front[:2]) == [math.inf, math.inf] and crowding([]) == []


@pytest.mark.parametrize("seed", range(5))
def test_crowding_as_nsga_ii_has_it(seed: int) -> None:
    """Objective by objective, each sorted by itself."""
    points = drawn(seed, 80)
    front = [points[i] for i in pareto_front(points)]
    expected = [0.0] * len(front)
    for axis in (0, 1):
        order = sorted(range(len(front)), key=lambda i: front[i][axis])
        width = front[order[-1]][axis] - front[order[0]][axis]
        expected[order[0]] = expected[order[-1]] = math.inf
        for before, place, after in zip(order, order[1:], order[2:], strict=False):
            expected[place] += (front[after][axis] - front[before][axis]) / width
    assert crowding(front) == pytest.approx(expected)


def test_what_is_kept_of_a_front() -> None:
    """Two that are near to one another do not both go: once one is left out, the other stands alone."""
    front = [(0.0, 0.0), (1.0, 0.1), (5.0, 0.5), (5.1, 0.51), (10.0, 1.0)]
    assert spread(front)[:2] == [4, 0]
    assert chosen(front, 3) in ([0, 2, 4], [0, 3, 4])
    assert chosen(front, 4) in ([0, 1, 2, 4], [0, 1, 3, 4])
    assert chosen(front, 1) == [4] and chosen(front, 2) == [0, 4] and chosen(front, 9) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_and_the_choice(seed: int) -> None:
    points = drawn(seed)
    order, front = ordered(points), pareto_front(points)
    assert sorted(order) == list(range(len(points)))
    assert set(order[: len(front)]) == set(front)
    assert points[order[0]][1] == max(score for _, score in points)
    for size in range(1, len(front) + 1):
        assert chosen(points, size) == sorted(order[:size], key=lambda i: points[i])
        assert points[chosen(points, size)[-1]] == points[order[0]]
    shifted = [(1e6 * cost, score / 7) for cost, score in points]  # units change nothing
    assert ordered(shifted) == order


def test_scores_that_are_no_numbers_do_not_hang() -> None:
    assert sorted(ordered([(1.0, math.nan), (2.0, math.nan), (3.0, 0.5)])) == [0, 1, 2]


def test_hypervolume_by_hand() -> None:
    """Nothing up to 1, 0.5 up to 3, 0.8 up to 4."""
    points = [(3.0, 0.8), (1.0, 0.5), (2.0, 0.4)]
    assert hypervolume(points, 0.0, 4.0) == pytest.approx((0 + 2 * 0.5 + 0.8) / 4)
    assert hypervolume(points, 2.0, 3.5) == pytest.approx((0.5 + 0.5 * 0.8) / 1.5)
    assert hypervolume([(5.0, 0.9)], 0.0, 4.0) == 0.0 and hypervolume([], 0.0, 1.0) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_hypervolume_is_the_mean_of_the_best_within_a_budget(seed: int) -> None:
    points = drawn(seed)
    budgets = [(step + 0.5) / 100 for step in range(1200)]  # 0 to 12, and no cost is among them
    best = [max((score for cost, score in points if cost <= budget), default=0.0) for budget in budgets]
    assert hypervolume(points, 0.0, 12.0) == pytest.approx(sum(best) / len(best))


def test_what_a_search_hands_over() -> None:
    nets = [
        (1.0, {"default": 0.04, "loss": 9.0}),  # has learnt nothing
        (2.0, {"default": 0.5, "loss": 2.0}),
        (3.0, {"default": 0.5, "loss": 1.0}),  # no more accurate than the one before
        (4.0, {"default": 0.8, "loss": 1.0}),
        (5.0, {"default": 0.8, "loss": 0.5}),
        (None, {"default": 0.9, "loss": 0.5}),
        (0.5, None),
    ]
    assert handed_over(nets, 3, 0.05) == [1, 3]
    assert handed_over(nets, 3, 0.0) == [0, 1, 3]  # any net counts
    assert handed_over(nets, 1, 0.05) == [5]
    assert handed_over(nets[:5], 1, 0.05) == [4]  # one net alone: of equals that of the lower loss
    assert handed_over(nets[:1], 3, 0.05) == [0] and handed_over([], 3, 0.05) == []


def test_blind_answers_are_no_reading() -> None:
    nets = [(1.0, {"default": 0.5, "blind": 0.5}), (2.0, {"default": 0.6, "blind": 0.5})]
    assert handed_over(nets, 2, 0.05) == [1]
    other = [(1.0, {"default": 0.9, "word_accuracy": 0.01, "metric": "cer"}), (2.0, {"default": 0.95})]
    assert handed_over(other, 2, 0.05) == [1]  # by its words, whatever chooses
