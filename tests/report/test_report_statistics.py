"""Intervals, fronts and bands against values known from elsewhere or counted by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from autostr_nni.report.statistics import NONE, Curve, band, best_so_far, bootstrap, wilson


@pytest.mark.parametrize(
    "correct, words, low, high",
    [
        (8, 10, 0.490162, 0.943318),
        (0, 10, 0.0, 0.277533),
        (10, 10, 0.722467, 1.0),
        (871, 1000, 0.848796, 0.890365),
    ],
)
def test_wilson(correct: int, words: int, low: float, high: float) -> None:
    assert wilson(correct, words) == pytest.approx((low, high), abs=1e-6)


def test_wilson_bounds_solve_the_score_equation() -> None:
    """A bound p is where the rate lies 1.96 standard errors of p away."""
    for bound in wilson(37, 90):
        assert abs(37 / 90 - bound) / (bound * (1 - bound) / 90) ** 0.5 == pytest.approx(1.959964, abs=1e-5)


def test_no_words_say_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_best_so_far_only_rises() -> None:
    curves = [Curve((1.0, 2.0), (0.3, 0.2), 3.0), Curve((1.0, 2.0), (0.1, 0.6), 2.0), Curve((), (), 5.0)]
    assert best_so_far(curves) == ([1.0, 5.0, 10.0], [0.3, 0.6, 0.6])
    assert best_so_far([Curve((), (), 5.0)]) == ([], [])  # no net, no accuracy


def test_bootstrap_agrees_with_all_orders() -> None:
    """Three nets of the same cost: after k of them the best of k draws with replacement."""
    scores = (0.2, 0.8, 0.5)
    curves = [Curve((10.0,), (score,), 10.0) for score in scores]
    found = band(curves, [0.0, 5.0, 10.0, 20.0, 30.0], draws=4000)
    assert found.median[:3] == [None, None, 0.5] and found.low[2] == 0.2 and found.high[2] == 0.8
    for draws, column in ((1, 2), (2, 3), (3, 4)):
        exact = [max(order) for order in itertools.product(scores, repeat=draws)]
        assert found.mean[column] == pytest.approx(np.mean(exact), abs=0.015)
        assert found.median[column] == np.percentile(exact, 50, method="inverted_cdf")


def test_bootstrap_counts_cost_within_and_between_nets() -> None:
    """A net that costs three times as much delays the next; a failed one costs and gives nothing."""
    curves = [Curve((1.0, 3.0), (0.1, 0.9), 3.0), Curve((), (), 1.0)]
    found = bootstrap(curves, [1.0, 2.0, 3.0], draws=4000, seed=1)
    assert (found[:, 0] == 0.1).mean() == pytest.approx(1 / 2, abs=0.04)  # the net came first
    assert set(found[:, 0]) == {0.1, NONE}
    assert (found[:, 1] == 0.1).mean() == pytest.approx(3 / 4, abs=0.03)  # first, or second
    assert (found[:, 2] == 0.9).mean() == pytest.approx(1 / 2, abs=0.03)


def test_the_seed_decides() -> None:
    curves = [Curve((1.0,), (0.1,), 1.0), Curve((1.0,), (0.2,), 1.0)]
    assert (bootstrap(curves, [1.0], 50, 3) == bootstrap(curves, [1.0], 50, 3)).all()
    assert bootstrap([], [1.0], 5, 0).tolist() == [[NONE]] * 5
