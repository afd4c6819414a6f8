"""The check's figures, on numbers that are known."""

from __future__ import annotations

import pytest

from autostr_nni.latency.prediction import Timed, check, drift, fitted_constant


def timed(sums: list[int], measured: list[int]) -> list[Timed]:
    return [
        Timed(f"net {place}", s, m, 1000 - place)
        for place, (s, m) in enumerate(zip(sums, measured, strict=True))
    ]


def test_the_constant_is_what_most_nets_leave() -> None:
    nets = timed([100, 200, 300, 400, 500], [130, 232, 328, 430, 9_000])  # the last one was disturbed
    assert fitted_constant(nets) == 30


def test_errors_and_ranks() -> None:
    found = check(timed([100, 200, 300, 400], [110, 200, 250, 400]), constant_ns=0)
    assert found["median_error"] == pytest.approx((0 + 10 / 110) / 2)
    assert found["largest_error"] == pytest.approx(0.2)
    assert found["kendall_tau"] == 1.0
    assert found["kendall_tau_of_macs"] == -1.0
    assert found["nets"][2] == {"architecture": "net 2", "predicted_ns": 300, "measured_ns": 250, "macs": 998}


def test_one_pair_the_wrong_way_round() -> None:
    found = check(timed([100, 200, 300, 400], [100, 300, 200, 400]), constant_ns=0)
    assert found["kendall_tau"] == pytest.approx((5 - 1) / 6)


def test_the_constant_counts_in_errors() -> None:
    assert check(timed([100, 200], [150, 250]), constant_ns=50)["largest_error"] == 0.0
    assert check(timed([100, 200], [150, 250]), constant_ns=0)["largest_error"] == pytest.approx(1 / 3)


def test_nets_that_are_all_as_fast_have_no_rank() -> None:
    assert check(timed([100, 200, 300], [5, 5, 5]), constant_ns=0)["kendall_tau"] == 0.0


def test_drift_is_of_the_last_third_beside_the_first() -> None:
    steady = [[100, 1_000, 0], [101, 990, 0], [99, 1_010, 0]]
    assert abs(drift(steady)) < 0.02
    slower = [[100, 1_000, 0]] * 2 + [[105, 1_050, 0]] * 2 + [[120, 1_200, 0]] * 2
    assert drift(slower) == pytest.approx(0.2)
    assert drift(slower[::-1]) == pytest.approx(1 / 1.2 - 1)
    assert drift([[100, 5]]) == 0.0
