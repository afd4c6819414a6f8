"""Intervals, exact tests and wins of paired differences, against values known from elsewhere."""

from __future__ import annotations

import pytest
from scipy import stats

from autostr_nni.report.seeds.paired import paired, sign_flip, wins

DIFFERENCES = [0.021, -0.004, 0.013, 0.035, 0.008]


def test_the_interval_is_that_of_students_t() -> None:
    found = paired([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found.mean == 3 and found.low == pytest.approx(3 - 2.776445 * 2.5**0.5 / 5**0.5, abs=1e-5)
    told = stats.ttest_1samp(DIFFERENCES, 0).confidence_interval(0.95)
    found = paired(DIFFERENCES)
    assert (found.low, found.high) == (pytest.approx(told.low), pytest.approx(told.high))


def test_several_comparisons_have_wider_intervals() -> None:
    told = stats.ttest_1samp(DIFFERENCES, 0).confidence_interval(1 - 0.05 / 3)
    found = paired(DIFFERENCES, 3)
    assert (found.low, found.high) == (pytest.approx(told.low), pytest.approx(told.high))


def test_fewer_than_three_seeds_have_no_interval() -> None:
    assert paired([0.5, 0.6]) == (0.55, None, None, None)
    assert paired([0.5, 0.5, 0.5])[:3] == (0.5, 0.5, 0.5)


def test_all_signs_are_gone_through() -> None:
    assert sign_flip([1.0] * 5) == 1 / 16  # all of one sign: two of 32
    told = stats.permutation_test(
        (DIFFERENCES, [0.0] * 5), lambda x, y: sum(x) - sum(y), permutation_type="samples", n_resamples=9999
    )
    assert sign_flip(DIFFERENCES) == pytest.approx(told.pvalue)
    assert sign_flip([0.0, 0.0, 0.0]) == 1.0 and sign_flip([0.1] * 21) is None


def test_who_has_no_net_has_lost() -> None:
    assert wins([(0.5, 0.4), (0.5, 0.5), (None, 0.0), (0.0, None), (None, None)]) == (2, 1, 1)


def test_figures_below_minus_one_are_figures() -> None:
    """1-CER of long garbage on short words is."""
    assert wins([(None, -1.5), (-1.5, None), (-2.0, -1.5)]) == (1, 0, 2)
